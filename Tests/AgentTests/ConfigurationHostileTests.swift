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
            #expect(recovered.file != nil || !recovered.errors.isEmpty)
        }
    }
}
