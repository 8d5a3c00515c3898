import ArgumentParser
import Testing

@testable import otaferry

@Suite("Text in a window")
struct TerminalTextTests {
    private func terminal(_ columns: Int) -> Terminal {
        Terminal(isInteractive: true, isUnicode: true, hasColor: false, fixedWidth: columns)
    }

    @Test("A line is broken between words and goes on under its beginning; one that fits stays as it is")
    func wraps() {
        #expect(ColumnText.wrapped("otaferry:  as it  is", to: 20) == ["otaferry:  as it  is"])
        #expect(ColumnText.wrapped("otaferry: the file is long", to: 20) == ["otaferry: the file", "  is long"])
        #expect(ColumnText.wrapped("  send it once again", to: 12) == ["  send it", "  once again"])
        #expect(
            ColumnText.wrapped("It goes on; otaferry watch ci/7f3c shows it", to: 30)
                == ["It goes on;", "  otaferry watch ci/7f3c shows", "  it"]
        )
        #expect(ColumnText.wrapped("averyveryverylongword", to: 5) == ["averyveryverylongword"])
    }

    @Test("A figure and its unit are not broken apart")
    func units() {
        #expect(
            ColumnText.broken("The spool has 12.5 MB of 4.0 GB, at 3 MB/s, 40 % (5 s)", to: 15)
                == ["The spool has", "12.5 MB of", "4.0 GB, at", "3 MB/s, 40 %", "(5 s)"]
        )
        // A figure that ends a sentence has none, and neither has one in a name.
        #expect(ColumnText.broken("attempt 3 Bytes v2 s", to: 9) == ["attempt 3", "Bytes v2", "s"])
        #expect(ColumnText.broken("123456 MB", to: 7) == ["123456", "MB"])
    }

    @Test("What is cut shows, but for what ends with a sentence")
    func fits() {
        func fitted(_ text: String, _ columns: Int) -> String { ColumnText.fitted(text, to: columns, ellipsis: "…") }
        #expect(fitted("The cloud is busy. It is asked again", 22) == "The cloud is busy. It…")
        #expect(fitted("The cloud is busy. It is asked again", 20) == "The cloud is busy.")
        #expect(fitted("The cloud is busy. It is asked again", 14) == "The cloud is…")
        #expect(fitted("pumpctl 1.4.2 is registered", 11) == "pumpctl 1.…")
        #expect(fitted("It fits.", 8) == "It fits.")
    }

    @Test("What has no room beside its head stands below it, broken between words")
    func below() {
        let lines = terminal(40).lines(
            of: "Mosquitto can stop delivering to a client with many messages under way",
            behind: "note     broker-version      ",
            columns: 29
        )
        #expect(lines.first == "note     broker-version")
        #expect(lines.count > 2 && lines.dropFirst().allSatisfy { $0.hasPrefix("    ") && $0.count <= 40 }, "\(lines)")
        #expect(terminal(40).lines(of: "It fits", behind: "ok  ", columns: 4) == ["ok  It fits"])
        #expect(terminal(20).lines(of: "words and more words", behind: "", columns: 0).allSatisfy { $0.count <= 20 })
    }

    @Test("Help fits the window, whatever its width", arguments: [40, 60, 80, 200])
    func help(columns: Int) throws {
        let configuration = Otaferry.configuration
        for command in configuration.subcommands + configuration.groupedSubcommands.flatMap(\.subcommands) {
            let text = Otaferry.helpMessage(for: command, columns: HelpText.columns(in: columns) ?? columns)
            let fitted = HelpText.fitted(text, to: columns)
            let long = fitted.split(separator: "\n").filter { ColumnText.width(String($0)) > columns }
            #expect(long.isEmpty, "\(long)")
            func words(_ text: String) -> [Substring] { text.split { $0 == " " || $0 == "\n" } }
            #expect(words(fitted) == words(text))
        }
    }
}
