/// A value as a source wrote it, before it is checked.
enum RawValue: Sendable, Hashable {
    case text(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case list([RawValue])
    case table([String: RawValue])
    /// Dates and times, which no key takes.
    case other(String)

    /// Whether it was written as `[name]` or `[[name]]`.
    var isTable: Bool {
        switch self {
        case .table: true
        case .list(let items): !items.isEmpty && items.allSatisfy(\.isTable)
        default: false
        }
    }

    /// As TOML writes it, for messages; untrusted, so cut and escaped.
    var shown: String {
        switch self {
        case .text(let text):
            ConfigurationText.quoted(ConfigurationText.shortened(ConfigurationText.withoutUserInfo(text)))
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .boolean(let value): "\(value)"
        case .list(let values): ConfigurationText.shortened("[\(values.map(\.shown).joined(separator: ", "))]")
        case .table: "{…}"
        case .other(let kind): "(a \(kind))"
        }
    }
}

/// How values look in files and messages.
package enum ConfigurationText {
    /// A text longer than this is cut in messages.
    private static let lengthLimit = 80

    /// A TOML basic string.
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.properties.generalCategory == .control:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// The text of `http://user:secret@host` with stars for what stands between `//` and `@`.
    package static func withoutUserInfo(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@"), let slashes = firstIndex(of: "://", in: text), slashes < at else {
            return text
        }
        return text[..<slashes] + "://***" + text[at...]
    }

    /// A key without control characters, cut.
    static func printable(_ text: String) -> String { shortened(String(quoted(text).dropFirst().dropLast())) }

    /// A library's message as one line.
    static func singleLine(_ text: String) -> String {
        String(
            text.map { $0.isNewline ? " " : $0 }.filter {
                !$0.unicodeScalars.contains { $0.properties.generalCategory == .control }
            }
        )
    }

    /// At most 80 characters.
    static func shortened(_ text: String) -> String {
        text.count <= lengthLimit ? text : text.prefix(lengthLimit - 1) + "…"
    }

    private static func firstIndex(of part: String, in text: String) -> String.Index? {
        text.indices.first { text[$0...].hasPrefix(part) }
    }
}
