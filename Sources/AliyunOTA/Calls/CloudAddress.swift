/// A URL of the endpoint or of a ticket, read strictly: scheme, host, port and path, nothing else.
///
/// What other parsers forgive is refused, so that the host that is checked is the host that libcurl connects to.
package struct CloudAddress: Sendable, Equatable {
    /// The two schemes that are used.
    package enum Scheme: String, Sendable {
        case http
        case https
    }

    /// Whether TLS is spoken.
    package let scheme: Scheme
    /// In lower case; an IPv6 address without its brackets.
    package let host: String
    /// nil: the scheme's own.
    package let port: Int?
    /// Begins with a slash.
    package let path: String

    /// Reads `https://host[:port][/path]`; nil for anything else.
    package init?(_ text: String) {
        guard let (scheme, rest) = Self.scheme(of: text) else { return nil }
        let authority = rest.prefix { $0 != "/" }
        let path = String(rest.dropFirst(authority.count))
        guard path.utf8.allSatisfy(Self.isPathByte), let (host, port) = Self.hostAndPort(authority) else { return nil }
        self.scheme = scheme
        self.host = host
        // libcurl leaves the scheme's own port out of `Host`, which V3 signs.
        self.port = port == (scheme == .https ? 443 : 80) ? nil : port
        self.path = path.isEmpty ? "/" : path
    }

    /// As it goes into a URL and the header `Host`: brackets around IPv6, the port if it is not the scheme's own.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port.map { "\(name):\($0)" } ?? name
    }

    var url: String { "\(scheme.rawValue)://\(authority)\(path)" }

    /// Whether the bytes never leave this machine.
    package var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Plain http is for stand-ins on this machine only.
    package var isSecureEnough: Bool { scheme == .https || isLoopback }

    private static func scheme(of text: String) -> (Scheme, Substring)? {
        for scheme in [Scheme.https, .http] {
            let prefix = "\(scheme.rawValue)://"
            if text.lowercased().hasPrefix(prefix) { return (scheme, text.dropFirst(prefix.count)) }
        }
        return nil
    }

    private static func hostAndPort(_ authority: Substring) -> (String, Int?)? {
        var host = authority
        var port: Int?
        let name = authority.hasPrefix("[") ? authority.firstIndex(of: "]") : nil
        if let colon = authority.lastIndex(of: ":"), name.map({ $0 < colon }) ?? true {
            let digits = authority[authority.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
                (1...65_535).contains(number)
            else { return nil }
            port = number
            host = authority[..<colon]
        }
        if name != nil {
            guard host.hasSuffix("]") else { return nil }
            let address = host.dropFirst().dropLast()
            guard !address.isEmpty, address.utf8.allSatisfy(isAddressByte) else { return nil }
            return (address.lowercased(), port)
        }
        while host.hasSuffix(".") { host.removeLast() }
        guard !host.isEmpty, host.utf8.allSatisfy(isNameByte) else { return nil }
        return (host.lowercased(), port)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: ":"):
            true
        default: false
        }
    }

    private static func isPathByte(_ byte: UInt8) -> Bool {
        isNameByte(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "~") || byte == UInt8(ascii: "%")
    }
}
