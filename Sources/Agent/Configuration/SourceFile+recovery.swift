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
    /// A line `key = value` is left out by itself, the head of a table with its keys, and a list or a text that is not closed
    /// up to the next key or head. Where another value goes over several lines the rest is left out, and where a line is
    /// right by itself nothing is read: the mistake is somewhere before it.
    static func recovering(_ text: String) -> Recovered {
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        var errors: [SyntaxError] = []
        var leftOut: [String?] = []
        /// What stands from here on was left out.
        var cut = lines.count
        while errors.count < syntaxErrorsMax {
            do throws(SyntaxError) {
                var file = try SourceFile(parsing: lines.joined(separator: "\n"))
                file.leftOut = leftOut
                return Recovered(file: file, errors: errors)
            } catch {
                let index = error.line - 1
                if !error.isRepetition, cut == lines.count, let unclosed = unclosedList(in: lines, before: index) {
                    errors.append(unclosed)
                    errors.sort { $0.line < $1.line }
                    let begin = unclosed.line - 1
                    leftOut.append(key(of: lines[begin]))
                    for index in begin..<min(index, lines.count) { lines[index] = "" }
                    continue
                }
                if cut == lines.count, let unclosed = unclosedText(in: lines, before: index) {
                    errors.append(unclosed)
                    errors.sort { $0.line < $1.line }
                    let begin = unclosed.line - 1
                    leftOut.append(key(of: lines[begin]))
                    for index in begin..<nextBegin(in: lines, after: begin) { lines[index] = "" }
                    continue
                }
                // Behind the cut only what it did itself can be found.
                let isNew = !errors.contains { $0.line == error.line }
                guard isNew, index < cut || cut == lines.count else { break }
                errors.append(error)
                errors.sort { $0.line < $1.line }
                guard lines.indices.contains(index), error.isRepetition || !isRight(lines[index]) else { break }
                let end = endOfDamage(in: lines, at: index)
                if end == lines.count { cut = min(cut, index) }
                leftOut.append(end == index + 1 && !isHead(lines[index]) ? key(of: lines[index]) : nil)
                for index in index..<end { lines[index] = "" }
            }
        }
        return Recovered(file: nil, errors: errors)
    }

    /// A list that was begun and is open where a key or the head of a table stands, or where the text ends.
    private static func unclosedList(in lines: [Substring], before index: Int) -> SyntaxError? {
        let isEnd = index >= lines.count || lines[index...].allSatisfy { $0.allSatisfy(\.isWhitespace) }
        guard isEnd || isRight(lines[index]) && (key(of: lines[index]) != nil || isNamedHead(lines[index])),
            let begin = openList(in: lines[..<min(index, lines.count)].joined(separator: "\n")),
            // Else it is not known where the list ends.
            lines[begin.line..<min(index, lines.count)].allSatisfy({ !$0.contains("\"\"\"") && !$0.contains("'''") })
        else { return nil }
        let text = "the list that begins here is not closed" + (isEnd ? "" : " before line \(index + 1)")
        return SyntaxError(line: begin.line + 1, column: begin.column, text: text)
    }

    /// A text of several lines that is open at the end: what stands below its first line was most likely not meant as a part
    /// of it.
    private static func unclosedText(in lines: [Substring], before index: Int) -> SyntaxError? {
        guard let begin = openText(in: lines.joined(separator: "\n")), begin.line <= index else { return nil }
        return SyntaxError(line: begin.line + 1, column: begin.column, text: "the text that begins here is not closed")
    }

    /// The first line that is right by itself and begins something.
    private static func nextBegin(in lines: [Substring], after index: Int) -> Int {
        lines[(index + 1)...].firstIndex { isRight($0) && (key(of: $0) != nil || isNamedHead($0)) } ?? lines.count
    }

    /// The key of a line `key = value`, without the tables before it; nil for any other line.
    private static func key(of line: Substring) -> String? {
        guard let match = line.prefixMatch(of: /\s*(?:[A-Za-z0-9_-]+\.)*([A-Za-z0-9_-]+)\s*=/) else { return nil }
        return String(match.output.1)
    }

    /// In a list of lists stand figures and quotes.
    private static func isNamedHead(_ line: Substring) -> Bool {
        line.prefixMatch(of: /\s*\[\[?\s*[A-Za-z_]/) != nil
    }

    private static func isRight(_ line: Substring) -> Bool { (try? SourceFile(parsing: String(line))) != nil }

    /// The first line behind a mistake that does not depend on it.
    private static func endOfDamage(in lines: [Substring], at index: Int) -> Int {
        if isHead(lines[index]) { return lines[(index + 1)...].firstIndex(where: isHead) ?? lines.count }
        if isOneLine(lines[index]) { return index + 1 }
        // A list has no keys and no heads in it.
        return mayBeginListOnly(lines[index]) ? nextBegin(in: lines, after: index) : lines.count
    }

    /// Whether a line looks like the head of a table: no list, which has commas or quotes.
    private static func isHead(_ line: Substring) -> Bool {
        let text = line.prefix { $0 != "#" }
        return text.first { $0 != " " && $0 != "\t" } == "[" && !text.contains { ",\"'=".contains($0) }
    }

    private static func mayBeginListOnly(_ line: Substring) -> Bool {
        !line.contains("\"\"\"") && !line.contains("'''") && !line.contains { "{}]".contains($0) }
    }

    /// Whether a line begins nothing, and ends nothing, that goes over several.
    private static func isOneLine(_ line: Substring) -> Bool {
        guard !line.contains("\"\"\""), !line.contains("'''") else { return false }
        func count(_ brackets: String) -> Int { line.count { brackets.contains($0) } }
        return count("[") == count("]") && count("{") == count("}")
    }
}
