/// Which line each key of a TOML text stands on, found by looking at line starts: good enough for messages, because the
/// TOML library does not tell. Text in multi-line strings may be taken for a key; the first finding of a key stays.
struct SourceLines: Sendable {
    private var lines: [String: Int] = [:]

    init(scanning text: String) {
        var table = ""
        var products = -1
        var number = 0
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }) {
            number += 1
            let start = line.drop { $0 == " " || $0 == "\t" }
            if start.first == "[" {
                table = Self.path(start.drop { $0 == "[" }.prefix { $0 != "]" })
                note(table, number)
                if table == "product" && start.hasPrefix("[[") {
                    products += 1
                    table += "#\(products)"
                    note(table, number)
                }
            } else if let equals = start.firstIndex(of: "="), start.first != "#" {
                let key = Self.path(start[..<equals])
                note(table.isEmpty ? key : "\(table).\(key)", number)
            }
        }
    }

    func line(of path: String, product: Int? = nil) -> Int? {
        var path = product.map { "product#\($0)" + path.dropFirst("product".count) } ?? path
        while true {
            if let line = lines[path] { return line }
            guard let dot = path.lastIndex(of: ".") else { return nil }
            path = String(path[..<dot])
        }
    }

    private mutating func note(_ path: String, _ number: Int) {
        if lines[path] == nil { lines[path] = number }
    }

    /// A dotted key without its blanks and quotes.
    private static func path(_ text: Substring) -> String { text.filter { !" \t\"'\r".contains($0) } }
}
