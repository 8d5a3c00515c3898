import FerryCore
import Testing

@testable import otaferry

@Suite("What watch knows and shows")
struct WatchBoardTests {
    private let root = "otaferry/v1/gw1"
    private let now = WallTime(milliseconds: 1_790_000_000_000)

    private func state(_ id: String, _ state: String, seq: Int64 = 1, _ more: [String: JSONValue] = [:]) -> JSONValue {
        let members: [String: JSONValue] = [
            "sender": "ci", "id": .string(id), "size": 10_000_000, "state": .string(state), "seq": .integer(seq),
            "since": .string((now + .seconds(-300)).iso8601),
            "firmware": ["product": "pumpctl", "version": "1.4.2"], "received": ["durable": 10_000_000],
            "cloud": ["sent": 0], "reason": .null, "paused": false,
        ]
        return .object(members.merging(more) { $1 })
    }

    private func tell(_ board: inout WatchBoard, _ id: String, _ name: String, seq: Int64 = 1) {
        _ = board.take(topic: "\(root)/state/ci/\(id)", payload: state(id, name, seq: seq).encoded)
    }

    private var busy: WatchBoard {
        var board = WatchBoard(root: root)
        tell(&board, "done", "registered")
        tell(&board, "waits", "stored")
        tell(&board, "stuck", "held")
        tell(&board, "goes", "uploading")
        let progress: JSONValue = ["state": "uploading", "sent": 6_100_000, "rate": 12_300_000, "eta": 34]
        _ = board.take(topic: "\(root)/progress/ci/goes", payload: progress.encoded)
        let status: JSONValue = [
            "state": "online", "queue": ["stored": 1, "publishing": 1, "held": 1, "receiving": 0, "failed": 0],
            "spool": ["used": 30_000_000, "quota": 4_000_000_000],
            "problems": [
                ["code": "paused", "text": "Publication is paused by an operator", "hint": "otaferry resume"]
            ],
        ]
        _ = board.take(topic: "\(root)/status", payload: status.encoded)
        return board
    }

    private func frame(_ columns: Int, _ rows: Int, unicode: Bool = true) throws -> [String] {
        let terminal = Terminal(isInteractive: true, isUnicode: unicode, hasColor: false)
        let frame = WatchFrame(
            gateway: try #require(Name("gw1")),
            terminal: terminal,
            size: Terminal.Size(columns: columns, rows: rows)
        )
        return frame.lines(busy, busy.sorted(), now: now)
    }

    @Test("What moves comes first, then what needs a person, what waits, what has ended")
    func order() { #expect(busy.sorted().map(\.address.id.text) == ["goes", "stuck", "waits", "done"]) }

    @Test("A wide window shows bar, rate and time")
    func wide() throws {
        #expect(
            try frame(130, 12) == [
                "gw1  online   1 publishing   1 stored   spool 30.0 MB of 4.0 GB",
                "! 1 held: otaferry show ID tells what to do",
                "! Publication is paused by an operator: otaferry resume",
                "",
                "ID        PRODUCT  VERSION     SIZE  STATE        PROGRESS          DONE       RATE   LEFT  AGE  REASON",
                "ci/goes   pumpctl  1.4.2    10.0 MB  uploading    █████████▊░░░░░░   61%  12.3 MB/s   0:34   5m",
                "ci/stuck  pumpctl  1.4.2    10.0 MB  held                                                    5m",
                "ci/waits  pumpctl  1.4.2    10.0 MB  stored                                                  5m",
                "ci/done   pumpctl  1.4.2    10.0 MB  registered                                              5m",
                "", "",
                "q ends",
            ]
        )
    }

    @Test("No line is wider than the window, and there are never more than its rows", arguments: [10, 20, 40, 80, 200])
    func fits(columns: Int) throws {
        for rows in 1...14 {
            for unicode in [true, false] {
                let lines = try frame(columns, rows, unicode: unicode)
                #expect(lines.count <= rows)
                #expect(lines.allSatisfy { ColumnText.width($0) <= columns })
                if !unicode { #expect(lines.allSatisfy { $0.utf8.count == $0.count }) }
            }
        }
    }

    @Test("What does not fit is counted")
    func counts() throws { #expect(try frame(80, 9).contains("… 3 more")) }

    /// What a person reads, without the ends of lines.
    private func text(_ lines: [String]) -> String {
        lines.joined(separator: " ").split(separator: " ").joined(separator: " ")
    }

    @Test("How many need a person, and what to do, is read in a window of any width", arguments: [30, 40, 80, 200])
    func remedies(columns: Int) throws {
        let text = text(try frame(columns, 16))
        #expect(text.contains("1 held: otaferry show ID tells what to do"), "\(text)")
        #expect(text.contains("Publication is paused by an operator: otaferry resume"), "\(text)")
    }

    /// A small window of a gateway with one problem.
    private func notes(_ text: JSONValue, _ hint: JSONValue, columns: Int) throws -> [String] {
        var board = WatchBoard(root: root)
        let status: JSONValue = ["state": "online", "problems": [["code": "x", "text": text, "hint": hint]]]
        _ = board.take(topic: "\(root)/status", payload: status.encoded)
        let terminal = Terminal(isInteractive: true, isUnicode: true, hasColor: false)
        let frame = WatchFrame(
            gateway: try #require(Name("gw1")),
            terminal: terminal,
            size: Terminal.Size(columns: columns, rows: 8)
        )
        return frame.lines(board, [], now: now).filter { $0.hasPrefix("! ") }
    }

    @Test("A note that has no room to its end is cut behind a sentence, or between words, which shows")
    func cut() throws {
        let whole = try notes("The disk is full. Make room on it", "", columns: 20)
        #expect(whole == ["! The disk is full."])
        #expect(try notes("The disk of it is full", "Make room on it", columns: 20) == ["! The disk of it …"])
        #expect(try notes("The disk is full", "", columns: 20) == ["! The disk is full"])
    }

    @Test("However many notes there are, a small window has room for transfers", arguments: 5...12)
    func smallWindow(rows: Int) throws {
        let lines = try frame(40, rows)
        let seen = lines.filter { $0.hasPrefix("ci/") || $0.hasPrefix("goes") }
        #expect(seen.count >= (rows >= 10 ? 2 : 1), "\(lines)")
        #expect(lines.contains { $0.hasPrefix("! 1 held") }, "\(lines)")
    }

    @Test("A long name of a gateway leaves the counts their room")
    func longName() throws {
        let frame = WatchFrame(
            gateway: try #require(Name(String(repeating: "g", count: 64))),
            terminal: Terminal(isInteractive: true, isUnicode: true, hasColor: false),
            size: Terminal.Size(columns: 40, rows: 12)
        )
        #expect(text(frame.lines(busy, busy.sorted(), now: now)).contains("1 held: otaferry show ID"))
    }

    @Test("Of an agent that is away the transfers are counted that it left, and what to do is said")
    func away() throws {
        var board = busy
        tell(&board, "broken", "failed")
        _ = board.take(topic: "\(root)/status", payload: Array(#"{"v":1,"state":"offline"}"#.utf8))
        var frame = WatchFrame(
            gateway: try #require(Name("gw1")),
            terminal: Terminal(isInteractive: true, isUnicode: true, hasColor: false),
            size: Terminal.Size(columns: 40, rows: 20)
        )
        frame.isAgentAway = true
        let text = text(frame.lines(board, board.sorted(), now: now))
        #expect(text.contains("The agent is away. " + AgentAway.remedy), "\(text)")
        #expect(text.contains("1 held, 1 failed: otaferry show ID tells what to do"), "\(text)")
    }

    @Test("Of one transfer that is held the reason is said once")
    func oneIsSaidOnce() throws {
        var board = WatchBoard(root: root)
        let reason: JSONValue = [
            "code": "credentials", "class": "operator", "text": "The key was refused", "hint": "x",
        ]
        _ = board.take(topic: "\(root)/state/ci/stuck", payload: state("stuck", "held", ["reason": reason]).encoded)
        let address = try #require(TransferAddress(parsing: "ci/stuck"))
        let frame = WatchFrame(
            gateway: try #require(Name("gw1")),
            terminal: Terminal(isInteractive: true, isUnicode: true, hasColor: false),
            size: Terminal.Size(columns: 100, rows: 30)
        )
        let events: [JSONValue] = [
            ["event": "state", "state": "stored", "at": "2026-05-01T08:00:00.000Z"],
            ["event": "state", "state": "held", "at": "2026-05-01T08:00:01.000Z", "reason": reason],
        ]
        let entry = try #require(board.entries[address])
        var silent = frame
        silent.isSilent = true
        #expect(silent.lines(entry, events: [], now: now).first?.hasPrefix("! The agent does not answer") == true)
        let lines = frame.lines(entry, events: events, now: now)
        #expect(lines.count { $0.contains("The key was refused") } == 1, "\(lines)")
        #expect(lines.contains { $0.contains("08:00:01.000Z  held") })
    }

    @Test("Of one transfer a small window shows how it stands and what to do", arguments: [40, 80])
    func oneInSmallWindow(columns: Int) throws {
        var board = WatchBoard(root: root)
        let reason: JSONValue = [
            "code": "credentials", "class": "operator", "text": "The access key was refused", "hint": "Renew the key",
        ]
        let more: [String: JSONValue] = ["sha256": .string(String(repeating: "a", count: 64)), "reason": reason]
        _ = board.take(topic: "\(root)/state/ci/stuck", payload: state("stuck", "held", more).encoded)
        let entry = try #require(board.sorted().first)
        for (rows, isWhole) in [(11, false), (30, true)] {
            let frame = WatchFrame(
                gateway: try #require(Name("gw1")),
                terminal: Terminal(isInteractive: true, isUnicode: true, hasColor: false),
                size: Terminal.Size(columns: columns, rows: rows)
            )
            let lines = frame.lines(entry, events: [], now: now)
            for word in ["Transfer ", "State ", "The access key was", "Renew the key", "q ends"] {
                #expect(lines.contains { $0.contains(word) }, "\(word): \(lines)")
            }
            #expect(lines.contains { $0.hasPrefix("SHA-256") } == isWhole, "\(lines)")
        }
    }

    @Test("A repeated state is no news, another one is")
    func news() {
        var board = busy
        func change(_ name: String, seq: Int64) -> String {
            switch board.take(topic: "\(root)/state/ci/goes", payload: state("goes", name, seq: seq).encoded) {
            case .state: "state"
            case .repeated: "repeated"
            default: "other"
            }
        }
        #expect(change("uploading", seq: 2) == "repeated")
        #expect(change("registering", seq: 3) == "state")
        #expect(board.entries.values.allSatisfy { $0.movement == nil })
    }

    @Test("What the broker no longer keeps after a new connection is gone")
    func stale() {
        var board = busy
        board.connectionLost()
        tell(&board, "goes", "registered")
        #expect(board.dropStale().map(\.id.text) == ["done", "stuck", "waits"])
        #expect(board.sorted().map(\.address.id.text) == ["goes"])
    }

    @Test(
        "What is no message of an agent changes nothing",
        arguments: ["otaferry/v1/gw2/state/ci/x", "otaferry/v1/gw1/state/ci", "otaferry/v1/gw1/state/c i/x", "x"]
    )
    func ignores(topic: String) {
        var board = WatchBoard(root: root)
        #expect(board.take(topic: topic, payload: state("x", "stored").encoded) == nil)
        #expect(board.take(topic: "\(root)/state/ci/x", payload: Array("{".utf8)) == nil)
        #expect(board.entries.isEmpty)
    }
}
