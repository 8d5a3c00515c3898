import Agent
import ArgumentParser

/// Begins the program.
@main
enum Program {
    static func main() async {
        // Not `CommandConfiguration.version`: each subcommand would inherit it, and take `push FILE --version 1` without a
        // product for the question.
        if Array(CommandLine.arguments.dropFirst()) == ["--version"] { return print(AgentVersion.text) }
        await Otaferry.main()
    }
}

/// The program's commands: each stands in its own file in `Commands`.
struct Otaferry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "otaferry",
        abstract: "Carries firmware from the local MQTT broker to Alibaba Cloud IoT OTA.",
        discussion: """
            Exit codes: 0 done, 1 failed, 2 errors found, 64 usage, 69 broker or agent not reachable, 75 not yet, \
            77 not allowed, 78 configuration.

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
}
