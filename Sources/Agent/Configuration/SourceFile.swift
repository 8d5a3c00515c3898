import TOMLKit

/// One TOML text as raw values with the lines they stand on. Only the files of this type know the TOML library.
struct SourceFile: Sendable {
    /// Where and why a text is not TOML.
    struct SyntaxError: Error, Sendable {
        let line: Int
        let column: Int
        let text: String

        /// Whether the line is right by itself, and something before it says the same key or table.
        var isRepetition: Bool { text.contains("redefine") }
    }

    let values: [String: RawValue]
    /// The keys of the lines that were left out; nil for what may have said anything.
    var leftOut: [String?] = []
    private let lines: SourceLines

    init(parsing text: String) throws(SyntaxError) {
        if let error = Self.unreadable(text) { throw error }
        do {
            values = Self.members(of: try TOMLTable(string: text))
        } catch let error as TOMLParseError {
            let begin = error.source.begin
            throw SyntaxError(line: begin.line, column: begin.column, text: Self.explained(error.description))
        } catch {
            throw SyntaxError(line: 1, column: 1, text: "\(error)")
        }
        lines = SourceLines(scanning: text)
    }

    /// The line of a key, or of the table it is in; nil where neither could be found.
    func line(of path: String, product: Int? = nil) -> Int? { lines.line(of: path, product: product) }

    /// The library's words; where they describe the end of a line within quotes, or a number that it cannot hold, what that
    /// means.
    private static func explained(_ text: String) -> String {
        if text.contains("unescaped control characters") || text.contains("control characters other than TAB") {
            return "a quote is not closed, or a string has a control character"
        }
        if text.contains("not representable in 64 bits") { return "the number is too large" }
        return text
    }

    private static func members(of table: TOMLTable) -> [String: RawValue] {
        var result: [String: RawValue] = [:]
        for key in table.keys {
            if let value = table[key] { result[key] = raw(value) }
        }
        return result
    }

    private static func raw(_ value: any TOMLValueConvertible) -> RawValue {
        if let text = value.string { return .text(text) }
        if let number = value.int { return .integer(number) }
        if let number = value.double { return .number(number) }
        if let flag = value.bool { return .boolean(flag) }
        if let table = value.table { return .table(members(of: table)) }
        if let array = value.array {
            return .list((0..<array.count).map { raw(array[$0]) })
        }
        return .other(value.type.description)
    }
}
