/// Where the local broker listens.
package enum BrokerAddress: Sendable, Hashable, CustomStringConvertible {
    /// Without encryption.
    case tcp(host: String, port: UInt16)
    /// With TLS.
    case tls(host: String, port: UInt16)
    /// A Unix socket.
    case unix(path: String)

    /// Mosquitto's own default.
    package static let `default` = BrokerAddress.tcp(host: "127.0.0.1", port: 1883)

    /// How it is written.
    package static let forms = "mqtt://host:1883, mqtts://host:8883 or mqtt+unix:///run/mosquitto.sock"

    /// The size of `sun_path` less its final zero.
    private static let socketPathLimit = 107

    /// Reads `mqtt://host[:1883]`, `mqtts://host[:8883]` or `mqtt+unix:///path`.
    package init(parsing text: String) throws(Expectation) {
        let forms = Expectation(Self.forms)
        guard let parts = URLParts(parsing: text) else { throw forms }
        guard parts.userInfo == nil else {
            throw Expectation(
                "a URL without user name and password; they go into broker.username and broker.password-file"
            )
        }
        switch parts.scheme {
        case "mqtt+unix":
            guard parts.host.isEmpty, parts.path.count > 1 else { throw forms }
            guard parts.path.utf8.count <= Self.socketPathLimit else {
                throw Expectation("a socket path of at most \(Self.socketPathLimit) bytes")
            }
            self = .unix(path: parts.path)
        case "mqtt" where !parts.host.isEmpty && (parts.path.isEmpty || parts.path == "/"):
            self = .tcp(host: parts.host, port: parts.port ?? 1883)
        case "mqtts" where !parts.host.isEmpty && (parts.path.isEmpty || parts.path == "/"):
            self = .tls(host: parts.host, port: parts.port ?? 8883)
        default: throw forms
        }
    }

    /// The URL with its port; what `init(parsing:)` reads back.
    package var description: String {
        switch self {
        case .tcp(let host, let port): "mqtt://\(URLParts.bracketed(host)):\(port)"
        case .tls(let host, let port): "mqtts://\(URLParts.bracketed(host)):\(port)"
        case .unix(let path): "mqtt+unix://\(path)"
        }
    }
}
