import FerryCore
import Foundation
import Testing

@testable import Agent
@testable import Spool

@Suite("The problems that a status tells of")
struct ProblemTests {
    @Test("Each has a hint, also where nothing better is known", arguments: StatusBoard.Problem.allCases)
    func hints(problem: StatusBoard.Problem) throws {
        let board = StatusBoard(
            gateway: HostName.name(from: "gw1"),
            limits: Configuration().statusLimits,
            changed: Signal(),
            clockOffset: { nil }
        )
        board.report(problem, "Something is wrong", hint: "")
        let message = board.message(usage: .init(used: 0, promised: 0, free: 0, room: 0, quota: 0), counts: [:])
        let told = try #require(message["problems"]?.array?.first { $0["code"]?.string == problem.rawValue })
        #expect(told["hint"]?.string?.isEmpty == false)
    }

    @Test("docs/operations.md has a row for each, and so have the figures for Prometheus")
    func page() throws {
        let text = try String(contentsOfFile: packageDirectory + "/docs/operations.md", encoding: .utf8)
        let part = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix("Problems") })
        let rows = part.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
        #expect(Set(rows) == Set(StatusBoard.Problem.allCases.map(\.rawValue)))
        #expect(Set(Metric.problems) == Set(rows))
    }
}
