/// A host name, or with `*.` in front every name below it.
package struct HostPattern: Sendable, Hashable, CustomStringConvertible {
    /// As written, in lower case.
    package let text: String

    /// `*.aliyuncs.com`
    static let aliyun = HostPattern(trusted: "*.aliyuncs.com")

    private init(trusted text: String) { self.text = text }

    /// Reads a host name or address, or `*.` and a name with a dot in it.
    package init(parsing text: String) throws(Expectation) {
        let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
        guard URLParts.isHostName(name), !text.hasPrefix("*.") || name.contains(".") else {
            throw Expectation("host names such as \"*.aliyuncs.com\" or \"bucket.example.net\"")
        }
        self.text = text.lowercased()
    }

    /// Whether it covers `host`. `*.aliyuncs.com` covers `a.b.aliyuncs.com`, not `aliyuncs.com` itself.
    package func matches(_ host: String) -> Bool {
        let host = host.lowercased()
        guard text.hasPrefix("*.") else { return host == text }
        let suffix = text.dropFirst()
        return host.count > suffix.count && host.hasSuffix(suffix)
    }

    /// The pattern.
    package var description: String { text }
}
