import Crypto
import FerryCore
import FoundationEssentials

/// The RPC signature `HMAC-SHA1`, `SignatureVersion=1.0`: all parameters travel and are signed in the query.
enum SignatureV1 {
    /// The text that is signed: the method, the encoded path `/`, and the canonical query encoded once more.
    static func stringToSign(method: String, _ parameters: Parameters) -> String {
        "\(method)&%2F&\(PercentEncoding.encode(parameters.canonicalQuery))"
    }

    /// The signature of a text, in Base64: 28 characters.
    static func signature(of stringToSign: String, secret: Secret) -> String {
        let key = SymmetricKey(data: Array((secret.text + "&").utf8))
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: Array(stringToSign.utf8), using: key)
        return Data(code).base64EncodedString()
    }

    /// The call with its public parameters and its signature, ready to be sent.
    static func sign(_ call: RPCCall, _ ingredients: SigningIngredients) -> SignedCall {
        var parameters = call.parameters
        parameters.add("Action", call.action)
        parameters.add("Version", call.version)
        parameters.add("Format", ingredients.format.rawValue)
        parameters.add("RegionId", ingredients.region)
        parameters.add("AccessKeyId", ingredients.credentials.accessKeyID)
        parameters.add("SecurityToken", ingredients.credentials.securityToken?.text)
        parameters.add("SignatureMethod", "HMAC-SHA1")
        parameters.add("SignatureVersion", "1.0")
        parameters.add("SignatureNonce", ingredients.nonce)
        parameters.add("Timestamp", ingredients.time.iso8601Seconds)
        let text = stringToSign(method: "POST", parameters)
        let signature = signature(of: text, secret: ingredients.credentials.secret)
        return SignedCall(
            query: "\(parameters.canonicalQuery)&Signature=\(PercentEncoding.encode(signature))",
            headers: [],
            stringToSign: text
        )
    }
}
