package import FerryCore

/// Who said a value.
package enum ConfigurationSource: Sendable, Hashable, CustomStringConvertible {
    case file(String)
    /// `--set` on the command line.
    case commandLine

    /// The path, or `--set`.
    package var description: String {
        switch self {
        case .file(let path): path
        case .commandLine: "--set"
        }
    }
}

/// Where a value was said.
package struct ConfigurationOrigin: Sendable, Hashable, CustomStringConvertible {
    /// Who said it.
    package var source: ConfigurationSource
    /// The line of a file, where it could be found.
    package var line: Int?
    /// The value as written.
    var value: String

    /// `/etc/otaferry/otaferry.toml:12`
    package var description: String { line.map { "\(source):\($0)" } ?? "\(source)" }
}

/// One thing in the sources that keeps the agent from starting.
package struct ConfigurationMistake: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    package enum Problem: Sendable, Hashable {
        /// The value is not what the key takes.
        case expected(String)
        /// There is no such key; the nearest one, where one is near.
        case unknownKey(nearest: String?)
        /// There is no such table; the nearest one, where one is near.
        case unknownTable(nearest: String?)
        /// The text is not TOML, or the file cannot be read.
        case unreadable(String)
    }

    /// Where it is.
    package var source: ConfigurationSource
    /// The line of a file, where it could be found.
    package var line: Int?
    /// The column, for text that is not TOML.
    package var column: Int?
    /// The full path of the key, `retry.max`; nil where the whole source is meant.
    package var key: String?
    /// The value as TOML writes it, cut and without secrets.
    package var value: String?
    /// What is wrong.
    package var problem: Problem

    /// The problem as a clause.
    package var expected: String {
        switch problem {
        case .expected(let text): "expected \(text)"
        case .unknownKey(let nearest?) where key?.hasSuffix(".\(nearest)") == true:
            "unknown key; \(nearest) stands at the top of the file, before all tables"
        case .unknownKey(let nearest?): "unknown key; did you mean \"\(nearest)\"?"
        case .unknownKey(nil): "unknown key"
        case .unknownTable(let nearest?): "unknown table; did you mean \(Self.header(nearest))?"
        case .unknownTable(nil): "unknown table"
        case .unreadable(let text): text
        }
    }

    /// `/etc/otaferry/otaferry.toml:12: [retry] max = "15x": expected a duration such as "15m"`
    package var description: String {
        var place = "\(source)".shownName
        if source == .commandLine {
            let assignment = [key, value].compactMap { $0 }.joined(separator: " = ")
            return "\(place) \(assignment): \(expected)"
        }
        if let line { place += ":\(line)" }
        if let column { place += ":\(column)" }
        guard let key else { return "\(place): \(expected)" }
        if case .unknownTable = problem { return "\(place): [\(key)]: \(expected)" }
        return "\(place): \(Self.bracketed(key))\(value.map { " = \($0)" } ?? ""): \(expected)"
    }

    /// The members of the mistake for programs.
    package var json: JSONValue {
        [
            "source": .string("\(source)"), "line": line.map { .integer(Int64($0)) } ?? .null,
            "column": column.map { .integer(Int64($0)) } ?? .null, "key": .text(key), "value": .text(value),
            "expected": .string(expected), "text": .string(description),
        ]
    }

    private static func header(_ table: String) -> String { table == "product" ? "[[product]]" : "[\(table)]" }

    /// `retry.max` as `[retry] max`.
    private static func bracketed(_ key: String) -> String {
        guard let dot = key.lastIndex(of: ".") else { return key }
        let table = key[..<dot]
        let name = key[key.index(after: dot)...]
        return "\(header(String(table))) \(name)"
    }
}

/// All mistakes of all sources.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Never empty; in the order of the sources, then of the lines; those that concern several keys come last.
    package let mistakes: [ConfigurationMistake]

    /// One line each.
    package var description: String { mistakes.map(\.description).joined(separator: "\n") }
}
