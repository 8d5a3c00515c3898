import ArgumentParser
import Glibc

/// The options of other commands that name the broker, for one that looks at it as the agent: each stands for a key of the
/// configuration.
struct AgentBrokerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The broker: as --set broker.url=…", valueName: "url"))
    var broker: String?

    @Option(help: ArgumentHelp("The agent's gateway: as --set gateway=…", valueName: "name"))
    var gateway: String?

    @Option(help: ArgumentHelp("The agent's user name at the broker: as --set broker.username=…", valueName: "name"))
    var username: String?

    @Option(
        name: .customLong("password-file"),
        help: ArgumentHelp("File with the agent's password: as --set broker.password-file=…", valueName: "file"),
        completion: .file()
    )
    var passwordFile: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("CA certificates in PEM: as --set broker.ca-file=…", valueName: "file"),
        completion: .file()
    )
    var caFile: String?

    @Option(
        name: .customLong("cert-file"),
        help: ArgumentHelp("The agent's certificate: as --set broker.cert-file=…", valueName: "file"),
        completion: .file()
    )
    var certificateFile: String?

    @Option(
        name: .customLong("key-file"),
        help: ArgumentHelp("The certificate's key: as --set broker.key-file=…", valueName: "file"),
        completion: .file()
    )
    var keyFile: String?

    /// What they say, as `--set` takes it.
    var settings: [String] {
        let said = [
            ("broker.url", broker), ("gateway", gateway), ("broker.username", username),
            ("broker.password-file", passwordFile.map(Self.absolute)), ("broker.ca-file", caFile.map(Self.absolute)),
            ("broker.cert-file", certificateFile.map(Self.absolute)), ("broker.key-file", keyFile.map(Self.absolute)),
        ]
        return said.compactMap { key, value in value.map { "\(key)=\($0)" } }
    }

    /// The configuration takes absolute paths; people name files from where they are.
    private static func absolute(_ path: String) -> String {
        guard !path.isEmpty, !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return "\(String(cString: folder))/\(path)"
    }
}
