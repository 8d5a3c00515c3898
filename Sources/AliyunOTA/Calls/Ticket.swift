package import FerryCore

/// The right to upload one file, as `GenerateOTAUploadURL` gave it. Its members belong together; tickets are never
/// mixed. It is kept in memory only.
package struct Ticket: Sendable {
    /// The name of the object in OSS.
    package let key: String
    /// The URL of the bucket.
    package let host: String
    /// The key id of the bucket's owner.
    let ossAccessKeyID: String
    /// The policy in Base64, sent unchanged.
    let policyText: Secret
    /// The signature of the policy.
    let signature: Secret
    /// What to register, unchanged.
    package let firmwareURL: String
    /// What the policy says.
    package let policy: UploadPolicy
    /// The cloud's name for the call.
    package let requestID: String?
    /// When it was received, by the server's clock.
    package let receivedAt: WallTime

    /// How long the ticket can be used from then on.
    package func remaining(at time: WallTime) -> Duration { policy.expiration - time }
}

extension Ticket {
    /// Reads the member `Data` of the answer. The error names the member that is missing or unreadable.
    init(data: JSONValue, requestID: String?, receivedAt: WallTime) throws(MissingMember) {
        func member(_ name: String) throws(MissingMember) -> String {
            guard let text = data[name]?.string, !text.isEmpty else { throw MissingMember(name: name) }
            return text
        }
        key = try member("Key")
        host = try member("Host")
        ossAccessKeyID = try member("OSSAccessKeyId")
        policyText = Secret(try member("Policy"))
        signature = Secret(try member("Signature"))
        firmwareURL = try member("FirmwareUrl")
        guard let policy = UploadPolicy(base64: policyText.text) else { throw MissingMember(name: "Policy") }
        self.policy = policy
        self.requestID = requestID
        self.receivedAt = receivedAt
    }

    /// The fields of the form before the file, in the order of the documented sample, in its spelling.
    var formFields: [(name: String, value: String)] {
        [
            ("key", key), ("policy", policyText.text), ("OSSAccessKeyId", ossAccessKeyID),
            ("signature", signature.text), ("success_action_status", "200"),
        ]
    }
}

/// A member that a successful answer should have had.
struct MissingMember: Error, Sendable {
    let name: String
}
