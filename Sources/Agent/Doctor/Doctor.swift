/// Looks for what will hurt: at the broker, the disk, the files, the clock, the cloud and the service.
package struct Doctor: Sendable {
    private let configuration: Configuration
    private let environment: [String: String]
    private let options: Options

    package struct Options: Sendable {
        /// Mosquitto's configuration; nil: Debian's place, where the broker is on this machine.
        package var brokerFile: String?
        /// The agent's user name at the broker, where the configuration that is examined has another one.
        package var agentName: String?
        /// Whether a queue of the broker is filled to see how much it keeps.
        package var isQueueProbed = false
        /// Whether the cloud is asked.
        package var isCloudAsked = true

        package init() {}
    }

    package init(configuration: Configuration, environment: [String: String], options: Options = Options()) {
        var configuration = configuration
        configuration.serviceCredentials.adopt(CredentialStore())
        self.configuration = configuration
        self.environment = environment
        self.options = options
    }

    /// What was found, in the order of the checks; nothing is changed by it.
    package func examine() async -> [Finding] {
        async let broker = BrokerExamination(
            configuration: configuration,
            brokerFile: options.brokerFile,
            agentName: options.agentName,
            isQueueProbed: options.isQueueProbed
        ).findings()
        async let cloud =
            options.isCloudAsked
            ? CloudExamination(configuration: configuration, environment: environment).findings()
            : CloudExamination.withoutCloud()
        let local =
            DiskExamination(spool: configuration.spool).findings()
            + RightsExamination(configuration: configuration).findings()
            + ServiceExamination(intake: configuration.intake, folders: writtenFolders).findings()
        let text =
            configuration.files.isEmpty ? "No file was read; the defaults hold" : "No mistake in the configuration"
        return Self.tidied([Finding(.configuration, .ok, text)] + (await broker) + local + (await cloud))
    }

    private var writtenFolders: [String] {
        [configuration.spool.path, configuration.metrics.textfile].compactMap { $0 }.map(DiskExamination.parent)
    }

    /// The findings of a configuration with mistakes: nothing else can be looked at.
    package static func findings(of error: ConfigurationError) -> [Finding] {
        error.mistakes.map { mistake in
            if case .file(let path) = mistake.source,
                RightsExamination(configuration: Configuration()).isClosed(RightsExamination.facts(file: path))
            {
                return Finding(
                    .configuration,
                    .skipped,
                    "\(path) is closed to this user, and nothing else can be looked at without it",
                    remedy: "sudo otaferry doctor"
                )
            }
            return Finding(
                .configuration,
                .error,
                "\(mistake)",
                why: "with it the agent does not start, and nothing else can be looked at",
                remedy: remedy(for: mistake)
            )
        }
    }

    private static let keys = "man otaferry.toml (docs/configuration.md) explains every key"

    private static func remedy(for mistake: ConfigurationMistake) -> String {
        switch (mistake.source, mistake.problem) {
        case (.commandLine, _): "Correct what stands after --set; \(keys)"
        // The text was read, and is not TOML.
        case (.file, .unreadable) where mistake.line != nil:
            "Correct the line; otaferry check looks at all of them; \(keys)"
        case (.file(let path), .unreadable) where ConfigurationLoader.isDropInDirectory(path):
            "Make it a directory that the agent's user can list and enter, or take it away"
        case (.file(let path), .unreadable) where ConfigurationLoader.isDropIn(path):
            "Make it a file in UTF-8 that the agent's user can read, or take it away"
        case (.file(let path), .unreadable):
            RightsExamination.facts(file: path).isThere
                ? "Make it a file in UTF-8 that the agent's user can read, or name another with --config"
                : "Name the agent's file with --config; without --config it is \(ConfigurationLoader.defaultPath)"
        default: "Correct it in the file; \(keys)"
        }
    }

    /// In the order of the checks. Several looks may answer one check: what is wrong counts, then what is known.
    static func tidied(_ findings: [Finding]) -> [Finding] {
        DoctorCheck.allCases.flatMap { check in
            let own = findings.filter { $0.check == check }
            let wrong = own.filter { $0.grade != .ok && $0.grade != .skipped }
            if !wrong.isEmpty { return wrong }
            if let fine = own.first(where: { $0.grade == .ok }) { return [fine] }
            return Array(own.prefix(1))
        }
    }
}
