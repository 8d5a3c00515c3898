import Agent
import Broker
import FerryCore

extension BrokerRoute {
    /// Who said where the broker is.
    enum Origin: Sendable, CustomStringConvertible {
        /// `--broker`
        case option
        /// `OTAFERRY_BROKER`
        case environment
        case configuration(ConfigurationOrigin)
        /// Nobody did.
        case fallback

        var description: String {
            switch self {
            case .option: "--broker"
            case .environment: "OTAFERRY_BROKER"
            case .configuration(let origin): "broker.url in \(origin)"
            case .fallback: "the default"
            }
        }
    }

    /// The broker's URL and who said it: `mqtt://127.0.0.1:1883 (from OTAFERRY_BROKER)`.
    var place: String {
        if case .fallback = origin { return "\(url) (\(origin))" }
        return "\(url) (from \(origin))"
    }

    /// What a person can do where no agent answers: it may also be that another gateway was meant.
    var absenceRemedy: String {
        AgentAway.remedy + (gatewayOrigin.map { "; the name \(gateway) comes from \($0), " } ?? "; ")
            + "--gateway names another"
    }

    /// How the files for TLS are named by who said them; where nobody did by their options.
    var tlsNames: TLSTrouble.Names {
        let broker =
            switch origin {
            case .option, .environment: "\(origin)"
            case .configuration: "broker.url"
            case .fallback: "--broker"
            }
        return TLSTrouble.Names(
            authorities: tlsOrigins[.authorities]?.name ?? "--ca-file",
            certificate: tlsOrigins[.certificate]?.name ?? "--cert-file",
            key: tlsOrigins[.key]?.name ?? "--key-file",
            broker: broker
        )
    }

    /// What a person can do about a connection that could not be made, or broke before it was of use.
    func hint(for error: LinkError) -> String {
        switch (error.misfit, access.transport) {
        case (.plainPort, .tls(let host, let port)):
            "The port likely speaks MQTT without TLS: \(saying(.tcp(host: host, port: UInt16(clamping: port)))), or "
                + "name the port that speaks TLS"
        case (.hungUp, .tls(let host, let port)):
            "The other end hung up at the first bytes of TLS: perhaps the port speaks MQTT without it, or a forwarder has "
                + "no broker behind it, or TLS is cut on the way. Only if you know that no TLS is meant: "
                + "\(saying(.tcp(host: host, port: UInt16(clamping: port)))), which sends the password unprotected"
        case (.securePort, .tcp(let host, let port)):
            "If the port speaks TLS: \(saying(.tls(host: host, port: UInt16(clamping: port)))). Else: is it a broker?"
        case (.closedSocket, .unixSocket(let path)):
            "The socket lets only others in: ls -l \(path.shellWord) shows its owner and group, and every folder above it has "
                + "to let this user pass"
        default:
            if let trouble = error.trouble {
                trouble.remedy(tlsNames)
            } else if error.code == .tls {
                "\(tlsNames.authorities) names the certificates that the broker's has to lead to, and \(place) the host it "
                    + "is for"
            } else {
                "Is the broker running at \(place)? --broker names another"
            }
        }
    }

    /// What is said where no connection came about in time.
    ///
    /// - Parameter error: why the last attempt failed.
    func tooLate(after error: LinkError?) -> (text: String, hint: String) {
        guard let error else {
            return ("The broker at \(url) did not answer in time", "Is it a broker? \(Self.tlsQuestion)")
        }
        return ("The broker at \(url) could not be reached in time. \(error.text)", hint(for: error))
    }

    /// For a port that takes connections and says nothing.
    static let tlsQuestion = "Is TLS meant (mqtts://) or not (mqtt://)? --broker names another"

    /// What is to be written where the URL came from.
    private func saying(_ address: BrokerAddress) -> String {
        switch origin {
        case .option, .fallback: "--broker \(address)"
        case .environment: "OTAFERRY_BROKER=\(address)"
        case .configuration(let origin): "broker.url = \"\(address)\" in \(origin)"
        }
    }
}
