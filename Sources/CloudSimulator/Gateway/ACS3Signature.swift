import Crypto
import Foundation

/// The signature `ACS3-HMAC-SHA256`, computed as the gateway does.
struct ACS3Signature: Sendable, Equatable {
    static let algorithm = "ACS3-HMAC-SHA256"

    let accessKeyID: String
    let signedHeaders: [String]
    let signature: String

    /// Reads `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…`.
    init?(authorization: String) {
        let halves = authorization.split(separator: " ", maxSplits: 1)
        guard halves.count == 2, halves[0] == Self.algorithm else { return nil }
        var members: [Substring: Substring] = [:]
        for piece in halves[1].split(separator: ",", omittingEmptySubsequences: false) {
            let pair = piece.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, members.updateValue(pair[1], forKey: pair[0]) == nil else { return nil }
        }
        guard members.count == 3, let credential = members["Credential"], let names = members["SignedHeaders"],
            let signature = members["Signature"]
        else { return nil }
        accessKeyID = String(credential)
        signedHeaders = names.split(separator: ";").map(String.init)
        self.signature = String(signature)
    }

    /// The request in its canonical form, over the headers that the caller signed.
    static func canonicalRequest(
        method: String,
        path: String,
        query: [Parameter],
        headers: [String: String],
        signedHeaders: [String],
        payloadHash: String
    ) -> String {
        let lines = signedHeaders.map { name in
            "\(name):\((headers[name] ?? "").trimmingCharacters(in: .whitespacesAndNewlines))\n"
        }
        return [
            method, path, PercentCoding.canonicalQuery(query), lines.joined(), signedHeaders.joined(separator: ";"),
            payloadHash,
        ].joined(separator: "\n")
    }

    /// What is signed: the algorithm and the digest of the canonical request.
    static func stringToSign(canonicalRequest: String) -> String {
        algorithm + "\n" + Hex.encode(SHA256.hash(data: Data(canonicalRequest.utf8)))
    }

    /// Hexadecimal HMAC-SHA256 under the bare secret.
    static func sign(_ text: String, secret: String) -> String {
        let key = SymmetricKey(data: Data(secret.utf8))
        return Hex.encode(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key))
    }
}
