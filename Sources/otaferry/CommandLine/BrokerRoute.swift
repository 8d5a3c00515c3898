import Agent
import Broker
import FerryCore

/// The way from a command to an agent: the broker, how to be let in, and the names in topics.
struct BrokerRoute: Sendable {
    var access: BrokerAccess
    /// The broker's URL, for messages.
    var url: String
    var gateway: Name
    var sender: Name

    /// Why there is no way.
    struct Problem: Error, Sendable {
        var text: String
        var exit: ProgramExit
    }

    /// Options beat the environment, that beats the configuration, that beats the defaults.
    init(
        options: BrokerOptions,
        environment: [String: String],
        configuration: Configuration?,
        loginName: String?
    ) throws(Problem) {
        func said(_ option: String?, _ variable: String) -> String? {
            if let option { return option }
            return environment[variable].flatMap { $0.isEmpty ? nil : $0 }
        }
        let address: BrokerAddress
        let broker = said(options.broker, "OTAFERRY_BROKER")
        do {
            address =
                try broker.map { (text) throws(Expectation) in try BrokerAddress(parsing: text) }
                ?? configuration?.broker.url ?? .default
        } catch {
            throw Problem(text: "The broker must be \(error.text)", exit: .usage)
        }
        url = "\(address)"
        gateway =
            try Self.name(said(options.gateway, "OTAFERRY_GATEWAY"), "gateway")
            ?? configuration?.gateway ?? HostName.asName()

        // The configuration's own user is the agent's; a person who names another broker or user gets no password of it.
        let username = said(options.username, "OTAFERRY_USERNAME")
        let passwordFile = said(options.passwordFile, "OTAFERRY_PASSWORD_FILE")
        access = BrokerAccess(transport: Self.transport(address))
        access.username = username
        access.caFile = said(options.caFile, "OTAFERRY_CA_FILE")
        access.certificateFile = said(options.certificateFile, "OTAFERRY_CERT_FILE")
        access.keyFile = said(options.keyFile, "OTAFERRY_KEY_FILE")
        if let configuration, broker == nil {
            access.caFile = access.caFile ?? configuration.broker.caFile
            if access.certificateFile == nil {
                access.certificateFile = configuration.broker.certFile
                access.keyFile = configuration.broker.keyFile
            }
        }
        if let passwordFile { access.password = try Self.password(in: passwordFile) }

        let sender = said(options.sender, "OTAFERRY_SENDER") ?? username ?? loginName ?? "sender"
        guard let name = try Self.name(sender, "sender") else {
            preconditionFailure("Cannot miss a name that was given")
        }
        self.sender = name
        if access.password != nil && access.username == nil { access.username = name.text }
    }

    /// `otaferry/v1/<gateway>`
    var root: String { "otaferry/v1/\(gateway)" }

    private static func name(_ text: String?, _ what: String) throws(Problem) -> Name? {
        guard let text else { return nil }
        guard let name = Name(text) else {
            throw Problem(
                text: "The \(what)'s name must be 1 to 64 of letters, digits, dot, underscore and hyphen",
                exit: .usage
            )
        }
        return name
    }

    private static func transport(_ address: BrokerAddress) -> BrokerAccess.Transport {
        switch address {
        case .tcp(let host, let port): .tcp(host: host, port: Int(port))
        case .tls(let host, let port): .tls(host: host, port: Int(port))
        case .unix(let path): .unixSocket(path: path)
        }
    }

    /// The first line of the file.
    private static func password(in path: String) throws(Problem) -> String {
        do throws(SourceFileError) {
            let bytes = try SmallFile.read(path, limit: 64 << 10)
            return String(
                decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") },
                as: UTF8.self
            )
        } catch {
            throw Problem(text: "The password file cannot be read: \(error.text)", exit: .usage)
        }
    }
}
