import Foundation

/// The fields of a PostObject form before the file, with the policy that allows it.
struct PostForm: Sendable {
    let key: String
    let policy: PostPolicy
    /// `success_action_status`: 200, 201 or 204.
    let successStatus: Int
    /// Field values by lower-case name.
    let fields: [String: String]

    /// Checks the form as OSS does once it reaches the file.
    init(
        fields list: [(name: String, value: String)],
        fileName: String?,
        bucket: String,
        now: Date
    ) throws(BucketRefusal) {
        var fields: [String: String] = [:]
        for (name, value) in list {
            guard fields.updateValue(value, forKey: name.lowercased()) == nil else {
                throw .malformed("The field \(name) is given twice.")
            }
        }
        guard let rawKey = fields["key"] else { throw .argument("Bucket POST must contain a field named 'key'.") }
        let key = rawKey.replacingOccurrences(of: "${filename}", with: fileName ?? "")
        guard (1...1_023).contains(key.utf8.count), !key.hasPrefix("/"), !key.hasPrefix("\\"), !key.contains("\0"),
            !key.split(separator: "/").contains("..")
        else { throw BucketRefusal(400, "InvalidObjectName", "The specified object is not valid.") }
        for (name, lower) in [("OSSAccessKeyId", "ossaccesskeyid"), ("policy", "policy"), ("Signature", "signature")] {
            guard fields[lower] != nil else {
                throw .argument("Bucket POST must contain a field named '\(name)'.")
            }
        }
        let policyText = fields["policy"] ?? ""
        guard fields["ossaccesskeyid"] == BucketOwner.accessKeyID else {
            throw BucketRefusal(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist.")
        }
        guard fields["signature"] == BucketOwner.sign(policy: policyText) else {
            throw BucketRefusal(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided."
            )
        }
        let policy = try PostPolicy(encoded: policyText)
        guard now <= policy.expiration else { throw .policyExpired }
        fields["key"] = key
        try policy.check(fields, bucket: bucket)
        self.key = key
        self.policy = policy
        self.fields = fields
        let wanted = Int(fields["success_action_status"] ?? "") ?? 204
        successStatus = [200, 201].contains(wanted) ? wanted : 204
    }
}
