import ArgumentParser
import Testing

@testable import otaferry

@Suite("How a command is used, in one line")
struct UsageTests {
    @Test("It fits a window, begins with what has to be said, and says that options may be left out")
    func usage() throws {
        let groups = Otaferry.configuration.groupedSubcommands.flatMap(\.subcommands)
        let commands = Otaferry.configuration.ungroupedSubcommands + groups
        #expect(commands.count > 15)
        for command in commands {
            let help = Otaferry.helpMessage(for: command, columns: 200)
            let line = try #require(help.split(separator: "\n").first { $0.hasPrefix("USAGE: ") })
            #expect(line.count <= 90 && line.hasSuffix("[<options>]"), "\(line)")
            let words = line.split(separator: " ").dropFirst(3)
            let firstOption = words.firstIndex { $0.hasPrefix("[--") || $0.hasPrefix("--") } ?? words.endIndex
            let lastArgument = words.lastIndex { ["<id>", "[<id>]", "<number>", "<file>"].contains($0) }
            #expect(lastArgument.map { $0 < firstOption } ?? true, "\(line)")
        }
    }
}
