package import FerryCore
import FoundationEssentials

/// What OSS will check about an upload, read out of a ticket. The ticket's own text is what is sent.
package struct UploadPolicy: Sendable, Equatable {
    /// A rule about one field of the form.
    package enum Condition: Sendable, Equatable {
        case equal(field: String, value: String)
        case startsWith(field: String, prefix: String)
        case oneOf(field: String, values: [String])
        case noneOf(field: String, values: [String])

        var field: String {
            switch self {
            case .equal(let field, _), .startsWith(let field, _), .oneOf(let field, _), .noneOf(let field, _): field
            }
        }
    }

    /// Documented for tickets whose policy names no size: 1000 MB, in the larger reading.
    package static let sizeLimit: Int64 = 1_048_576_000

    /// The last byte has to be there by then.
    package let expiration: WallTime
    /// Sizes of the file that are allowed.
    package let size: ClosedRange<Int64>
    /// The rules about fields, names in lower case without the dollar sign.
    package let conditions: [Condition]

    /// Reads the Base64 text of a ticket; nil when it is no policy.
    package init?(base64 text: String) {
        guard let bytes = Data(base64Encoded: text), let policy = try? JSONValue(parsing: Array(bytes)),
            let expiration = policy["expiration"]?.string.flatMap(WallTime.init(iso8601:)),
            let rules = policy["conditions"]?.array
        else { return nil }
        self.expiration = expiration
        var size: ClosedRange<Int64> = 0...Self.sizeLimit
        var conditions: [Condition] = []
        for rule in rules {
            if let range = Self.sizeRange(rule) {
                size = range
            } else if let members = rule.object {
                for (field, value) in members.sorted(by: { $0.key < $1.key }) {
                    conditions.append(.equal(field: field.lowercased(), value: value.string ?? ""))
                }
            } else if let condition = Self.condition(rule) {
                conditions.append(condition)
            }
        }
        self.size = size
        self.conditions = conditions
    }

    /// The first condition that a field of the form breaks, as a sentence part; nil when all hold. Fields are named in
    /// any case. Conditions on what the form does not hold (the bucket, the content type) are left to the server.
    func brokenCondition(fields: [(name: String, value: String)]) -> String? {
        for condition in conditions {
            guard let value = fields.first(where: { $0.name.lowercased() == condition.field })?.value else { continue }
            // Bytes: Swift's == would take canonically equal texts for the same.
            func isValue(_ text: String) -> Bool { text.utf8.elementsEqual(value.utf8) }
            switch condition {
            case .equal(let field, let wanted):
                if !isValue(wanted) { return "\(field) is not what the policy says" }
            case .startsWith(let field, let prefix):
                if !value.utf8.starts(with: prefix.utf8) { return "\(field) begins with something else" }
            case .oneOf(let field, let values):
                if !values.contains(where: isValue) { return "\(field) is not one of those allowed" }
            case .noneOf(let field, let values):
                if values.contains(where: isValue) { return "\(field) is one of those refused" }
            }
        }
        return nil
    }

    private static func sizeRange(_ rule: JSONValue) -> ClosedRange<Int64>? {
        guard let parts = rule.array, parts.count == 3, parts[0].string?.lowercased() == "content-length-range",
            let least = number(parts[1]), let most = number(parts[2]), least <= most
        else { return nil }
        return least...most
    }

    private static func number(_ value: JSONValue) -> Int64? { value.integer ?? value.string.flatMap { Int64($0) } }

    private static func condition(_ rule: JSONValue) -> Condition? {
        guard let parts = rule.array, parts.count == 3, let verb = parts[0].string?.lowercased(),
            let name = parts[1].string, name.hasPrefix("$")
        else { return nil }
        let field = name.dropFirst().lowercased()
        switch (verb, parts[2]) {
        case ("eq", .string(let value)): return .equal(field: field, value: unescaped(value))
        case ("starts-with", .string(let value)): return .startsWith(field: field, prefix: unescaped(value))
        case ("in", .array(let values)): return .oneOf(field: field, values: values.compactMap(\.string))
        case ("not-in", .array(let values)): return .noneOf(field: field, values: values.compactMap(\.string))
        default: return nil
        }
    }

    /// A literal dollar sign is written `\$`.
    private static func unescaped(_ text: String) -> String {
        var result = ""
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if scalar == "\\" && !isEscaped {
                isEscaped = true
                continue
            }
            if isEscaped && scalar != "$" && scalar != "\\" { result.unicodeScalars.append("\\") }
            isEscaped = false
            result.unicodeScalars.append(scalar)
        }
        return isEscaped ? result + "\\" : result
    }
}
