import FerryCore
import Testing

@testable import otaferry

@Suite("How the agent is, for a person")
struct StatusReportTests {
    @Test(
        "A cloud that has answered is not one that was not asked",
        arguments: [
            (.null, "Cloud     not asked yet"), (true, "Cloud     reachable, no success yet"),
            (false, "Cloud     not reachable"),
        ] as [(JSONValue, String)]
    )
    func cloud(reachable: JSONValue, line: String) {
        let status: JSONValue = ["state": "online", "cloud": ["reachable": reachable, "last_success": .null]]
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        let lines = StatusReport(status: status, gateway: "gw1", now: .now()).lines(terminal: terminal)
        #expect(lines.contains { $0.contains(line) && $0.hasSuffix(String(line.suffix(9))) }, "\(lines)")
    }
}
