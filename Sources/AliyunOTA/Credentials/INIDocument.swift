/// The INI files of the official SDKs: `[section]`, `name = value`, `#` begins a comment, also after a value.
struct INIDocument: Sendable, Equatable {
    /// Sections in the order of their first appearance do not matter; names are compared exactly.
    private(set) var sections: [String: [String: String]] = [:]

    init(_ text: String) {
        var section: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = Self.trimmed(Self.withoutComment(line))
            if line.hasPrefix("["), line.hasSuffix("]") {
                let name = Self.trimmed(line.dropFirst().dropLast())
                section = name
                sections[name, default: [:]] = sections[name] ?? [:]
            } else if let section, let equals = line.firstIndex(of: "=") {
                let name = Self.trimmed(line[..<equals])
                sections[section]?[name] = Self.trimmed(line[line.index(after: equals)...])
            }
        }
    }

    /// A `#` begins a comment at the beginning of a line and after a blank: keys may hold one inside.
    private static func withoutComment(_ line: Substring) -> Substring {
        var before: Character = " "
        for index in line.indices {
            if line[index] == "#", before.isWhitespace { return line[..<index] }
            before = line[index]
        }
        return line.first == ";" ? "" : line
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var rest = text[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
