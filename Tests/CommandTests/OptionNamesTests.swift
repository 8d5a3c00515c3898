import Testing

@testable import otaferry

@Suite("Options that a command does not have")
struct OptionNamesTests {
    @Test(
        "One is told as such, with the nearest, whatever else is wrong or missing",
        arguments: [
            (
                ["push", "f.bin", "--prodct", "p", "--version", "1"],
                "push has no option --prodct; did you mean --product?"
            ),
            (["push", "--prodct=p"], "push has no option --prodct; did you mean --product?"),
            (["show", "--jsn"], "show has no option --jsn; did you mean --json?"),
            (["push", "f.bin", "--product", "--verson"], "push has no option --verson; did you mean --version?"),
            (["list", "--xyzzyplugh"], "list has no option --xyzzyplugh"),
            (["push", "f.bin", "-x"], "push has no option -x"), (["list", "--é"], "list has no option --é"),
        ]
    )
    func told(words: [String], text: String) throws {
        let complaint = try #require(Otaferry.complaint(aboutOptionsOf: words))
        #expect(complaint.text == text, "\(complaint.text)")
        #expect(complaint.hint == "otaferry \(words[0]) --help lists them")
    }

    @Test(
        "What the command has, values, numbers and what stands behind -- are let through",
        arguments: [
            ["push", "f.bin", "--product", "p", "--no-verify", "--time-limit=15m", "-h"],
            ["describe", "ci/x", "--description", "-old"], ["priority", "x", "-5"], ["priority", "--", "--x", "-5"],
            ["--x"], [], ["limits", "--help"], ["explode", "--x"],
        ]
    )
    func letsThrough(words: [String]) { #expect(Otaferry.complaint(aboutOptionsOf: words) == nil) }

    @Test("Every command's options are known: each has --help")
    func help() {
        for name in Otaferry.commandNames {
            #expect(Otaferry.complaint(aboutOptionsOf: [name, "--help"]) == nil, "\(name)")
            #expect(Otaferry.complaint(aboutOptionsOf: [name, "--xyzzyplugh"]) != nil, "\(name)")
        }
    }
}
