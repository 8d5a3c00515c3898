import TestSupport
import Testing

@testable import Agent

/// The library asserts, and so ends the program, where it should say what is wrong.
@Suite("Texts that the TOML library does not bear")
struct ConfigurationHostileTests {
    @Test(
        "They are mistakes like others, and hide none",
        arguments: [
            ("[\n", ["1:2:"]), ("[ \n[retry]\nmax = 7", ["1:3:", "3: [retry] max"]), ("[=]\n", ["1:2:"]),
            ("\u{FEFF}[[#\n", ["1:"]), ("[[[\n", ["1:3:"]), ("[\u{301}\n", ["1:2:"]), ("[\r\n", ["1:2:"]),
            ("[cloud]\nupload-hosts = [\u{2028}\"a.example\"]\nregion = 7", ["2:17:", "3: [cloud] region"]),
            ("# \u{85}\n[retry]\nmax = 7", ["1:3:", "3: [retry] max"]),
            ("[retry]\nmax = soon\n# \u{2028}\nmin = 7", ["2:", "3:", "4: [retry] min"]),
            ("[retry]\nmax = 1979-05-27true\nmin = 7", ["2:7:", "3: [retry] min"]),
            ("[cloud]\nupload-hosts = [ }\n[retry]\nmin = 7", ["2:18:"]),
            // What stands in quotes or comments is nobody's business.
            ("gateway = \"a\" # [ } [= 1979-05-27\n[retry]\nmax = 7", ["3: [retry] max"]),
            ("gateway = '[,} \\'\n[retry]\nmax = 7", ["1: gateway", "3: [retry] max"]),
            ("[cloud]\nupload-hosts = [\n2024-01-01]\n", ["3:1:"]), ("x = [{a = 1}, 2024-01-01]\n", ["1:15:"]),
            ("x = {a = 2024-01-01}\n", ["1:10:"]), ("[retry]\nmax = soon\n[\n", ["2:", "3:"]),
            // A list in a list may begin its line.
            ("[cloud]\nupload-hosts = [\n[\n1]]\n", ["2: [cloud] upload-hosts"]),
        ]
    )
    func told(text: String, beginnings: [String]) throws {
        let found = try mistakes(text).map { $0.replacing("otaferry.toml:", with: "") }
        #expect(found.count == beginnings.count, "\(found)")
        for (mistake, beginning) in zip(found, beginnings) {
            #expect(mistake.hasPrefix(beginning), "\(mistake) is not \(beginning)")
        }
    }

    @Test(
        "Names that begin like a date are names",
        arguments: [
            "[2024-x]\n", "[[2024-x]]\n", " [ 2024-x . 2025-y ]\n", "x = {a = 1, 2024-b = 2}\n", "2024-b = 1\n",
            "x = {2024-b = 1}\n", "x = [{a = 1, 2024-b.c = 2}]\n", "x = [\n1,\n{a = 1, 2024-b = 2}]\n2024-c = 1\n",
        ]
    )
    func names(text: String) throws {
        #expect(SourceFile.unreadable(text) == nil)
        // They are keys that nobody knows, and a list or a value of the wrong kind.
        #expect(try mistakes(text).allSatisfy { !$0.contains("not valid TOML") })
    }

    @Test("The guard looks at brackets alone, not at what is wrong before them")
    func bracketsAlone() throws {
        // Reading what is before each such line once more would take minutes for a long list.
        #expect(SourceFile.unreadable("a = soon\n[\n\n") != nil)
        let list = "a = [\n" + String(repeating: "[\n", count: 3_000)
        #expect(SourceFile.unreadable(list) == nil)
        #expect(try !mistakes(list).isEmpty)
        #expect(SourceFile.unreadable(list + String(repeating: "]", count: 3_001) + "\n[=]")?.line == 3_003)
    }

    /// Nothing but an abort of the library, which ends the whole run, is looked for in the texts themselves.
    @Test("No text ends the program")
    func hostile() {
        var generator = SeededGenerator(seed: 7)
        let pieces = [
            "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", "\"", "'", "\"\"\"", "'''", "\n", "\n", "\r\n", "\r",
            " ", "\t", "\u{B}", "\u{C}", "\u{85}", "\u{2028}", "\u{A0}", "\u{301}", "\u{FEFF}", "\\", "a", "a=1\n",
            "[x]\n", "1", "-", "true", "07:00", "1979-05-27",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 1...12, using: &generator)
            let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            let recovered = SourceFile.recovering(text)
            // What was read as a whole had no mistake, and what had none was read.
            #expect((recovered.file?.leftOut.isEmpty == true) == recovered.errors.isEmpty, "\(text.debugDescription)")
            #expect(
                recovered.errors.allSatisfy { (1...(text.count + 1)).contains($0.line) },
                "\(text.debugDescription)"
            )
        }
    }
}
