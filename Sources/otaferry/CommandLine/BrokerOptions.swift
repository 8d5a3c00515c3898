import Agent
import ArgumentParser
import Broker
import FerryCore
import FoundationEssentials
import Glibc

/// The options of commands that speak to an agent through the broker.
struct BrokerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the broker is: mqtt://host:1883, mqtts://host:8883 or mqtt+unix:///path.",
            discussion: "Else OTAFERRY_BROKER, else the configuration file, else mqtt://127.0.0.1:1883.",
            valueName: "url"
        )
    )
    var broker: String?

    @Option(
        help: ArgumentHelp(
            "The gateway whose agent is meant.",
            discussion: "Else OTAFERRY_GATEWAY, else the configuration file, else this machine's name.",
            valueName: "name"
        )
    )
    var gateway: String?

    @Option(
        help: ArgumentHelp(
            "The sender: who delivers, and whose transfers are meant.",
            discussion: """
                For push: else OTAFERRY_SENDER, else the user name at the broker, else the login name. Elsewhere: else \
                those of all senders.
                """,
            valueName: "name"
        )
    )
    var sender: String?

    @Option(help: ArgumentHelp("User name at the broker. Else OTAFERRY_USERNAME.", valueName: "name"))
    var username: String?

    @Option(
        name: .customLong("password-file"),
        help: ArgumentHelp("File with the broker's password. Else OTAFERRY_PASSWORD_FILE.", valueName: "file"),
        completion: .file()
    )
    var passwordFile: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp(
            "CA certificates in PEM, for mqtts. Else OTAFERRY_CA_FILE, else the system's.",
            valueName: "file"
        ),
        completion: .file()
    )
    var caFile: String?

    @Option(
        name: .customLong("cert-file"),
        help: ArgumentHelp(
            "Certificate in PEM that says who you are, for mqtts. Else OTAFERRY_CERT_FILE.",
            valueName: "file"
        ),
        completion: .file()
    )
    var certificateFile: String?

    @Option(
        name: .customLong("key-file"),
        help: ArgumentHelp("The certificate's key in PEM. Else OTAFERRY_KEY_FILE.", valueName: "file"),
        completion: .file()
    )
    var keyFile: String?

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("The agent's configuration file, for what is not said otherwise.", valueName: "file"),
        completion: .file(extensions: ["toml"])
    )
    var configuration: String?

    func validate() throws {
        guard (certificateFile == nil) == (keyFile == nil) else {
            throw ValidationError("--cert-file and --key-file belong together")
        }
    }

    /// What the options, the environment and the configuration file add up to.
    ///
    /// - Parameter isSending: whether firmware is sent, so that the sender has to have a name.
    func resolve(isSending: Bool = false) throws(BrokerRoute.Problem) -> BrokerRoute {
        try BrokerRoute(
            options: self,
            environment: ProcessInfo.processInfo.environment,
            configuration: try readConfiguration(),
            loginName: Self.loginName,
            isSending: isSending
        )
    }

    /// A file that was named has to be right; the default one is used where it can be read.
    private func readConfiguration() throws(BrokerRoute.Problem) -> Configuration? {
        var loader = ConfigurationLoader(path: configuration, environment: ProcessInfo.processInfo.environment)
        // The password is the agent's, and only the agent can read it.
        loader.files = .ignored
        do throws(ConfigurationError) {
            return try loader.load()
        } catch {
            guard configuration != nil else {
                let first = ConfigurationOptions.text(of: error).split(separator: "\n").first ?? ""
                Console.complain("otaferry: the configuration of this machine is not used: \(first)")
                return nil
            }
            throw BrokerRoute.Problem(text: ConfigurationOptions.text(of: error), exit: .configuration)
        }
    }

    private static var loginName: String? { getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } }
}
