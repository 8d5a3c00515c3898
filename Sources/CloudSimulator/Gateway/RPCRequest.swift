import Crypto
import Foundation

/// A call to the gateway as it came in, with either kind of signature.
struct RPCRequest: Sendable {
    /// How the call is signed.
    enum Scheme: Sendable, Equatable {
        /// `SignatureVersion=1.0`: everything in parameters.
        case parameters
        /// `ACS3-HMAC-SHA256`: in headers.
        case headers
    }

    let method: String
    let path: String
    /// Header values by lower-case name.
    let headers: [String: String]
    let body: Data
    let scheme: Scheme
    /// Query and form parameters together, in the order received.
    let parameters: [Parameter]
    /// The parameters of the query alone.
    let queryParameters: [Parameter]
    /// The form of the answer where a fault demands one.
    var shape: AnswerShape?

    init(method: String, path: String, query: String, headers: [String: String], body: Data) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        queryParameters = PercentCoding.parameters(in: query)
        let isForm = headers["content-type"]?.lowercased().hasPrefix("application/x-www-form-urlencoded") ?? false
        let form = isForm ? PercentCoding.parameters(in: String(decoding: body, as: UTF8.self)) : []
        parameters = queryParameters + form
        scheme = headers["authorization"]?.hasPrefix(ACS3Signature.algorithm) == true ? .headers : .parameters
    }

    /// The first parameter of that name.
    subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// The name of the action, wherever the scheme puts it.
    var action: String? { scheme == .headers ? headers["x-acs-action"] : self["Action"] }

    /// The version of the interface, wherever the scheme puts it.
    var version: String? { scheme == .headers ? headers["x-acs-version"] : self["Version"] }

    /// The form of the answer: JSON for calls signed in headers; otherwise what `Format` says, and XML without it.
    var format: AnswerDocument.Format {
        switch shape {
        case .xml: return .xml
        case .json, .small: return .json
        case nil: break
        }
        return scheme == .headers || self["Format"]?.lowercased() == "json" ? .json : .xml
    }

    /// The parameters by name, for records.
    var byName: [String: String] {
        var result = Dictionary(parameters.map { ($0.name, $0.value) }) { first, _ in first }
        if scheme == .headers { result["Action"] = action }
        return result
    }

    /// The parameters that belong to every call signed in parameters.
    static let publicNames: Set<String> = [
        "Action", "Version", "Format", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce",
        "Timestamp", "Signature", "RegionId", "SecurityToken", "SignatureType",
    ]

    /// The parameters that belong to the action alone.
    var businessParameters: [Parameter] {
        switch scheme {
        case .headers: parameters
        case .parameters: parameters.filter { !Self.publicNames.contains($0.name) }
        }
    }
}
