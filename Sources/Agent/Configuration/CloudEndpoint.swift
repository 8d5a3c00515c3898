/// Where the cloud's API answers: https, or http on this very machine.
package struct CloudEndpoint: Sendable, Hashable, CustomStringConvertible {
    /// In lower case; an IPv6 address without its brackets.
    package let host: String
    /// 443 or 80 where the URL names none.
    package let port: UInt16
    /// Whether calls are encrypted.
    package let isEncrypted: Bool
    /// The whole URL, ending in a slash.
    package let url: String

    /// Reads `https://host[:port][/]`, or the same with http where the host is a loopback address.
    package init(parsing text: String) throws(Expectation) {
        let forms = Expectation("https://host/, or http only to a loopback address such as http://127.0.0.1:8080/")
        guard let parts = URLParts(parsing: text), !parts.host.isEmpty, parts.path.isEmpty || parts.path == "/" else {
            throw forms
        }
        guard parts.userInfo == nil else {
            throw Expectation("a URL without user name and password; credentials go into cloud.credentials.file")
        }
        switch parts.scheme {
        case "https": isEncrypted = true
        case "http" where parts.isLoopback: isEncrypted = false
        default: throw forms
        }
        host = parts.host
        port = parts.port ?? (isEncrypted ? 443 : 80)
        let portText = parts.port.map { ":\($0)" } ?? ""
        url = "\(parts.scheme)://\(URLParts.bracketed(host))\(portText)/"
    }

    /// The public endpoint of a region; nil where the text cannot stand in a host name.
    package init?(region: String) {
        guard let endpoint = try? CloudEndpoint(parsing: "https://iot.\(region).aliyuncs.com/") else { return nil }
        self = endpoint
    }

    /// The endpoint of the default region.
    static let shanghai = CloudEndpoint(host: "iot.cn-shanghai.aliyuncs.com")

    private init(host: String) {
        self.host = host
        port = 443
        isEncrypted = true
        url = "https://\(host)/"
    }

    /// The URL.
    package var description: String { url }
}
