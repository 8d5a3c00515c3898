import FerryCore

extension ConfigurationShape where Value == String {
    /// Text of printable ASCII that `isAllowed` takes.
    static func token(
        _ type: String,
        range: String,
        example: String,
        _ isAllowed: @escaping @Sendable (String) -> Bool
    ) -> Self {
        // A "user name" begins with a consonant, for the ear.
        let expected = "\(type.first.map { "aeio".contains($0) } ?? false ? "an" : "a") \(type) such as \"\(example)\""
        return .text(type, range: range, expected: expected, literal: { $0 }) { text throws(Expectation) in
            guard isAllowed(text) else { throw Expectation("\(expected) (\(range))") }
            return text
        }
    }

    static var path: Self {
        let expected = "an absolute path such as \"/etc/otaferry/file\""
        return .text("path", range: "an absolute path", expected: expected, literal: { $0 }) {
            text throws(Expectation) in
            guard text.hasPrefix("/"), text.utf8.count < 4_096, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
            else { throw Expectation(expected) }
            return text
        }
    }
}

extension ConfigurationShape where Value == Name {
    static func name(_ example: String) -> Self {
        let expected = "1 to 64 letters, digits, dots, underscores and hyphens, such as \"\(example)\""
        let range = "1 to 64 letters, digits, dots, underscores, hyphens"
        return .text("name", range: range, expected: expected, literal: { $0.text }) { text throws(Expectation) in
            guard let name = Name(text) else { throw Expectation(expected) }
            return name
        }
    }
}

extension ConfigurationShape where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the words of an enum.
    static var choice: Self {
        let words = Value.allCases.map(\.rawValue)
        let quoted = words.map { "\"\($0)\"" }.joined(separator: ", ")
        return .text("choice", range: quoted, expected: "one of \(quoted)", literal: { $0.rawValue }) {
            text throws(Expectation) in
            guard let value = Value(rawValue: text) else { throw Expectation("one of \(quoted)") }
            return value
        }
    }
}

extension ConfigurationShape where Value: CustomStringConvertible {
    /// A value that reads and writes itself.
    static func parsed(
        _ type: String,
        range: String,
        expected: String,
        _ read: @escaping @Sendable (String) throws(Expectation) -> Value
    ) -> Self {
        .text(type, range: range, expected: expected, literal: { $0.description }, read: read)
    }
}

extension ConfigurationShape where Value == [HostPattern] {
    static var hosts: Self {
        let expected = "a list of host names such as [\"*.aliyuncs.com\"]"
        return ConfigurationShape(
            type: "list of host names",
            range: "host names, each may begin with *.",
            form: .list,
            read: { raw throws(Expectation) in
                guard case .list(let items) = raw else { throw Expectation(expected) }
                var hosts: [HostPattern] = []
                for item in items {
                    guard case .text(let text) = item else { throw Expectation(expected) }
                    hosts.append(try HostPattern(parsing: text))
                }
                return hosts
            },
            literal: { hosts in "[\(hosts.map { ConfigurationText.quoted($0.text) }.joined(separator: ", "))]" }
        )
    }
}
