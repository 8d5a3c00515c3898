import FerryCore
import Logging

/// One log event as a line, without its newline. Pure: time comes in.
struct LogLine: Sendable {
    var level: Logger.Level
    var message: String
    /// Sorted by key.
    var values: [(key: String, value: String)]

    init(level: Logger.Level, message: String, metadata: Logger.Metadata) {
        self.level = level
        self.message = message
        values = metadata.map { ($0.key, "\($0.value)") }.sorted { $0.key < $1.key }
    }

    /// `<6>Stored transfer=ci/7f3c bytes=1024`: the priority prefix of sd-daemon(3).
    var journal: String { "<\(priority)>\(plain)" }

    /// `Stored transfer=ci/7f3c bytes=1024`
    var plain: String { "\(Self.escaped(message))\(pairs)" }

    /// `08:00:00.125 notice  Stored transfer=ci/7f3c`
    func text(at time: String, _ color: LogColor) -> String {
        let name = level.rawValue + String(repeating: " ", count: 8 - level.rawValue.utf8.count)
        return switch color {
        case .none: "\(time) \(name) \(Self.escaped(message))\(pairs)"
        case .ansi:
            "\u{1B}[2m\(time)\u{1B}[0m \(tint)\(name)\u{1B}[0m \(Self.escaped(message))\u{1B}[2m\(pairs)\u{1B}[0m"
        }
    }

    /// `{"level":"info","message":"Stored","time":"2026-05-01T08:00:00.000Z","transfer":"ci/7f3c"}`
    func json(at time: String) -> String {
        var members: [String: JSONValue] = [:]
        for (key, value) in values { members[key] = .string(value) }
        members["time"] = .string(time)
        members["level"] = .string(level.rawValue)
        members["message"] = .string(message)
        return JSONValue.object(members).text
    }

    private var pairs: String { values.map { " \(Self.escaped($0.key))=\(Self.quotedIfNeeded($0.value))" }.joined() }

    /// The priorities of syslog(3).
    var priority: Int {
        switch level {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }

    private var tint: String {
        switch level {
        case .critical, .error: "\u{1B}[31m"
        case .warning: "\u{1B}[33m"
        case .notice: "\u{1B}[36m"
        case .info: "\u{1B}[32m"
        case .debug, .trace: "\u{1B}[2m"
        }
    }

    /// Values with blanks, quotes, equals signs or nothing in them stand in quotes.
    static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && !value.contains { $0.isWhitespace || $0 == "\"" || $0 == "=" }
        let escaped = escaped(value)
        if isPlain { return escaped }
        return "\"" + escaped.map { $0 == "\"" ? "\\\"" : String($0) }.joined() + "\""
    }

    /// Control characters, and the ones that turn the direction of writing, as escapes: no value begins a line or colors
    /// a terminal.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isUnsafe(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

/// Whether lines are colored.
package enum LogColor: Sendable, Hashable {
    case none
    case ansi
}
