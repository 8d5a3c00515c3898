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
}
