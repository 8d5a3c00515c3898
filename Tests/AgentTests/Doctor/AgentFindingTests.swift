import FerryCore
import Testing

@testable import Agent

@Suite("What doctor says of the agent")
struct AgentFindingTests {
    private let examination = BrokerExamination(configuration: Configuration(), isQueueProbed: false)

    private func findings(_ facts: BrokerExamination.Facts) -> [Finding] {
        examination.findings(facts).filter { $0.check == .agent }
    }

    @Test("Each problem has its own grade and consequence, whatever else lasts")
    func problems() throws {
        var facts = BrokerExamination.Facts()
        facts.agentVersion = AgentVersion.text
        let codes = ["paused", "spool-damaged", "spool-full"]
        facts.agentStatus = [
            "state": "degraded",
            "problems": .array(codes.map { ["code": .string($0), "text": "It is so", "hint": "Do this"] }),
        ]
        let found = findings(facts).filter { $0.text.hasPrefix("The agent says") }
        try #require(found.map(\.grade) == [.warning, .warning, .error], "\(found)")
        #expect(found[0].why == "firmware waits while it lasts")
        #expect(found[1].why == "firmware whose bytes were lost has to be sent again")
        #expect(found[2].why == "no firmware comes in while it lasts")
    }

    @Test("Who may not command the agent is shown the command that tells how it is with the same way in")
    func unasked() throws {
        var facts = BrokerExamination.Facts()
        facts.trips[.command] = .refused
        let finding = try #require(findings(facts).first)
        #expect(finding.grade == .skipped)
        #expect(finding.remedy == "As an operator: otaferry status")
    }
}
