import Agent
import ArgumentParser
import FerryCore

/// `otaferry check`: whether the configuration is right, and what it says.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration and print the values in effect.",
        usage: "otaferry check [<options>]",
        discussion: """
            Prints the values in effect as TOML, with the source of each that is not a default, and exits with 0. \
            With mistakes, prints them all to standard error and exits with 78. Run it as the agent's user, who must be \
            able to read the files that the configuration names.
            """
    )

    @OptionGroup var configuration: ConfigurationOptions

    @Flag(help: "Print one JSON object, also with mistakes.")
    var json = false

    func run() async throws {
        do throws(ConfigurationError) {
            let effective = try configuration.load(files: .examined)
            if json { Console.answer(Self.document(effective)) } else { Console.say(effective.effectiveText) }
        } catch {
            if json {
                Console.answer(Self.document(error))
            } else {
                ConfigurationOptions.report(error)
            }
            throw ProgramExit.configuration.code
        }
    }

    private static func document(_ configuration: Configuration) -> JSONValue {
        var members = configuration.effectiveJSON.object ?? [:]
        members["mistakes"] = []
        return .object(members)
    }

    private static func document(_ error: ConfigurationError) -> JSONValue {
        ["mistakes": .array(error.mistakes.map(\.json))]
    }
}
