import Testing

@testable import otaferry

@Suite("The first word of a command line")
struct CommandNameTests {
    @Test("A word that is no command is answered with the nearest one", arguments: [("lst", "list"), ("Push", "push")])
    func suggests(word: String, command: String) throws {
        let complaint = try #require(Otaferry.complaint(aboutCommand: word))
        #expect(complaint.text.contains("did you mean \"\(command)\"?"))
    }

    @Test("Commands and options are let through", arguments: ["push", "run", "help", "--help", "-h", "--version", ""])
    func letsThrough(word: String) { #expect(Otaferry.complaint(aboutCommand: word) == nil) }

    @Test(
        "The command that explains a wrong line is one that there is",
        arguments: [
            (["push", "--x"], "otaferry push --help"), (["--x", "--json"], "otaferry --help"),
            (["--json", "push", "a.bin"], "otaferry push --help"), (["--config", "f", "list"], "otaferry list --help"),
            ([], "otaferry --help"), (["--x", "explode"], "otaferry --help"),
        ]
    )
    func helps(words: [String], command: String) { #expect(Otaferry.helpCommand(for: words) == command) }

    @Test("Nothing is suggested where nothing is near")
    func suggestsNothing() throws {
        let complaint = try #require(Otaferry.complaint(aboutCommand: "xyzzy"))
        #expect(!complaint.text.contains("did you mean"))
    }
}
