/// One header of a request.
package struct HTTPHeader: Sendable, Equatable {
    /// As it is sent; compared without regard to case.
    package let name: String
    /// As it is sent; no control characters.
    package let value: String

    /// A header to send.
    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// One request, sent exactly as written: the URL is neither decoded nor encoded again.
package struct HTTPRequest: Sendable {
    /// The methods that are used here.
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
    }

    /// What is sent after the headers.
    package enum Body: Sendable {
        /// Nothing; a POST says `Content-Length: 0`.
        case none
        case bytes([UInt8])
        /// A body of known length that is pulled while it is sent. One that turns out shorter or longer than `length`
        /// fails the request.
        case stream(length: Int64, BodySource)
    }

    /// Which connection may carry it.
    package enum Connection: Sendable {
        /// An idle one if there is one. libcurl sends a request again by itself when a reused connection dies before
        /// the first byte of an answer.
        case pooled
        /// A new one, so that the request leaves at most once.
        case fresh
    }

    /// Which way it takes.
    package enum Route: Sendable {
        /// Through the proxy where there is one.
        case configured
        /// Past every proxy: to an address that means something on this machine's own network only.
        case direct
    }

    /// What is asked.
    package var method: Method
    /// The whole URL, encoded.
    package var url: String
    /// Besides those that libcurl writes: `Host`, `Content-Length`, `User-Agent`, `Accept`.
    package var headers: [HTTPHeader] = []
    /// What is sent.
    package var body = Body.none
    /// Which connection may carry it.
    package var connection = Connection.pooled
    /// Which way it takes.
    package var route = Route.configured
    /// Bounds the whole call; nil for uploads, which are bounded by `stallTimeout`.
    package var timeout: Duration? = .seconds(30)
    /// Ends the request when the link takes no byte for so long, or the answer stays away for so long after the last
    /// byte. Time in which a stream has nothing to give does not count.
    package var stallTimeout: Duration?
    /// Told how many bytes of the body the socket has taken so far. Called on the client's thread: it must not block.
    package var progress: (@Sendable (Int64) -> Void)?

    /// A request without a body.
    package init(_ method: Method, url: String) {
        self.method = method
        self.url = url
    }
}
