/// Why a request got no answer that could be used.
package struct HTTPFailure: Error, Sendable {
    /// What went wrong, as far as the caller has to tell it apart.
    package enum Kind: Sendable {
        /// A name of the host or the proxy could not be resolved.
        case unresolved
        /// No connection came about.
        case unreachable
        /// The proxy refused or could not reach the server.
        case proxy
        /// The TLS handshake or the check of the certificate failed.
        case tls
        /// The whole call took too long.
        case timedOut
        /// The link took no byte, or the answer stayed away, for too long.
        case stalled
        /// The connection ended too early.
        case broken
        /// The producer of the body failed; see `cause`.
        case bodyFailed
        /// The body was not as long as promised.
        case bodyLength
        /// The answer is larger than the client accepts.
        case answerTooLarge
        /// The request cannot be sent at all: a bad URL, an unknown interface, an unreadable CA file.
        case unusable
        /// The task was cancelled or the client was closed.
        case cancelled
    }

    /// What went wrong.
    package let kind: Kind
    /// A sentence part for a person, without URL or secrets: `"Connection refused (libcurl 7)"`.
    package let text: String
    /// Whether any byte of the request may have reached the server.
    package let mayHaveLeft: Bool
    /// How many bytes of the body the socket took.
    package let bytesSent: Int64
    /// The error of the body's producer.
    package let cause: (any Error)?

    init(_ kind: Kind, _ text: String, mayHaveLeft: Bool = false, bytesSent: Int64 = 0, cause: (any Error)? = nil) {
        self.kind = kind
        self.text = text
        self.mayHaveLeft = mayHaveLeft
        self.bytesSent = bytesSent
        self.cause = cause
    }

    /// The failure of a client that takes no more requests.
    static let closed = HTTPFailure(.cancelled, "the HTTP client is closed")
    /// The failure of a request that was cancelled before it was sent.
    static let cancelled = HTTPFailure(.cancelled, "the request was cancelled")
}

/// A stream that is not as long as it was promised.
struct BodyLengthError: Error, Sendable, CustomStringConvertible {
    let promised: Int64
    let given: Int64

    var description: String {
        given < promised
            ? "the body ended after \(given) of \(promised) bytes"
            : "the body is longer than the promised \(promised) bytes"
    }
}
