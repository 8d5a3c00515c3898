import Agent
import ArgumentParser
import FerryCore
import FoundationEssentials
import Glibc

/// `otaferry doctor`: what will hurt, before it hurts.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what will hurt: broker, disk, rights, clock, cloud, service.",
        usage: "otaferry doctor [<options>]",
        discussion: """
            Prints a line for each check, with the remedy where there is something to mend, and exits with 0 when all is \
            well, 1 with warnings and 2 with errors. Run it on the gateway as root, who sees the files of broker and \
            service too. It changes nothing: it publishes a few empty messages below the gateway's topics, and makes two \
            calls to the cloud that leave nothing there. It looks at everything as the agent does, as its user and with its \
            configuration: OTAFERRY_BROKER and the other variables, which say who you are, count for nothing here.
            """
    )

    @OptionGroup var configuration: ConfigurationOptions

    @Option(
        name: .customLong("broker-file"),
        help: ArgumentHelp(
            "Mosquitto's configuration.",
            discussion: "Else /etc/mosquitto/mosquitto.conf, where the broker is on this machine.",
            valueName: "file"
        ),
        completion: .file(extensions: ["conf"])
    )
    var brokerFile: String?

    @OptionGroup(title: "Broker, in place of what the configuration says") var broker: AgentBrokerOptions

    @Flag(
        name: .customLong("probe-queue"),
        help: "Also publish 1,500 empty messages to see how many the broker keeps for a client that is away."
    )
    var isQueueProbed = false

    @Flag(name: .customLong("offline"), help: "Do not ask the cloud.")
    var isOffline = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let (found, effective) = await examine()
        let followUp = followUp(effective)
        let findings = found.map { finding in
            var finding = finding
            finding.remedy = followUp.completed(finding.remedy)
            return finding
        }
        if json {
            Console.answer(DoctorReport(findings: findings).json)
        } else {
            let terminal = Terminal.standardOutput(environment: ProcessInfo.processInfo.environment)
            for line in DoctorReport(findings: findings).lines(terminal: terminal) { Console.say(line) }
        }
        if findings.contains(where: { $0.grade == .error }) { throw ProgramExit.errorsFound.code }
        if findings.contains(where: { $0.grade == .warning }) { throw ProgramExit.failed.code }
    }

    /// What leads other commands to the broker and the gateway that were examined. They obey the environment, and know no
    /// --set.
    private func followUp(_ effective: Configuration?) -> FollowUp {
        var options = broker
        let environment = ProcessInfo.processInfo.environment
        func isElsewhere(_ variable: String, _ key: String) -> Bool {
            !(environment[variable] ?? "").isEmpty || configuration.settings.contains { $0.hasPrefix(key + "=") }
        }
        if let effective, options.broker == nil, isElsewhere("OTAFERRY_BROKER", "broker.url") {
            options.broker = "\(effective.broker.url)"
        }
        if let effective, options.gateway == nil, isElsewhere("OTAFERRY_GATEWAY", "gateway") {
            options.gateway = effective.gateway.text
        }
        return FollowUp(configuration: configuration.path, options)
    }

    /// What was found, and the configuration that it was found with; nil where that has mistakes.
    private func examine() async -> ([Finding], Configuration?) {
        var options = Doctor.Options()
        options.brokerFile = brokerFile
        options.isQueueProbed = isQueueProbed
        options.isCloudAsked = !isOffline
        do throws(ConfigurationError) {
            // What another user may not read is looked at check by check.
            let effective = try configuration.load(
                files: getuid() == 0 ? .readable : .ignored,
                over: broker.settings
            )
            let own = try configuration.load(files: .ignored).broker.username
            options.agentName = own == effective.broker.username ? nil : own
            let doctor = Doctor(
                configuration: effective,
                environment: ProcessInfo.processInfo.environment,
                options: options
            )
            return (await doctor.examine(), effective)
        } catch {
            return (Doctor.findings(of: error), nil)
        }
    }
}
