import Testing

@testable import Agent

@Suite("Mistakes of syntax in the configuration")
struct ConfigurationSyntaxTests {
    /// A text, and the beginnings of its mistakes: the line of one of syntax, line and key of another.
    private static let table: [(String, [String])] = [
        // Each line by itself.
        (
            "[retry]\nmax = soon\nmin = \"x\"\n[spool]\nquota = a lot\nkwota = 1",
            ["2:", "3: [retry] min", "5:", "6: [spool] kwota"]
        ),
        ("[retry]\r\nmax = \"1m\r\nmin = 2\r\n", ["2:", "3: [retry] min"]),
        ("gateway\n[retry]\nmin =\nmax = 7", ["1:", "3:", "4: [retry] max"]),
        ("[retry]\nmax = \"1m\"\nmax = \"2m\"\nmin = 7", ["3:", "4: [retry] min"]),
        ("[retry]\nmin = \"1s\"\n[retry]\nmin = 7\n[spool]\nquota = 4", ["3:", "6: [spool] quota"]),
        // The head of a table goes with its keys: they must not be taken for those of the table before.
        (
            "[spool]\nquota = 4\n[upload\nwindow = 7\n[retry]\nmax = 7",
            ["2: [spool] quota", "3:", "6: [retry] max"]
        ),
        (
            "[[product]\nalias = 7\n[[product]]\nproduct-key = \"a1AbCdEfGhI\"\nalias = 7",
            ["1:", "5: [[product]] alias"]
        ),
        // Lists: a line of one by itself, the end of one not.
        (
            "[cloud]\nupload-hosts = [\n  a.example,\n  \"b.example\",\n]\nregion = 7",
            ["3:", "6: [cloud] region"]
        ),
        (
            "[retry]\nmin = 7\n[cloud]\nupload hosts = [\n  \"b.example\",\n]\n[spool]\nquota = 4",
            ["2: [retry] min", "4:", "8: [spool] quota"]
        ),
        // A list that is not closed ends before the next key or head.
        (
            "[cloud]\nupload-hosts = [\"a.example\"\nregion = 7\n[spool]\nquota = 4",
            ["2:", "3: [cloud] region", "5: [spool] quota"]
        ),
        (
            "[retry]\nmin = 7\n[cloud]\nupload-hosts = [ # hosts [\n  \"a[.example\",\n[spool]\nquota = 4\nkwota = 3",
            ["2: [retry] min", "4:", "7: [spool] quota", "8: [spool] kwota"]
        ),
        ("[retry]\nmin = 7\n[cloud]\nupload-hosts = [\"a.example\",\n", ["2: [retry] min", "4:"]),
        ("x = [\n[1]\n[2]\n]\n[retry]\nmin = 7", ["3:"]),
        (
            "[retry]\nmin = 7\n[cloud]\nupload-hosts = [\"a.example\n[spool]\nquota = 4",
            ["2: [retry] min", "4:", "6: [spool] quota"]
        ),
        // A text that is not closed ends so too.
        ("gateway = \"\"\"x\n[spool]\nquota = 4", ["1:", "3: [spool] quota"]),
        (
            "gateway = \"gw\"\n[cloud]\nregion = '''cn\n  more of it\n\n[retry]\nmin = 7\n[spool]\nkwota = 1",
            ["3:", "7: [retry] min", "9: [spool] kwota"]
        ),
        (
            "x = \"\"\"a\nb = 1\n\"\"\"\n[retry]\nmin = 7\n[cloud]\nregion = \"\"\"cn\\\"\"\"\nformat = 7",
            ["1: x", "5: [retry] min", "7:", "8: [cloud] format"]
        ),
        // What was left out is not missed, nor held against other keys.
        ("[[product]]\nalias = x\nproduct-key = \"a1AbCdEfGhI\"", ["2:"]),
        ("[[product]]\nalias = \"a\"\nalias = \"b\"", ["1: [[product]] product-key", "3:"]),
        ("[[product]]\nalias = \"a\"\nproduct-key = x", ["3:"]),
        ("[[product]]\nalias = \"a\"\n[product-key = x", ["3:"]),
        ("[retry]\nmax = 1h\nmin = \"16m\"", ["2:"]),
        ("[broker]\ncert-file = \"/etc/passwd\"\nkey-file = x", ["3:"]),
        // The end.
        ("", []), ("[", ["1:"]), ("=", ["1:"]), ("not toml", ["1:"]), ("\n\n\u{2028}x", ["3:"]),
    ]

    @Test("All that surely are mistakes are told, with the lines they stand on, and no others", arguments: table)
    func recovers(text: String, beginnings: [String]) throws {
        let found = try mistakes(text).map { $0.replacing("otaferry.toml:", with: "") }
        #expect(found.count == beginnings.count, "\(found)")
        for (mistake, beginning) in zip(found, beginnings) {
            #expect(mistake.hasPrefix(beginning), "\(mistake) is not \(beginning)")
            #expect(mistake.contains("not valid TOML") == !beginning.contains(" "), "\(mistake)")
        }
    }

    @Test(
        "A broken file hides nothing of the others, whichever it is",
        arguments: ["otaferry.toml", "otaferry.d/1.toml", "otaferry.d/2.toml"]
    )
    func others(broken: String) throws {
        let directory = try ConfigurationDirectory()
        for name in ["otaferry.toml", "otaferry.d/1.toml", "otaferry.d/2.toml"] {
            try directory.write(name == broken ? "b = {\nc = 1" : "[retry]\nmax = 7", to: name)
        }
        let found = directory.mistakes()
        #expect(found.count == 3 && found.count { $0.hasPrefix(broken) } == 1, "\(found)")
        #expect(found.count { $0.contains(":2: [retry] max = 7: expected a duration") } == 2, "\(found)")
    }

    @Test("A key of the top below a table is told where it belongs, and not to be another")
    func top() throws {
        let found = try mistakes("[cloud]\nupload-hosts = [\"a\"\ngateway = \"gw1\"")
        #expect(found.count == 2, "\(found)")
        #expect(found[1].contains("gateway stands at the top of the file, before all tables"), "\(found)")
    }

    @Test(
        "A number that is too large is called so, and no quotes are advised",
        arguments: [
            "99999999999999999999", "-9223372036854775809", "0x1ffffffffffffffff", "1_000_000_000_000_000_000_000",
        ]
    )
    func largeNumbers(number: String) throws {
        let found = try mistakes("[intake]\nopen-transfers-max = \(number)\n[spool]\nquota = 4")
        #expect(found.count == 2, "\(found)")
        #expect(found[0].hasPrefix("otaferry.toml:2:") && found[0].hasSuffix("not valid TOML: the number is too large"))
        let other = try mistakes("[quota]\ncalls-per-second = 1e999")
        #expect(other.count == 1 && !other[0].contains("quotes"), "\(other)")
    }

    @Test("A file that is something else is not told line by line")
    func somethingElse() throws {
        let text = (1...500).map { "line \($0) of a letter" }.joined(separator: "\n")
        #expect(try mistakes(text).count == SourceFile.syntaxErrorsMax)
    }

    private static let whole = [
        "gateway = \"gw1\"", "[broker]", "url = \"mqtt://h\"", "[retry]", "max = 7", "min = \"1s\"", "[cloud]",
        "upload-hosts = [", "\"a.example\",", "]", "region = \"cn-shanghai\"", "[[product]]", "alias = \"a\"",
        "product-key = \"a1AbCdEfGhI\"",
    ]

    @Test(
        "Whichever line is damaged, what is told of the others is true of them",
        arguments: ["x", "= 1", "[a", "[", "\"", "'''", "a = [", "b = {", "c = \"x", "]", "[[a]"]
    )
    func damage(line: String) throws {
        for index in Self.whole.indices where line != Self.whole[index] {
            // Without the head of its table a key is one of the table before, and one list may be begun for another.
            let isOther = Self.whole[index].first == "[" && line.first != "["
            guard !isOther, !(line == "a = [" && Self.whole[index].last == "[") else { continue }
            var lines = Self.whole
            lines[index] = line
            let found = try mistakes(lines.joined(separator: "\n"))
            #expect(found.contains { $0.contains("not valid TOML") }, "line \(index + 1): \(found)")
            let others = found.filter { !$0.contains("not valid TOML") }
            #expect(others.allSatisfy { $0.contains(":5: [retry] max = 7") }, "line \(index + 1): \(found)")
        }
    }
}
