import FerryCore
import Testing

@testable import otaferry

@Suite("One transfer for a person")
struct TransferReportTests {
    private func lines(_ firmware: JSONValue) -> [String] {
        let state: JSONValue = ["sender": "ci", "id": "1", "state": "stored", "seq": 1, "firmware": firmware]
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        return TransferReport(state: state, events: []).head(terminal: terminal)
    }

    @Test("What was said of verification and custom data is shown")
    func showsDetails() {
        let lines = lines(["verify": false, "custom": ["ring": 2]])
        #expect(lines.contains("Verification  not asked for before it rolls out"))
        #expect(lines.contains(#"Custom data   {"ring":2}"#))
    }

    private func receiving(_ received: JSONValue, size: JSONValue = 10_485_760) -> String? {
        let state: JSONValue = [
            "sender": "ci", "id": "1", "state": "receiving", "seq": 1, "size": size, "received": received,
        ]
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        return TransferReport(state: state, events: []).head(terminal: terminal).first { $0.hasPrefix("Missing") }
    }

    @Test("What a client of EMQX's file transfer calls a file is shown beside the id that was made of it")
    func fileID() {
        let state: JSONValue = [
            "sender": "emqx", "id": "0123456789abcdef", "file": "pump.bin", "file_id": "für Pumpe 7", "state": "held",
        ]
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        let lines = TransferReport(state: state, events: []).head(terminal: terminal)
        #expect(lines.contains("File          pump.bin") && lines.contains("File ID       für Pumpe 7"))
    }

    @Test(
        "What to do is said of each that waits for a person or has failed, with a command to paste",
        arguments: [
            ("failed", "upload-refused", 1, "correct the cause, then retry (otaferry retry ci/1)"),
            (
                "held", "credentials", 1,
                "read again by itself. It stays on the gateway and goes on when that is mended "
            ),
            ("failed", "too-large", 0, "otaferry push sends it in segments, up to 1,048,576,000 bytes\n"),
            ("failed", "spool-damaged", 3, "then send the file again. It begins anew then"),
            ("held", "needs-metadata", 0, "Supply what is missing: otaferry describe ci/1 --version VERSION\n"),
            ("expired", "expired", 0, "look at the gateway's clock. The same push begins anew"),
            ("cancelled", "cancelled-by-operator", 0, "If it is wanted after all, send it again: it begins anew"),
        ]
    )
    func hints(state: String, code: String, attempts: Int64, words: String) {
        let kind = state == "held" ? "operator" : "permanent"
        let document: JSONValue = [
            "sender": "ci", "id": "1", "state": .string(state), "seq": 1, "firmware": ["product": "p"],
            "cloud": ["attempt": .integer(attempts)],
            "reason": ["code": .string(code), "class": .string(kind), "text": "It is so", "hint": ""],
        ]
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        let lines = TransferReport(state: document, events: []).head(terminal: terminal)
        let hint = (lines.first { $0.hasPrefix("Hint") } ?? "") + "\n"
        #expect(hint.contains(words), "\(hint)")
    }

    @Test(
        "In a narrow window nothing stands left of where its line begins, and a command stays whole",
        arguments: [40, 50]
    )
    func narrow(columns: Int) {
        let digest = String(repeating: "0123456789abcdef", count: 4)
        let id = "pumpctl-controller-main-board-1.4.2-rc1"
        let document: JSONValue = [
            "sender": "ci", "id": .string(id), "state": "held", "seq": 1, "sha256": .string(digest),
            "file": .string(digest + ".bin"), "firmware": ["product": "p"],
            "cloud": ["request_id": "FF6C6F8F-5B7C-4E3B-9F5A-0123456789AB"],
            "reason": [
                "code": "needs-metadata", "class": "operator", "text": "x", "hint": "",
                "cloud_code": "InvalidParameter.FirmwareNameIsTooLong",
            ],
        ]
        let terminal = Terminal(isInteractive: true, isUnicode: true, hasColor: false, fixedWidth: columns)
        let lines = TransferReport(state: document, events: []).head(terminal: terminal)
        for line in lines where !line.contains("ci/") { #expect(ColumnText.width(line) <= columns, "\(lines)") }
        #expect(lines.contains { $0.hasSuffix("ci/" + id) && $0.hasPrefix(" ") }, "\(lines)")
        let told = lines.drop { !$0.hasPrefix("SHA-256") }.prefix { $0.hasPrefix("SHA-256") || $0.first == " " }
        #expect(told.map { $0.dropFirst(14) }.joined() == digest, "\(lines)")
    }

    @Test("A package is named with its number of files")
    func package() {
        #expect(lines(["package": ["id": "spring", "files": 3]]).contains("Package       spring, 3 files"))
        #expect(!lines([:]).contains { $0.hasPrefix("Package") })
    }

    @Test("While it is received, the bytes that are missing are named: holes, and what is behind them")
    func missing() {
        #expect(
            receiving(["durable": 524_288, "bytes": 786_432, "missing": [[524_288, 786_432]], "more": false])
                == "Missing       9.7 MB: bytes 524288-786431, 1048576-10485759"
        )
        #expect(
            receiving(["durable": 0, "bytes": 0, "missing": [], "more": false])
                == "Missing       10.5 MB: bytes 0-10485759"
        )
        #expect(
            receiving(["durable": 5, "bytes": 10, "missing": [[5, 6]], "more": true], size: .null)
                == "Missing       1 B: bytes 5, and more"
        )
        // It is not known how much is to come.
        #expect(receiving(["durable": 5, "bytes": 5, "missing": [], "more": false], size: .null) == nil)
        // An announced size is all here, and yet it is not said that this is all.
        #expect(
            receiving(["durable": 9, "bytes": 9, "missing": [], "more": false], size: 9)
                == "Missing       no byte: its sender has to say fin/<size>, or its bytes are being verified"
        )
        // More has come than was announced, and not its beginning.
        let beyond: JSONValue = ["durable": 0, "bytes": 5_000, "missing": [[0, 50]], "more": false]
        #expect(receiving(beyond, size: 100) == "Missing       50 B: bytes 0-49")
        let state: JSONValue = ["state": "receiving", "size": 100, "received": beyond]
        #expect(ReceivedBytes(state: state).countOfAnnounced == 50)
        #expect(lines([:]).allSatisfy { !$0.hasPrefix("Missing") })
        #expect(receiving(["missing": [[7, 5], [-1, 2], ["a"]]], size: 9) == nil)
    }

    @Test("While bytes come, what was missing a while ago is not said")
    func missingIsOld() {
        let state: JSONValue = [
            "sender": "ci", "id": "1", "state": "receiving", "size": 9, "received": ["bytes": 4, "missing": []],
        ]
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        let report = TransferReport(state: state, events: [])
        func isSaid(_ count: Int64?) -> Bool {
            report.head(terminal: terminal, received: count).contains { $0.hasPrefix("Missing") }
        }
        #expect(isSaid(nil) && isSaid(4) && !isSaid(5))
    }

    private func history(_ events: [JSONValue], width: Int?) -> [String] {
        var terminal = Terminal(isInteractive: width != nil, isUnicode: true, hasColor: false)
        terminal.fixedWidth = width
        return TransferReport(state: [:], events: events).history(terminal: terminal)
    }

    private func event(_ state: String, change: String? = nil, why: String? = nil) -> JSONValue {
        [
            "at": "2026-05-01T08:00:01.000Z", "event": "state", "change": .text(change), "state": .string(state),
            "reason": why.map { ["code": "tls", "class": "retry", "text": .string($0)] } ?? .null,
        ]
    }

    private static let long = "The certificate of the cloud is not signed by an authority that this gateway trusts"

    @Test("A line of the history goes on below its text, and where there is no room for that below the moment")
    func wraps() {
        let events = [event("registering"), event("stored", why: Self.long)]
        #expect(
            history(events, width: 80) == [
                "  2026-05-01T08:00:01.000Z  registering",
                "  2026-05-01T08:00:01.000Z  stored        The certificate of the cloud is not",
                "                                          signed by an authority that this",
                "                                          gateway trusts",
            ]
        )
        #expect(
            history(events, width: 40) == [
                "  2026-05-01T08:00:01.000Z  registering",
                "  2026-05-01T08:00:01.000Z  stored",
                "    The certificate of the cloud is not",
                "    signed by an authority that this",
                "    gateway trusts",
            ]
        )
        #expect(history(events, width: nil).last == "  2026-05-01T08:00:01.000Z  stored        " + Self.long)
    }

    @Test("What an operator changed is said, and what says nothing new is left out")
    func changes() {
        let events = [
            event("stored"), event("stored", why: "Slow"), event("stored", change: "paused", why: "Slow"),
            event("stored", why: "Slow"), event("stored", change: "resumed", why: "Slow"),
            event("stored", change: "described", why: "Other"), event("stored", change: "blessed"), event("stored"),
            event("uploading"), event("stored", change: "restarted"), event("registering"),
            event("registering", change: "restarted"),
        ]
        #expect(
            history(events, width: nil).map { String($0.dropFirst(28)) } == [
                "stored", "stored        Slow", "stored        Paused by an operator",
                "stored        Resumed by an operator", "stored        Described by an operator: Other",
                "stored        blessed", "uploading",
                "stored        The agent was started again in the middle of it", "registering",
                "registering   The agent was started again in the middle of it",
            ]
        )
        let gap: JSONValue = ["event": "gap", "state": "receiving", "at": "x", "reason": .null]
        #expect(history([gap, gap], width: nil).count == 2)
    }

    /// Attempts that fail, as the agent notes them: the state that it goes back to, and that it is tried again.
    private func attempts(_ reasons: [String]) -> [JSONValue] {
        reasons.enumerated().flatMap { index, why in
            let seq = JSONValue.integer(Int64(index * 2 + 2))
            let stored = event("stored", why: why).object ?? [:]
            return [
                event("ticketing"), JSONValue.object(stored.merging(["seq": seq]) { $1 }),
                .object(stored.merging(["seq": seq, "event": "retry"]) { $1 }),
            ]
        }
    }

    @Test("A reason is told once for the state and the retry, and attempts that end alike are counted")
    func repeats() {
        func told(_ events: [JSONValue]) -> [String] { history(events, width: nil).map { String($0.dropFirst(28)) } }
        let refused = "No connection (after 0 ms)"
        #expect(told(attempts([refused])) == ["ticketing", "stored        " + refused])
        #expect(
            told(attempts([refused, "No connection (after 12 ms)"]) + [event("ticketing")]) == [
                "ticketing", "stored        " + refused, "stored        The next attempt ended so too", "ticketing",
            ]
        )
        #expect(
            told(attempts([refused, refused, refused, "The cloud is busy", "The cloud is busy"])) == [
                "ticketing", "stored        " + refused, "stored        2 more attempts ended so",
                "ticketing", "stored        The cloud is busy", "stored        The next attempt ended so too",
            ]
        )
        // What a person did stands between them.
        let paused = event("stored", change: "paused", why: refused)
        #expect(
            told(attempts([refused]) + [paused] + attempts([refused])) == [
                "ticketing", "stored        " + refused, "stored        Paused by an operator",
                "ticketing", "stored        " + refused,
            ]
        )
        // While it is registered, it stays so.
        let registering = event("registering", why: "Not listed").object ?? [:]
        let retry = JSONValue.object(registering.merging(["event": "retry"]) { $1 })
        #expect(
            told([event("registering"), retry, retry, retry]) == [
                "registering", "retry         Not listed", "retry         2 more attempts ended so",
            ]
        )
    }

    @Test("What is as ever is left out")
    func leavesOut() {
        let lines = lines(["verify": true, "custom": [:]])
        #expect(!lines.contains { $0.hasPrefix("Verification") || $0.hasPrefix("Custom") })
    }

    @Test("No text moves the cursor or turns the direction of writing")
    func printable() {
        #expect(ColumnText.printable("fw\u{202E}nib.\u{2066}x\u{1B}[2J\u{200F}.bin") == "fwnib.x[2J.bin")
        #expect(ColumnText.printable("größe 固件.bin") == "größe 固件.bin")
    }

    @Test("In ASCII a text is as wide as it was")
    func ascii() {
        for (text, expected) in [
            ("größe.bin", "gr??e.bin"), ("固件.bin", "????.bin"), ("put/…", "put/~"), ("e\u{301}", "?"),
            ("\u{1B}[1mx\u{1B}[0m\r\n", "\u{1B}[1mx\u{1B}[0m\r\n"), ("", ""),
        ] {
            #expect(ColumnText.ascii(text) == expected)
            #expect(ColumnText.width(ColumnText.ascii(text)) == ColumnText.width(text))
        }
    }
}
