/// A proxy between the gateway and the cloud.
package struct ProxyAddress: Sendable, Hashable, CustomStringConvertible {
    /// As libcurl takes it, with user name and password where the file names them: never log it, log `description`.
    package let url: String

    /// Reads `http://`, `https://`, `socks5://` and `socks5h://` URLs.
    package init(parsing text: String) throws(Expectation) {
        guard let parts = URLParts(parsing: text), !parts.host.isEmpty, parts.path.isEmpty || parts.path == "/",
            ["http", "https", "socks5", "socks5h"].contains(parts.scheme)
        else { throw Expectation("a proxy such as http://proxy:3128 or socks5h://127.0.0.1:1080") }
        url = text
    }

    /// The URL without user name and password.
    package var description: String { ConfigurationText.withoutUserInfo(url) }
}
