import Crypto
import Foundation

/// The owner of the simulated bucket, whose key signs the policies of tickets.
enum BucketOwner {
    static let accessKeyID = "simulated-bucket-owner"
    static let secret = "simulated-bucket-secret"

    /// The signature of a policy as it stands in a form.
    static func sign(policy: String) -> String { PostPolicy.sign(policy, secret: secret) }
}

/// What a form may upload, and until when.
struct PostPolicy: Sendable {
    /// One of the forms in which a condition is written.
    private enum Condition: Sendable {
        case equal(String, String)
        case prefix(String, String)
        case among(String, [String])
        case notAmong(String, [String])
    }

    let expiration: Date
    /// Size of the file in bytes.
    let sizes: ClosedRange<Int64>
    private let conditions: [Condition]

    /// The policy of a ticket.
    static func text(expiration: Date, sizeMaximum: Int64, key: String) -> String {
        #"{"expiration":"\#(ServerTime.milliseconds(expiration))","conditions":["#
            + #"["content-length-range",0,\#(sizeMaximum)],["eq","$key","\#(key)"]]}"#
    }

    /// Base64 of HMAC-SHA1 over the Base64 text of the policy, exactly as sent.
    static func sign(_ policy: String, secret: String) -> String {
        let key = SymmetricKey(data: Data(secret.utf8))
        return Data(HMAC<Insecure.SHA1>.authenticationCode(for: Data(policy.utf8), using: key)).base64EncodedString()
    }

    /// Reads the policy from its Base64 text.
    init(encoded: String) throws(BucketRefusal) {
        func invalid(_ why: String) -> BucketRefusal {
            BucketRefusal(400, "InvalidPolicyDocument", "Invalid Policy: \(why)")
        }
        guard let data = Data(base64Encoded: encoded),
            let document = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
        else { throw invalid("it is not JSON in Base64.") }
        guard let text = document["expiration"] as? String, let expiration = ServerTime.expiration(text) else {
            throw invalid("expiration is missing or not well-formed.")
        }
        guard let list = document["conditions"] as? [Any], !list.isEmpty else {
            throw invalid("conditions are missing.")
        }
        var sizes: ClosedRange<Int64> = 0...5_368_709_120
        var conditions: [Condition] = []
        for item in list {
            if let exact = item as? [String: String], exact.count == 1, let (name, value) = exact.first {
                conditions.append(.equal(name.lowercased(), value))
            } else if let parts = item as? [Any], parts.count == 3, let word = parts[0] as? String {
                if word.lowercased() == "content-length-range" {
                    guard let low = (parts[1] as? NSNumber)?.int64Value, let high = (parts[2] as? NSNumber)?.int64Value,
                        low >= 0, low <= high
                    else { throw invalid("content-length-range is not a range.") }
                    sizes = low...high
                } else {
                    guard let condition = Self.condition(word.lowercased(), parts) else {
                        throw invalid("unknown condition.")
                    }
                    conditions.append(condition)
                }
            } else {
                throw invalid("a condition is neither an object of one member nor a list of three.")
            }
        }
        self.expiration = expiration
        self.sizes = sizes
        self.conditions = conditions
    }

    /// Throws the refusal for the first condition that the fields break. Names are compared without regard to case.
    func check(_ fields: [String: String], bucket: String) throws(BucketRefusal) {
        for condition in conditions {
            let (name, holds): (String, (String) -> Bool) =
                switch condition {
                case .equal(let name, let value): (name, { $0 == value })
                case .prefix(let name, let start): (name, { $0.utf8.starts(with: start.utf8) })
                case .among(let name, let values): (name, { values.contains($0) })
                case .notAmong(let name, let values): (name, { !values.contains($0) })
                }
            let value = name == "bucket" ? bucket : fields[name] ?? ""
            guard holds(value) else {
                throw BucketRefusal(
                    403,
                    "AccessDenied",
                    "Invalid according to Policy: Policy Condition failed: [\(name)]"
                )
            }
        }
    }

    private static func condition(_ word: String, _ parts: [Any]) -> Condition? {
        guard let dollarName = parts[1] as? String, dollarName.hasPrefix("$") else { return nil }
        let name = dollarName.dropFirst().lowercased()
        switch word {
        case "eq": return (parts[2] as? String).map { .equal(name, $0) }
        case "starts-with": return (parts[2] as? String).map { .prefix(name, $0) }
        case "in": return (parts[2] as? [String]).map { .among(name, $0) }
        case "not-in": return (parts[2] as? [String]).map { .notAmong(name, $0) }
        default: return nil
        }
    }
}
