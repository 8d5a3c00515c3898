import FerryCore
import Testing

@testable import otaferry

/// Whoever may write to the broker may write a state, and it is kept.
@Suite("Numbers that no agent tells")
struct HostileNumberTests {
    private static let numbers: [JSONValue] = [
        .integer(.min), -1, 0, 1, .integer(.max), .double(-1e300), .double(1e300), .double(9.3e18), "7",
    ]
    private let now = WallTime(milliseconds: 1_790_000_000_000)

    private static let state: JSONValue = [
        "sender": "ci", "id": "x", "seq": 1, "since": "2026-05-01T08:00:00.000Z", "size": 10,
        "firmware": ["product": "p", "priority": 1, "package": ["id": "spring", "files": 3]],
        "received": ["bytes": 5, "durable": 5, "missing": [[5, 6]], "more": false],
        "cloud": ["sent": 5, "attempt": 1, "next_attempt": "2126-05-01T08:00:00.000Z"],
        "reason": ["code": "cloud-busy", "class": "retry", "text": "x", "hint": "y"],
    ]
    private static let progress: JSONValue = ["received": 5, "sent": 5, "size": 10, "rate": 1, "eta": 1]
    private static let status: JSONValue = [
        "state": "online", "since": "2026-05-01T08:00:00.000Z",
        "queue": ["receiving": 1, "stored": 1, "publishing": 1, "held": 1, "failed": 1],
        "spool": ["used": 1, "free": 1, "quota": 1, "transfers": 1], "cloud": ["reachable": true, "clock_offset": 9],
        "broker": ["max_packet": 1], "memory": ["resident": 1],
        "limits": ["one_shot_max": 1, "segment": 1, "size_max": 1],
        "totals": ["stored": 1, "sent": 1, "registered": 1, "attempts": 1, "written": 1],
    ]

    /// Every document that differs from this one in a number, or in a member that could be one.
    private static func variants(of document: JSONValue) -> [JSONValue] {
        switch document {
        case .object(let members):
            return members.flatMap { name, value in
                variants(of: value).map { .object(members.merging([name: $0]) { $1 }) }
            }
        case .array(let items):
            return items.indices.flatMap { index in
                variants(of: items[index]).map { item in
                    var items = items
                    items[index] = item
                    return .array(items)
                }
            }
        case .bool: return []
        default: return numbers
        }
    }

    private static func with(_ document: JSONValue, _ members: [String: JSONValue]) -> JSONValue {
        .object((document.object ?? [:]).merging(members) { $1 })
    }

    /// Shows it on every screen.
    private func lines(_ state: JSONValue, _ progress: JSONValue, _ status: JSONValue) throws -> [String] {
        let terminal = Terminal(isInteractive: true, isUnicode: true, hasColor: false)
        var lines = TransferReport(state: state, events: []).lines(terminal: terminal)
        lines += TransferTable(states: [state], now: now).lines(columns: 120, terminal: terminal)
        lines += StatusReport(status: status, gateway: "gw1", now: now).lines(terminal: terminal)
        var board = WatchBoard(root: "r")
        for (topic, message) in [("status", status), ("state/ci/x", state), ("progress/ci/x", progress)] {
            _ = board.take(topic: "r/\(topic)", payload: message.encoded)
        }
        let frame = WatchFrame(
            gateway: try #require(Name("gw1")),
            terminal: terminal,
            size: Terminal.Size(columns: 160, rows: 40)
        )
        lines += frame.lines(board, board.sorted(), now: now)
        for entry in board.entries.values {
            lines += frame.lines(entry, events: [], now: now)
            let note = entry.status.waitingNote(of: entry.address, now: now)
            lines.append(note)
        }
        return lines
    }

    @Test("A state with any of them is shown, and nothing is more than all of it", arguments: TransferState.allCases)
    func states(state: TransferState) throws {
        let said: [String: JSONValue] = ["state": .string(state.rawValue)]
        let progress = Self.with(Self.progress, said)
        for document in Self.variants(of: Self.state) {
            let lines = try lines(Self.with(document, said), progress, Self.status)
            // What nothing is counted with is shown as it was told.
            for line in lines where ["Size", "State", "Missing", "Attempts"].contains(where: line.hasPrefix) {
                #expect(!line.contains("-9223") && !line.contains("922337203685"), "\(line)")
            }
        }
        for progress in Self.variants(of: progress) {
            _ = try lines(Self.with(Self.state, said), Self.with(progress, said), Self.status)
        }
    }

    @Test("Two of them at once are borne too")
    func pairs() throws {
        for state in ["receiving", "uploading"] as [JSONValue] {
            for size in Self.numbers {
                for count in Self.numbers {
                    let document = Self.with(
                        Self.state,
                        ["state": state, "size": size, "cloud": ["sent": count], "received": ["durable": count]]
                    )
                    let progress: JSONValue = ["state": state, "sent": count, "received": count, "rate": size]
                    #expect(try !lines(document, progress, Self.status).isEmpty)
                }
            }
        }
        let full: JSONValue = [
            "state": "uploading", "size": .integer(.max), "cloud": ["sent": .integer(.max)],
        ]
        #expect(TransferTable.Row(state: full, now: now).progress == "100%")
    }

    @Test("A status with any of them is shown")
    func statuses() throws {
        for status in Self.variants(of: Self.status) {
            _ = try lines(Self.with(Self.state, ["state": "uploading"]), Self.progress, status)
        }
    }

    @Test("What is said of more bytes than there can be is still said")
    func reported() {
        let state: JSONValue = [
            "state": "receiving", "size": 10, "received": ["bytes": .integer(.max), "missing": [[0, 1]]],
        ]
        #expect(ReceivedBytes(state: state).count == CloudLimits.fileBytes)
        #expect(ReceivedBytes(state: state).missingText == "1 B: bytes 0")
    }

    @Test("A push bears them in acknowledgements and progress")
    func push() {
        let acknowledgement: JSONValue = [
            "seq": 1, "received": 5, "durable": 5, "missing": [[5, 6]], "more": false, "credit": 7, "segment": 3,
            "state": "receiving", "reason": "ok",
        ]
        for ack in Self.variants(of: acknowledgement) {
            guard let ack = Acknowledgement(payload: ack.encoded) else { continue }
            var machine = SendingMachine(size: 10, limits: SendingMachine.Limits())
            machine.agentReached()
            _ = machine.next(at: .zero)
            machine.acknowledged(ack, at: .zero)
            while case .send(_, let range)? = machine.next(at: .zero) { #expect(range.upperBound <= 10) }
            #expect(machine.received + machine.received >= 0)
        }
        for rate in [Double(Int64.max), 1e300, .infinity, -1] { #expect(!ProgressLine.rateText(rate).isEmpty) }
    }

    @Test(
        "Percents are cut, and never beyond what there is",
        arguments: [
            (0, 10, 0), (9, 10, 90), (999, 1_000, 99), (10, 10, 100), (11, 10, 100), (-1, 10, 0), (0, 0, 100),
            (.max, .max, 100), (.max - 1, .max, 99), (.min, .max, 0), (0, .min, 100), (5, -5, 100),
        ] as [(Int64, Int64, Int)]
    )
    func percents(done: Int64, total: Int64, percent: Int) { #expect(Percent.of(done, in: total) == percent) }
}
