// What the TOML library answers with `abort`: it asserts what it should look at (toml++ 3.4, `parse_key`, `parse_value`,
// `parse_date`). A configuration with such a text has to be told like any other.
extension SourceFile {
    /// The mistake that the library must not see; nil where it may read the text.
    static func unreadable(_ text: String) -> SyntaxError? {
        let bytes = Array(text.utf8)
        let code = codeOnly(bytes)
        let found = [
            separator(in: bytes).map { ($0, "a line or paragraph separator of Unicode stands here; write a space") },
            strayBrace(in: code).map { ($0, "a closing brace stands where a value or a key should") },
            date(in: code).map { ($0, "a date stands here, which no key takes; text stands in quotes") },
            keylessHead(in: code).map { ($0, "the head of a table needs a name between its brackets") },
        ]
        guard let (offset, words) = found.compactMap({ $0 }).min(by: { $0.0 < $1.0 }) else { return nil }
        let before = bytes[..<offset]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let column = String(decoding: bytes[start..<offset], as: UTF8.self).unicodeScalars.count + 1
        return SyntaxError(line: line, column: column, text: words)
    }

    /// The text with `x` for what stands in quotes, and `#` for comments.
    static func codeOnly(_ bytes: [UInt8]) -> [UInt8] {
        var code = bytes
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "#") else {
                index += 1
                continue
            }
            let end = byte == UInt8(ascii: "#") ? endOfLine(bytes, from: index) : endOfQuotes(bytes, from: index)
            let filler = byte == UInt8(ascii: "#") ? byte : UInt8(ascii: "x")
            for index in index..<end where bytes[index] != UInt8(ascii: "\n") { code[index] = filler }
            index = end
        }
        return code
    }

    private static func endOfLine(_ bytes: [UInt8], from start: Int) -> Int {
        bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
    }

    /// Behind the quotes that close, or at the end of the line where only those of several lines may go on.
    private static func endOfQuotes(_ bytes: [UInt8], from start: Int) -> Int {
        closeOfQuotes(bytes, from: start) ?? bytes.count
    }

    private static func isLong(_ bytes: [UInt8], from start: Int) -> Bool {
        bytes[start...].starts(with: [bytes[start], bytes[start], bytes[start]])
    }

    /// The same; nil where those of several lines are open to the end.
    private static func closeOfQuotes(_ bytes: [UInt8], from start: Int) -> Int? {
        let quote = bytes[start]
        let isLong = isLong(bytes, from: start)
        var index = start + (isLong ? 3 : 1)
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\") && quote == UInt8(ascii: "\"") {
                index += 2
            } else if !isLong && bytes[index] == UInt8(ascii: "\n") {
                return index
            } else if !isLong && bytes[index] == quote {
                return index + 1
            } else if isLong && bytes[index...].starts(with: [quote, quote, quote]) {
                // Two more may belong to the text.
                return bytes[index...].firstIndex { $0 != quote } ?? bytes.count
            } else {
                index += 1
            }
        }
        return isLong ? nil : bytes.count
    }

    /// Where a text of several lines begins that is still open at the end: its line, from 0, and its column, from 1.
    static func openText(in text: String) -> (line: Int, column: Int)? {
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "#"): index = endOfLine(bytes, from: index)
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                guard let end = closeOfQuotes(bytes, from: index) else { return place(of: index, in: bytes) }
                index = end
            default: index += 1
            }
        }
        return nil
    }

    private static func place(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let start = bytes[..<offset].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (bytes[..<offset].count { $0 == UInt8(ascii: "\n") }, offset - start + 1)
    }

    /// U+0085, U+2028 or U+2029.
    private static func separator(in bytes: [UInt8]) -> Int? {
        bytes.indices.first { index in
            let rest = bytes[index...]
            return rest.starts(with: [0xC2, 0x85]) || rest.starts(with: [0xE2, 0x80, 0xA8])
                || rest.starts(with: [0xE2, 0x80, 0xA9])
        }
    }

    /// A brace behind a bracket or a comma.
    private static func strayBrace(in code: [UInt8]) -> Int? {
        var last: UInt8?
        for (index, byte) in code.enumerated() where !isSkipped(byte) {
            if byte == UInt8(ascii: "}"), last == UInt8(ascii: "[") || last == UInt8(ascii: ",") { return index }
            last = byte
        }
        return nil
    }

    /// `1979-05-27`, as a value.
    private static func date(in code: [UInt8]) -> Int? {
        var nesting = Nesting()
        var isBegun = false
        var index = 0
        while index < code.count {
            if nesting.isOutermost, let name = nameOfHead(in: code, from: index) {
                // The names in it may look like one.
                index = endOfLine(code, from: name)
                isBegun = false
                continue
            }
            let byte = code[index]
            if isBegun && isDigit(byte) {
                let end = code[index...].firstIndex { !isDigit($0) } ?? code.count
                if end < code.count, code[end] == UInt8(ascii: "-") { return index }
            }
            nesting.take(byte)
            index += 1
            if isSkipped(byte) {
                if nesting.isOutermost && byte == UInt8(ascii: "\n") { isBegun = false }
                continue
            }
            isBegun =
                byte == UInt8(ascii: "=") || byte == UInt8(ascii: "[")
                || byte == UInt8(ascii: ",") && nesting.isInList
        }
        return nil
    }

    /// Where a name should begin in a line that looks like the head of a table and has none.
    private static func keylessHead(in code: [UInt8]) -> Int? {
        var nesting = Nesting()
        var index = 0
        while index < code.count {
            if nesting.isOutermost, let name = nameOfHead(in: code, from: index) {
                // Of a text that ends here the library says so.
                if name < code.count, !mayBeginName(code[name]) { return name }
                index = endOfLine(code, from: name)
                continue
            }
            nesting.take(code[index])
            index += 1
        }
        return nil
    }

    /// Where a list begins that is still open at the end of a text: its line, from 0, and its column, from 1.
    static func openList(in text: String) -> (line: Int, column: Int)? {
        let code = codeOnly(Array(text.utf8))
        var nesting = Nesting()
        var begin = 0
        var index = 0
        while index < code.count {
            if nesting.isOutermost, let name = nameOfHead(in: code, from: index) {
                index = endOfLine(code, from: name)
                continue
            }
            if nesting.isOutermost { begin = index }
            nesting.take(code[index])
            index += 1
        }
        guard !nesting.isOutermost, code[begin] == UInt8(ascii: "[") else { return nil }
        return place(of: begin, in: code)
    }

    /// Which brackets are open.
    private struct Nesting {
        private var open: [UInt8] = []

        /// Whether no value is begun.
        var isOutermost: Bool { open.isEmpty }
        var isInList: Bool { open.last == UInt8(ascii: "[") }

        mutating func take(_ byte: UInt8) {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): open.append(byte)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): _ = open.popLast()
            default: break
            }
        }
    }

    /// Where the name begins, or should, if a line begins here that looks like the head of a table.
    private static func nameOfHead(in code: [UInt8], from start: Int) -> Int? {
        guard start == 0 || code[start - 1] == UInt8(ascii: "\n") else { return nil }
        var index = start
        func skipBlanks() { while index < code.count && isBlank(code[index]) { index += 1 } }
        skipBlanks()
        // The library skips a byte order mark behind empty lines too.
        if code[index...].starts(with: [0xEF, 0xBB, 0xBF]) { index += 3 }
        skipBlanks()
        guard index < code.count, code[index] == UInt8(ascii: "[") else { return nil }
        index += 1
        if index < code.count, code[index] == UInt8(ascii: "[") { index += 1 }
        skipBlanks()
        return index
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// What may stand between the elements of a list.
    private static func isSkipped(_ byte: UInt8) -> Bool {
        isBlank(byte) || [UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "#")].contains(byte)
    }

    /// What a key begins with, quotes being `x`; of an empty pair of brackets the library says so.
    private static func mayBeginName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "]"): true
        default: false
        }
    }
}
