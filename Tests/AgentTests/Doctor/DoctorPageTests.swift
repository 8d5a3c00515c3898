import Foundation
import Testing

@testable import Agent

@Suite("The page about doctor")
struct DoctorPageTests {
    @Test("docs/doctor.md has a row for each check, and none for others")
    func page() throws {
        let text = try String(contentsOfFile: packageDirectory + "/docs/doctor.md", encoding: .utf8)
        let part = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix("Checks") })
        let rows = part.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
        #expect(rows == DoctorCheck.allCases.map(\.rawValue))
    }
}
