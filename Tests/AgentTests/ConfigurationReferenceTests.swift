import Agent
import FerryCore
import Foundation
import Testing

/// `docs/configuration.md` from its heading `## Keys` on is the table of keys, written out.
@Suite("The configuration's documentation")
struct ConfigurationReferenceTests {
    private static let path = packageDirectory + "/docs/configuration.md"
    private static let heading = "## Keys\n"

    @Test("It says of every key what the table of keys says")
    func matches() throws {
        let text = try String(contentsOfFile: Self.path, encoding: .utf8)
        let introduction = text.range(of: Self.heading).map { String(text[..<$0.lowerBound]) } ?? text
        let expected = introduction + Self.heading + Self.reference
        if ProcessInfo.processInfo.environment["OTAFERRY_WRITE_DOCS"] != nil {
            try expected.write(toFile: Self.path, atomically: true, encoding: .utf8)
            return
        }
        for key in ConfigurationKeys.all {
            #expect(text.contains(Self.block(key)), "docs/configuration.md lacks or misstates \(key.path)")
        }
        for key in ConfigurationKeys.product {
            #expect(text.contains(Self.block(key)), "docs/configuration.md lacks or misstates \(key.path)")
        }
        #expect(text == expected, "write it anew with OTAFERRY_WRITE_DOCS=1 swift test --filter ConfigurationReference")
    }

    @Test("Every effect is made of sentences, one a line")
    func sentences() {
        let effects = ConfigurationKeys.all.map(\.effect) + ConfigurationKeys.product.map(\.effect)
        for line in effects.joined(separator: "\n").split(separator: "\n") {
            #expect(line.hasSuffix("."), "\(line)")
        }
    }

    private static var reference: String {
        var text = ""
        var table: String?
        for key in ConfigurationKeys.all {
            if key.table != table {
                table = key.table
                text += key.table.isEmpty ? "\n### Outside of tables\n" : "\n### `[\(key.table)]`\n"
            }
            text += "\n" + block(key)
        }
        text += "\n### `[[product]]`\n\nA product that senders call by an alias; the table may be repeated.\n"
        for key in ConfigurationKeys.product { text += "\n" + block(key) }
        return text
    }

    private static func block<Root>(_ key: ConfigurationKey<Root>) -> String {
        let isLiteral = key.defaultText.first == "\"" || !key.defaultText.contains(" ")
        let standard = isLiteral ? "`\(key.defaultText)`" : key.defaultText
        return """
            #### `\(key.path)`

            - Type: \(key.type)
            - Default: \(standard)
            - Range: \(key.range)

            \(key.effect)

            """
    }
}

@Suite("The example configuration")
struct ConfigurationExampleTests {
    private static let path = packageDirectory + "/packaging/otaferry.toml"

    @Test("It loads without mistakes and changes nothing")
    func loads() throws {
        let configuration = try ConfigurationLoader(path: Self.path, environment: [:]).load()
        #expect(configuration.origins.isEmpty)
    }

    @Test("With its comment signs removed it is the defaults, every key of them")
    func isComplete() throws {
        let text = try String(contentsOfFile: Self.path, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("# ") }
            .map { $0.hasPrefix("#") ? String($0.dropFirst()) : String($0) }
        let directory = try ConfigurationDirectory()
        try directory.write(lines.joined(separator: "\n"))
        let configuration = try directory.load()
        let defaults = Configuration()
        for key in ConfigurationKeys.all where key.path != "gateway" {
            #expect(configuration.origins[key.path] != nil, "packaging/otaferry.toml lacks \(key.path)")
        }
        #expect(configuration.broker == defaults.broker)
        #expect(configuration.spool == defaults.spool)
        #expect(configuration.intake == defaults.intake)
        #expect(configuration.cloud == defaults.cloud)
        #expect(configuration.upload == defaults.upload)
        #expect(configuration.retry == defaults.retry)
        #expect(configuration.quota == defaults.quota)
        #expect(configuration.metrics == defaults.metrics)
        #expect(configuration.log == defaults.log)
        #expect(configuration.products.map(\.alias.text) == ["pumpctl"])
    }
}
