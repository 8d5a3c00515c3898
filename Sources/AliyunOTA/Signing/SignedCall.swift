import FerryCore

/// One call of an RPC API, before it is signed.
struct RPCCall: Sendable {
    /// The name of the API.
    let action: String
    /// The version of the API.
    var version = "2018-01-20"
    /// Whether answers have the member `Success`, as IoT Platform's have and those of STS do not.
    var hasSuccessMember = true
    /// Business parameters only.
    var parameters = Parameters()
}

/// What a signature needs besides the call. Every attempt takes a new nonce and a new time.
struct SigningIngredients: Sendable {
    let credentials: Credentials
    let region: String
    var format = AnswerFormat.json
    /// The endpoint's host, with the port if it is not the scheme's own.
    let host: String
    let nonce: String
    let time: WallTime

    /// 32 hexadecimal digits from the system's generator.
    static func freshNonce() -> String {
        var generator = SystemRandomNumberGenerator()
        return Digest(bytes: (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }).hex
    }
}

/// A call as it goes over the wire.
struct SignedCall: Sendable {
    /// The whole query, encoded; it must be sent byte for byte.
    let query: String
    let headers: [HTTPHeader]
    /// Kept to compare it with the server's own after `SignatureDoesNotMatch`; never logged.
    let stringToSign: String
}

/// What RPC answers are written in. Only V1 names it in the call.
package enum AnswerFormat: String, Sendable {
    case json = "JSON"
    case xml = "XML"
}

/// How RPC calls are signed.
package enum SignatureScheme: String, Sendable {
    /// `HMAC-SHA1`, what the documents of IoT Platform describe.
    case v1
    /// `ACS3-HMAC-SHA256`, the default of the current SDKs.
    case v3

    func sign(_ call: RPCCall, _ ingredients: SigningIngredients) -> SignedCall {
        switch self {
        case .v1: SignatureV1.sign(call, ingredients)
        case .v3: SignatureV3.sign(call, ingredients)
        }
    }
}
