import Crypto
import Foundation

/// The signature of calls with `SignatureVersion=1.0`, computed as the gateway does.
enum RPCSignature {
    /// What is signed: the method and everything received but the signature itself.
    static func stringToSign(method: String, parameters: [Parameter]) -> String {
        let query = PercentCoding.canonicalQuery(parameters.filter { $0.name != "Signature" })
        return "\(method)&%2F&\(PercentCoding.encode(query))"
    }

    /// Base64 of HMAC-SHA1 under the secret and `&`.
    static func sign(_ text: String, secret: String) -> String {
        let key = SymmetricKey(data: Data((secret + "&").utf8))
        return Data(HMAC<Insecure.SHA1>.authenticationCode(for: Data(text.utf8), using: key)).base64EncodedString()
    }
}
