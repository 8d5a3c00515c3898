import Agent
import Broker
import FerryCore

extension BrokerRoute {
    /// Who named a file for TLS.
    enum TLSOrigin: Sendable, Equatable {
        /// An option, by its name.
        case option(String)
        /// A variable of the environment, by its name.
        case environment(String)
        /// A key of the configuration.
        case configuration(String, ConfigurationOrigin?)

        /// As people write it.
        var name: String {
            switch self {
            case .option(let name), .environment(let name), .configuration(let name, _): name
            }
        }

        /// The same with where it stands.
        var place: String {
            guard case .configuration(let key, let origin?) = self else { return name }
            return "\(key) in \(origin)"
        }

        /// What a mistake in it is.
        var exit: ProgramExit {
            switch self {
            case .option, .environment: .usage
            case .configuration: .configuration
            }
        }
    }

    /// The files of the options, else the environment, else the configuration; certificate and key together.
    static func tlsFiles(
        _ options: BrokerOptions,
        _ environment: [String: String],
        _ configuration: Configuration?
    ) -> [TLSFile: (path: String, origin: TLSOrigin)] {
        func said(_ option: String?, _ name: String, _ variable: String) -> (path: String, origin: TLSOrigin)? {
            if let option { return (option, .option(name)) }
            guard let text = environment[variable], !text.isEmpty else { return nil }
            return (text, .environment(variable))
        }
        func configured(_ path: String?, _ key: String) -> (path: String, origin: TLSOrigin)? {
            path.map { ($0, .configuration(key, configuration?.origins[key])) }
        }
        let broker = configuration?.broker
        let authorities =
            said(options.caFile, "--ca-file", "OTAFERRY_CA_FILE") ?? configured(broker?.caFile, "broker.ca-file")
        var certificate = said(options.certificateFile, "--cert-file", "OTAFERRY_CERT_FILE")
        var key = said(options.keyFile, "--key-file", "OTAFERRY_KEY_FILE")
        if certificate == nil, let broker {
            certificate = configured(broker.certFile, "broker.cert-file")
            key = configured(broker.keyFile, "broker.key-file")
        }
        return [.authorities: authorities, .certificate: certificate, .key: key].compactMapValues { $0 }
    }

    /// Refuses files that are of no use before anything is waited for, and those that no connection would use.
    func checkTLSFiles() throws(Problem) {
        if let mistake = access.tlsMistakes.first, let origin = tlsOrigins[mistake.file] {
            throw Problem(
                text: "\(origin.place) is \(mistake.path.escaped): \(mistake.text)",
                exit: origin.exit,
                hint: TLSTrouble.file(mistake).remedy(tlsNames)
            )
        }
        if case .tls = access.transport { return }
        // The environment and the configuration speak for every command, also those to another broker.
        guard case .option(let name)? = tlsOrigins[.certificate] else { return }
        throw Problem(
            text: "\(name) counts for nothing at \(place): it is for mqtts://",
            exit: .usage,
            hint: Self.tlsQuestion
        )
    }
}
