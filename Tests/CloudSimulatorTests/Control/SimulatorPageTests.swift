import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("docs/simulator.md")
struct SimulatorPageTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../docs/simulator.md").standardized.path

    private static func text() throws -> String { try String(contentsOfFile: page, encoding: .utf8) }

    /// The blocks that are marked `sh run`.
    private static func commands() throws -> [String] {
        try text().components(separatedBy: "```sh run\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    }

    /// The first cells of the table rows that begin with a code span.
    private static func rows(after heading: String) throws -> [(name: String, meaning: String)] {
        let section = try text().components(separatedBy: heading + "\n").dropFirst().first ?? ""
        return section.components(separatedBy: "\n").compactMap { line in
            guard line.hasPrefix("| `") else { return nil }
            let cells = line.components(separatedBy: " | ")
            return (cells[0].components(separatedBy: "`")[1], cells.last?.replacing(" |", with: "") ?? "")
        }
    }

    @Test("Its table of faults is the table of the program")
    func faults() throws {
        let rows = try Self.rows(after: "## Faults").prefix { $0.name.hasPrefix("GET") == false }
        let known = Fault.words.map { word, value, meaning in
            (
                name: value.isEmpty
                    ? word : value.hasPrefix("[") ? "\(word)[=\(value.dropFirst())" : "\(word)=\(value)", meaning
            )
        }
        for (row, word) in zip(rows, known) {
            #expect(row.name == word.name)
            #expect(row.meaning.replacing("`", with: "") == word.1)
        }
        #expect(rows.count == known.count)
    }

    @Test("Its table of settings names every one")
    func settings() throws {
        let names = try Self.rows(after: "| setting | unit | means |").map(\.name)
        #expect(names.sorted() == CloudConfiguration.settingNames.sorted())
    }

    @Test("Its examples work as printed")
    func examples() async throws {
        let folder = try TemporaryFolder()
        let program = try ProgramRunner(
            "otaferry-cloud",
            ["--port", "0", "--folder", folder.file("cloud"), "--port-file", folder.file("port")]
        )
        try await program.waitForLine(containing: "ready at")
        let port = try String(contentsOfFile: folder.file("port"), encoding: .utf8).trimmingCharacters(in: .newlines)
        let blocks = try Self.commands()
        #expect(blocks.count >= 8)
        func run(_ script: String) async throws -> String {
            let words = ["-c", "set -eu\ncurl() { command curl -sS --fail-with-body \"$@\"; }\n" + script]
            let shell = try await ProgramRunner.run(
                "bash",
                words.map { $0.replacing("127.0.0.1:8080", with: "127.0.0.1:\(port)") }
            )
            #expect(shell.ending == .exited(0), "\(script)\n\(shell.text())\(shell.text(.errors))")
            return shell.text()
        }
        var last = ""
        for block in blocks.dropLast() { last = try await run(block) }
        for words in ["pumpctl-1_4_2", "\"throttle=0.5\"", "\"lose-answer\"", "FirmwareCountExceedMax"] {
            #expect(last.contains(words), "\(last)")
        }
        let settings = try await run("curl http://127.0.0.1:8080/_control/settings")
        for words in ["\"list-delay\" : 10", "\"clock-offset\" : 7200", "\"ticket-life\" : 10"] {
            #expect(settings.contains(words), "\(settings)")
        }
        #expect(try await run(try #require(blocks.last)).contains("\"firmware\" : [\n\n  ]"))
    }
}
