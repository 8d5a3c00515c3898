// What can still be told of a text with mistakes of syntax.
extension SourceFile {
    /// A text with more mistakes is no configuration.
    static let syntaxErrorsMax = 20

    /// What a text says without the lines that are not TOML.
    struct Recovered: Sendable {
        /// Nil where it is not known what the rest of the text means.
        let file: SourceFile?
        /// What is wrong, in the order of the lines.
        let errors: [SyntaxError]
    }

    /// Reads a text, leaving out the lines that are not TOML.
    ///
    /// A line `key = value` is left out by itself, the head of a table with its keys. Where a value goes over several lines
    /// the rest is left out, and where a line is right by itself nothing is read: the mistake is somewhere before it.
    static func recovering(_ text: String) -> Recovered {
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        var errors: [SyntaxError] = []
        /// What stands from here on was left out.
        var cut = lines.count
        while errors.count < syntaxErrorsMax {
            do throws(SyntaxError) {
                var file = try SourceFile(parsing: lines.joined(separator: "\n"))
                file.isWhole = errors.isEmpty
                return Recovered(file: file, errors: errors)
            } catch {
                let index = error.line - 1
                // Behind the cut only what it did itself can be found.
                let isNew = !errors.contains { $0.line == error.line }
                guard isNew, index < cut || cut == lines.count else { break }
                errors.append(error)
                errors.sort { $0.line < $1.line }
                guard lines.indices.contains(index), error.isRepetition || !isRight(lines[index]) else { break }
                let end = endOfDamage(in: lines, at: index)
                if end == lines.count { cut = min(cut, index) }
                for index in index..<end { lines[index] = "" }
            }
        }
        return Recovered(file: nil, errors: errors)
    }

    private static func isRight(_ line: Substring) -> Bool { (try? SourceFile(parsing: String(line))) != nil }

    /// The first line behind a mistake that does not depend on it.
    private static func endOfDamage(in lines: [Substring], at index: Int) -> Int {
        if isHead(lines[index]) { return lines[(index + 1)...].firstIndex(where: isHead) ?? lines.count }
        return isOneLine(lines[index]) ? index + 1 : lines.count
    }

    /// Whether a line looks like the head of a table: no list, which has commas or quotes.
    private static func isHead(_ line: Substring) -> Bool {
        let text = line.prefix { $0 != "#" }
        return text.first { $0 != " " && $0 != "\t" } == "[" && !text.contains { ",\"'=".contains($0) }
    }

    /// Whether a line begins nothing, and ends nothing, that goes over several.
    private static func isOneLine(_ line: Substring) -> Bool {
        guard !line.contains("\"\"\""), !line.contains("'''") else { return false }
        func count(_ brackets: String) -> Int { line.count { brackets.contains($0) } }
        return count("[") == count("]") && count("{") == count("}")
    }
}
