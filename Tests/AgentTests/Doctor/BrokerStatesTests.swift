import FerryCore
import Testing

@testable import Agent

@Suite("States that the broker keeps and the agent does not know")
struct BrokerStatesTests {
    private let examination = BrokerExamination(configuration: Configuration(), isQueueProbed: false)

    private func remedy(_ names: [String]) throws -> String {
        var facts = BrokerExamination.Facts()
        facts.agentVersion = "0.1.0"
        facts.foreignStates = names.map { "\(examination.root)/state/ci/\($0)" }
        let finding = try #require(examination.states(facts).first)
        #expect(finding.grade == .warning)
        return finding.remedy
    }

    @Test("The command to paste names the topic whole, as one word of a shell")
    func quoted() throws {
        let root = examination.root
        #expect(try remedy(["x"]).hasPrefix("mosquitto_pub -r -n -q 1 -t \(root)/state/ci/x, as"))
        #expect(
            try remedy(["a'; touch /tmp/x; '$(id)"]).hasPrefix(
                "mosquitto_pub -r -n -q 1 -t '\(root)/state/ci/a'\\''; touch /tmp/x; '\\''$(id)', as"
            )
        )
        let long = String(repeating: "x", count: 300)
        #expect(try remedy([long, "y"]).contains("/\(long), and so for each"))
    }

    @Test("No command is shown for a topic with characters that are not seen", arguments: ["\n", "\u{1B}", "\u{202E}"])
    func control(character: String) throws {
        let only = try remedy(["a\(character)b"])
        #expect(!only.contains("mosquitto_pub") && only.contains("control characters"), "\(only)")
        #expect(
            try remedy(["a\(character)b", "y"]).hasPrefix("mosquitto_pub -r -n -q 1 -t \(examination.root)/state/ci/y")
        )
    }
}
