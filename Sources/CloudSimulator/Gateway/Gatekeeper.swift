import Crypto
import Foundation

/// Decides who may call: key, time, nonce, signature, token and the account's calls a second.
struct Gatekeeper: Sendable {
    private let settings: LiveConfiguration
    /// Nonces seen, with the moment from which they may be forgotten.
    private var nonces: [String: Date] = [:]
    private var quota = CallQuota()
    /// From so many on, those that are over are forgotten.
    private static let noncesMaximum = 10_000

    init(settings: LiveConfiguration) { self.settings = settings }

    private var configuration: CloudConfiguration { settings.current }

    /// Returns when the call may pass. A nonce is used up by a call whose signature fits, as is a place in the quota.
    mutating func admit(_ request: RPCRequest, now: Date) throws(GatewayRefusal) {
        guard request.method == "GET" || request.method == "POST" else {
            throw GatewayRefusal(
                status: 400,
                code: "UnsupportedHTTPMethod",
                message: "Only GET and POST are supported."
            )
        }
        guard request.path == "/" else {
            throw GatewayRefusal(status: 404, code: "InvalidApi.NotFound", message: "Specified api is not found.")
        }
        guard request.action?.isEmpty == false else { throw .missing("Action") }
        guard let version = request.version else { throw .missing("Version") }
        guard version == "2018-01-20" else {
            throw GatewayRefusal(
                status: 400,
                code: "InvalidVersion",
                message: "Specified parameter Version is not valid."
            )
        }
        let nonce: String
        switch request.scheme {
        case .parameters: nonce = try checkParameterSignature(request, now: now)
        case .headers: nonce = try checkHeaderSignature(request, now: now)
        }
        if nonces.count > Self.noncesMaximum { nonces = nonces.filter { $0.value > now } }
        guard nonces.updateValue(now + configuration.clockTolerance.interval * 2, forKey: nonce) == nil else {
            throw GatewayRefusal(
                status: 400,
                code: "SignatureNonceUsed",
                message: "Specified signature nonce was used already."
            )
        }
        guard quota.take(at: .now, limit: configuration.callsPerSecond) else { throw .throttled }
    }

    private func checkParameterSignature(_ request: RPCRequest, now: Date) throws(GatewayRefusal) -> String {
        func needed(_ name: String) throws(GatewayRefusal) -> String {
            guard let value = request[name], !value.isEmpty else { throw .missing(name) }
            return value
        }
        if let twice = Self.firstRepeated(request.parameters) { throw .invalid(twice, "it is given twice.") }
        if let format = request["Format"], !["json", "xml"].contains(format.lowercased()) {
            throw .invalid("Format", "it is neither JSON nor XML.")
        }
        let method = try needed("SignatureMethod")
        guard method == "HMAC-SHA1" else {
            throw GatewayRefusal(
                status: 400,
                code: "InvalidSignatureMethod",
                message: "Specified signature method is not valid."
            )
        }
        guard try needed("SignatureVersion") == "1.0" else { throw .invalid("SignatureVersion", "it is not 1.0.") }
        let key = try key(try needed("AccessKeyId"))
        try checkTime(try needed("Timestamp"), now: now)
        let nonce = try needed("SignatureNonce")
        let text = RPCSignature.stringToSign(method: request.method, parameters: request.parameters)
        guard let signature = request["Signature"] else { throw .incompleteSignature }
        guard signature == RPCSignature.sign(text, secret: key.secret) else {
            throw .signatureDoesNotMatch(text)
        }
        try checkToken(request["SecurityToken"], of: key)
        return nonce
    }

    private func checkHeaderSignature(_ request: RPCRequest, now: Date) throws(GatewayRefusal) -> String {
        guard let signed = ACS3Signature(authorization: request.headers["authorization"] ?? "") else {
            throw .incompleteSignature
        }
        let mustBeSigned = Set(request.headers.keys.filter { $0.hasPrefix("x-acs-") } + ["host"])
        let names = signed.signedHeaders
        guard mustBeSigned.isSubset(of: names), Set(names).count == names.count,
            names == names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        else { throw .incompleteSignature }
        func needed(_ name: String) throws(GatewayRefusal) -> String {
            guard let value = request.headers[name], !value.isEmpty else { throw .missing(name) }
            return value
        }
        if let twice = Self.firstRepeated(request.parameters) { throw .invalid(twice, "it is given twice.") }
        let key = try key(signed.accessKeyID)
        try checkTime(try needed("x-acs-date"), now: now)
        let nonce = try needed("x-acs-signature-nonce")
        let hash = try needed("x-acs-content-sha256")
        guard hash == Hex.encode(SHA256.hash(data: request.body)) else {
            throw .invalid("x-acs-content-sha256", "it is not the digest of the body.")
        }
        let canonical = ACS3Signature.canonicalRequest(
            method: request.method,
            path: request.path,
            query: request.queryParameters,
            headers: request.headers,
            signedHeaders: names,
            payloadHash: hash
        )
        let text = ACS3Signature.stringToSign(canonicalRequest: canonical)
        guard signed.signature == ACS3Signature.sign(text, secret: key.secret) else {
            throw .signatureDoesNotMatch(canonical)
        }
        try checkToken(request.headers["x-acs-security-token"], of: key)
        return nonce
    }

    private func key(_ id: String) throws(GatewayRefusal) -> CloudConfiguration.AccessKey {
        guard let key = configuration.accessKeys.first(where: { $0.id == id }) else {
            throw GatewayRefusal(
                status: 404,
                code: "InvalidAccessKeyId.NotFound",
                message: "Specified access key is not found."
            )
        }
        return key
    }

    private func checkTime(_ text: String, now: Date) throws(GatewayRefusal) {
        guard let stamp = ServerTime.stamp(text) else {
            throw GatewayRefusal(
                status: 400,
                code: "InvalidTimeStamp.Format",
                message: "Specified time stamp is not well formatted."
            )
        }
        guard abs(now.timeIntervalSince(stamp)) <= configuration.clockTolerance.interval else {
            throw GatewayRefusal(
                status: 400,
                code: "InvalidTimeStamp.Expired",
                message: "Specified time stamp or date value is expired."
            )
        }
    }

    private func checkToken(
        _ token: String?,
        of key: CloudConfiguration.AccessKey
    ) throws(GatewayRefusal) {
        switch (key.securityToken, token) {
        case (nil, nil): return
        case (.some, nil):
            throw GatewayRefusal(
                status: 400,
                code: "MissingSecurityToken",
                message: "SecurityToken is mandatory for this action."
            )
        case (nil, .some):
            throw GatewayRefusal(
                status: 400,
                code: "InvalidSecurityToken.MismatchWithAccessKey",
                message: "Specified SecurityToken mismatch with the AccessKey."
            )
        case (let expected, let given):
            guard expected == given else {
                throw GatewayRefusal(
                    status: 400,
                    code: "InvalidSecurityToken.Malformed",
                    message: "Specified SecurityToken is malformed."
                )
            }
        }
    }

    private static func firstRepeated(_ parameters: [Parameter]) -> String? {
        var seen: Set<String> = []
        return parameters.first { !seen.insert($0.name).inserted }?.name
    }
}

extension GatewayRefusal {
    fileprivate static let incompleteSignature = GatewayRefusal(
        status: 400,
        code: "IncompleteSignature",
        message: "The request signature does not conform to Aliyun standards."
    )

    /// The message ends with what the gateway signed, as callers use it to find out whose mistake it is.
    fileprivate static func signatureDoesNotMatch(_ text: String) -> GatewayRefusal {
        GatewayRefusal(
            status: 400,
            code: "SignatureDoesNotMatch",
            message: "Specified signature is not matched with our calculation. server string to sign is:\(text)"
        )
    }
}

extension Duration {
    /// Seconds with their fraction, in Foundation's terms.
    var interval: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
