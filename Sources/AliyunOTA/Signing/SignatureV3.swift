import Crypto
import FerryCore

/// The signature `ACS3-HMAC-SHA256`: business parameters in the query, everything else in headers.
enum SignatureV3 {
    /// The name of the algorithm, as `Authorization` begins.
    static let algorithm = "ACS3-HMAC-SHA256"

    /// The hexadecimal SHA-256 of an empty body.
    static let emptyBodyDigest = hexSHA256([])

    static func hexSHA256(_ bytes: [UInt8]) -> String { Digest(bytes: SHA256.hash(data: bytes)).hex }

    /// The request as it is signed; its header block ends with an empty line.
    static func canonicalRequest(
        method: String,
        path: String,
        query: String,
        headers: [(name: String, value: String)],
        bodyDigest: String
    ) -> String {
        let sorted = canonical(headers)
        let block = sorted.map { "\($0.name):\($0.value)\n" }.joined()
        let names = sorted.map(\.name).joined(separator: ";")
        return "\(method)\n\(path)\n\(query)\n\(block)\n\(names)\n\(bodyDigest)"
    }

    /// The text that is signed.
    static func stringToSign(canonicalRequest: String) -> String {
        "\(algorithm)\n\(hexSHA256(Array(canonicalRequest.utf8)))"
    }

    /// The header `Authorization`. The key is the bare secret, without the `&` of V1.
    static func authorization(
        stringToSign: String,
        headers: [(name: String, value: String)],
        accessKeyID: String,
        secret: Secret
    ) -> String {
        let key = SymmetricKey(data: Array(secret.text.utf8))
        let code = HMAC<SHA256>.authenticationCode(for: Array(stringToSign.utf8), using: key)
        let names = canonical(headers).map(\.name).joined(separator: ";")
        let signature = Digest(bytes: code).hex
        return "\(algorithm) Credential=\(accessKeyID),SignedHeaders=\(names),Signature=\(signature)"
    }

    /// The call with its headers and its signature, ready to be sent.
    static func sign(_ call: RPCCall, _ ingredients: SigningIngredients) -> SignedCall {
        var headers: [(name: String, value: String)] = [
            ("host", ingredients.host), ("x-acs-action", call.action), ("x-acs-version", call.version),
            ("x-acs-date", ingredients.time.iso8601Seconds), ("x-acs-signature-nonce", ingredients.nonce),
            ("x-acs-content-sha256", emptyBodyDigest),
        ]
        if let token = ingredients.credentials.securityToken {
            headers.append(("x-acs-accesskey-id", ingredients.credentials.accessKeyID))
            headers.append(("x-acs-security-token", token.text))
        }
        let query = call.parameters.canonicalQuery
        let request = canonicalRequest(
            method: "POST",
            path: "/",
            query: query,
            headers: headers,
            bodyDigest: emptyBodyDigest
        )
        let text = stringToSign(canonicalRequest: request)
        let authorization = authorization(
            stringToSign: text,
            headers: headers,
            accessKeyID: ingredients.credentials.accessKeyID,
            secret: ingredients.credentials.secret
        )
        // `accept` is left unsigned: proxies rewrite it. `host` is written by libcurl from the URL.
        let sent = headers.dropFirst() + [("authorization", authorization), ("accept", "application/json")]
        return SignedCall(query: query, headers: sent.map { HTTPHeader($0.name, $0.value) }, stringToSign: text)
    }

    private static func canonical(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        headers.map { (name: $0.name.lowercased(), value: trimmed($0.value)) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private static func trimmed(_ text: String) -> String {
        var rest = text[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
