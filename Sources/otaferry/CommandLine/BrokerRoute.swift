import Agent
import Broker
import FerryCore

/// The way from a command to an agent: the broker, how to be let in, and the names in topics.
struct BrokerRoute: Sendable {
    var access: BrokerAccess
    /// The broker's URL, for messages.
    var url: String
    /// Who said it.
    var origin: Origin
    var gateway: Name
    /// Who said its name; nil: the option.
    var gatewayOrigin: String?
    var sender: Name
    /// Who named the files for TLS.
    var tlsOrigins: [TLSFile: TLSOrigin] = [:]
    /// The commands that hints name.
    var followUp: FollowUp

    /// Why there is no way.
    struct Problem: Error, Sendable {
        var text: String
        var exit: ProgramExit
        var hint = ""
    }

    /// Options beat the environment, that beats the configuration, that beats the defaults.
    init(
        options: BrokerOptions,
        environment: [String: String],
        configuration: Configuration?,
        loginName: String?,
        isSending: Bool = true
    ) throws(Problem) {
        func said(_ option: String?, _ variable: String) -> String? {
            if let option { return option }
            return environment[variable].flatMap { $0.isEmpty ? nil : $0 }
        }
        followUp = isSending ? FollowUp(options).forOperator : FollowUp(options)
        let address: BrokerAddress
        let broker = said(options.broker, "OTAFERRY_BROKER")
        if let broker {
            origin = options.broker == nil ? .environment : .option
            address = try Self.address(broker, origin)
        } else {
            let configured = configuration?.origins["broker.url"]
            origin = configured.map { .configuration($0) } ?? .fallback
            address = configuration?.broker.url ?? .default
        }
        url = "\(address)"
        gateway =
            try said(options.gateway, "OTAFERRY_GATEWAY").map { (text) throws(Problem) in
                try Self.name(text, options.gateway == nil ? "OTAFERRY_GATEWAY" : "--gateway")
            }
            ?? configuration?.gateway ?? HostName.asName()
        if options.gateway == nil {
            let configured = configuration?.origins["gateway"].map { "gateway in \($0)" }
            gatewayOrigin =
                environment["OTAFERRY_GATEWAY"]?.isEmpty == false ? "OTAFERRY_GATEWAY" : configured ?? "this machine"
        }

        // The configuration's own user is the agent's; a person who names another broker or user gets no password of it.
        let username = said(options.username, "OTAFERRY_USERNAME")
        let passwordFile = said(options.passwordFile, "OTAFERRY_PASSWORD_FILE")
        access = BrokerAccess(transport: Self.transport(address))
        access.username = username
        let files = Self.tlsFiles(options, environment, broker == nil ? configuration : nil)
        access.caFile = files[.authorities]?.path
        access.certificateFile = files[.certificate]?.path
        access.keyFile = files[.key]?.path
        tlsOrigins = files.mapValues(\.origin)
        if let passwordFile {
            let origin = options.passwordFile == nil ? "OTAFERRY_PASSWORD_FILE" : "--password-file"
            access.password = try Self.password(in: passwordFile, origin)
        }

        let names: [(text: String?, origin: String)] = [
            (options.sender, "--sender"),
            (said(nil, "OTAFERRY_SENDER"), "OTAFERRY_SENDER"),
            (username, "Without --sender, the user name at the broker is the sender's: it"),
        ]
        let named = names.first(where: { $0.text != nil })
        if let named, let text = named.text, isSending || options.sender != nil || Name(text) != nil {
            sender = try Self.name(text, named.origin)
        } else {
            sender = loginName.flatMap { Name($0) } ?? Self.namelessSender
        }
        if access.password != nil && access.username == nil { access.username = sender.text }
        try checkTLSFiles()
    }

    private static var namelessSender: Name {
        guard let name = Name("sender") else { preconditionFailure("It is a name") }
        return name
    }

    /// Who we are at the broker, for messages.
    var account: String {
        if let username = access.username { return ColumnText.printable(username) }
        return hasCertificate ? "the user of the certificate" : "an unnamed user"
    }

    /// Whether the broker sees a certificate of ours, from which it may take the user name.
    var hasCertificate: Bool {
        if case .tls = access.transport { return access.certificateFile != nil }
        return false
    }

    /// `otaferry/v1/<gateway>`
    var root: String { "otaferry/v1/\(gateway)" }

    private static func address(_ text: String, _ origin: Origin) throws(Problem) -> BrokerAddress {
        do throws(Expectation) {
            return try BrokerAddress(parsing: text)
        } catch {
            // What holds a password is not said again. The path of a socket holds none.
            guard text.contains("@"), !text.hasPrefix("mqtt+unix:///") else {
                throw Problem(text: "\(origin) is \(text.escaped), but must be \(error.text)", exit: .usage)
            }
            throw Problem(
                text: "\(origin) must be \(BrokerAddress.forms), without user name and password",
                exit: .usage,
                hint: "--username (OTAFERRY_USERNAME) takes the name, --password-file (OTAFERRY_PASSWORD_FILE) a file "
                    + "with the password"
            )
        }
    }

    /// - Parameter origin: what names it.
    private static func name(_ text: String, _ origin: String) throws(Problem) -> Name {
        guard let name = Name(text) else {
            throw Problem(text: "\(origin) must be \(Name.expectation)", exit: .usage)
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
    private static func password(in path: String, _ origin: String) throws(Problem) -> String {
        do throws(SourceFileError) {
            let bytes = try SmallFile.read(path, limit: 64 << 10)
            return String(
                decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") },
                as: UTF8.self
            )
        } catch {
            throw Problem(text: "The password file of \(origin) cannot be read: \(error.text)", exit: .usage)
        }
    }
}
