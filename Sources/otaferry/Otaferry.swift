import Agent
import ArgumentParser
import Glibc

/// Begins the program.
@main
enum Program {
    static func main() async {
        OutputFailure.keepStreamsApart()
        // Not `CommandConfiguration.version`: each subcommand would inherit it, and take `push FILE --version 1` without a
        // product for the question.
        let arguments = CommandLine.arguments.dropFirst()
        if Array(arguments) == ["--version"] {
            Console.say(AgentVersion.text)
            end(.success)
        }
        let words = arguments.first == "help" ? arguments.dropFirst() : arguments
        if let word = words.first, let complaint = Otaferry.complaint(aboutCommand: word) {
            complain(complaint.text, complaint.hint, words)
        }
        do {
            var command = try await Otaferry.asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            // A command that ends with a code of its own has said why.
            let isUsage = !(error is ExitCode) && Otaferry.exitCode(for: error) == .validationFailure
            if isUsage, let complaint = Otaferry.complaint(aboutOptionsOf: words) {
                complain(complaint.text, complaint.hint, words)
            }
            if isUsage, words.contains("--json") {
                complain(Otaferry.message(for: error), "\(Otaferry.helpCommand(for: words)) tells more", words)
            }
            // As `exit(withError:)` says it, in what the terminal can show.
            let code = Otaferry.exitCode(for: error)
            let columns = Terminal.columns(at: code == .success ? STDOUT_FILENO : STDERR_FILENO)
            let text = Otaferry.fullMessage(for: error, columns: columns.flatMap(HelpText.columns))
            let fitted = columns.map { HelpText.fitted(text, to: $0) } ?? text
            if !text.isEmpty { code == .success ? Console.say(fitted) : Console.complain(fitted) }
            end(code)
        }
        end(.success)
    }

    /// Ends the program; where its result could not be written, with that, unless there could be none.
    private static func end(_ code: ExitCode) -> Never {
        guard let sentence = OutputFailure.sentence else { Otaferry.exit(withError: code) }
        Console.complain("otaferry: \(sentence)")
        let results = [ProgramExit.done, .failed, .errorsFound].map(\.code)
        Otaferry.exit(withError: results.contains(code) ? ProgramExit.outputFailed.code : code)
    }

    /// Says what is wrong with the command line, and ends.
    private static func complain(_ text: String, _ hint: String, _ words: ArraySlice<String>) -> Never {
        let isJSON = words.contains("--json")
        if isJSON && words.first == "push" {
            Push.report(PushDriver.Ending(.usage, text, hint: hint))
        } else {
            CommandClient.Failure(exit: .usage, text: text, hint: hint).report(json: isJSON)
        }
        end(ProgramExit.usage.code)
    }
}

/// The program's commands: each stands in its own file in `Commands`.
struct Otaferry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "otaferry",
        abstract: "Carries firmware from the local MQTT broker to Alibaba Cloud IoT OTA.",
        discussion: """
            Exit codes: 0 done, 1 failed, 2 errors found, 64 usage, 69 broker or agent not reachable, 74 standard output \
            could not be written, 75 not yet, 77 not allowed, 78 configuration.

            otaferry --version prints the version.
            """,
        subcommands: [Run.self, Check.self, DoctorCommand.self, StatusCommand.self],
        groupedSubcommands: [
            CommandGroup(name: "Firmware", subcommands: [Push.self]),
            CommandGroup(
                name: "Transfers",
                subcommands: [
                    List.self, Show.self, Watch.self, Cancel.self, Retry.self, Pause.self, Resume.self, Describe.self,
                    Priority.self, Purge.self, Limits.self, Ping.self, Sync.self,
                ]
            ),
        ]
    )

    /// The words that name a command.
    static var commandNames: [String] {
        let groups = configuration.groupedSubcommands.flatMap(\.subcommands)
        return (configuration.ungroupedSubcommands + groups).map { $0._commandName }
    }

    /// The command line that explains the command that another one means: of the first word that names one.
    static func helpCommand(for words: some Sequence<String>) -> String {
        let names = commandNames
        return words.first(where: names.contains).map { "otaferry \($0) --help" } ?? "otaferry --help"
    }

    /// What is wrong with the first word of a command line; nil where it is a command or no word.
    static func complaint(aboutCommand word: String) -> (text: String, hint: String)? {
        let names = commandNames + ["help"]
        guard !word.isEmpty, !word.hasPrefix("-"), !names.contains(word) else { return nil }
        let nearest = NearestKey.find(word, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
        return ("there is no command \"\(ColumnText.printable(word))\"\(nearest)", "otaferry --help lists them")
    }
}
