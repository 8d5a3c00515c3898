import Agent
import ArgumentParser

/// The program: each subcommand stands in its own file in `Commands`.
@main
struct Otaferry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "otaferry",
        abstract: "Carries firmware from the local MQTT broker to Alibaba Cloud IoT OTA.",
        discussion: """
            Exit codes: 0 done, 1 failed, 2 errors found, 64 usage, 69 broker or agent not reachable, 75 not yet, \
            77 not allowed, 78 configuration.
            """,
        version: AgentVersion.text,
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
