import FerryCore
import Testing

@testable import Agent

@Suite("States that the broker keeps and the agent does not know")
struct BrokerStatesTests {
    private let examination = BrokerExamination(configuration: Configuration(), isQueueProbed: false)

    private func remedy(_ names: [String]) throws -> String {
        var facts = BrokerExamination.Facts()
        facts.agentVersion = "0.1.0"
        facts.keptStates = .foreign(names.map { "\(examination.root)/state/ci/\($0)" })
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

    private static func page(_ id: String, next: JSONValue) -> JSONValue {
        ["states": [["sender": "ci", "id": .string(id)]], "next": next]
    }

    @Test("A list is read page by page, and one without an end is given up")
    func pages() async {
        let root = examination.root
        let two = await examination.known { $0 == .null ? Self.page("a", next: "1") : Self.page("b", next: .null) }
        #expect(two == ["\(root)/state/ci/a", "\(root)/state/ci/b"])
        var count: Int64 = 0
        let same = await examination.known { _ in
            count += 1
            return Self.page("a", next: "1")
        }
        #expect(same == nil && count == 2)
        count = 0
        let endless = await examination.known { _ in
            count += 1
            return Self.page("a", next: .integer(count))
        }
        #expect(endless == nil && count == 1_000)
        let silent = await examination.known { _ in nil }
        #expect(silent == nil)
    }
}
