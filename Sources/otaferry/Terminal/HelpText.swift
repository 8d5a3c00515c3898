/// Help as a window shows it: the parser breaks what stands beside the names of options, and nothing else, and needs more
/// room for that than some windows have.
enum HelpText {
    /// In windows narrower than this what an option does stands below its name.
    private static let leastColumns = 64
    /// So wide that the parser breaks nothing.
    static let unbroken = 10_000
    private static let margin = 6

    /// What to ask the parser for; nil: as wide as the window.
    static func columns(in width: Int) -> Int? { width < leastColumns ? unbroken : nil }

    /// The parser's text with every line in the window.
    static func fitted(_ text: String, to width: Int) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
            width < leastColumns ? below(String(line), width) : ColumnText.wrapped(String(line), to: width)
        }.joined(separator: "\n")
    }

    /// A line that begins with a name and goes on, behind a gap, with what that is.
    private static func below(_ line: String, _ width: Int) -> [String] {
        let indent = line.prefix { $0 == " " }.count
        let words = line.dropFirst(indent)
        guard indent > 0, let gap = words.firstRange(of: "  ") else {
            // What stood beside a long name.
            let place = indent > margin ? String(repeating: " ", count: margin) + words : line
            return ColumnText.wrapped(place, to: width)
        }
        let name = String(repeating: " ", count: indent) + words[..<gap.lowerBound]
        let rest = words[gap.upperBound...].drop { $0 == " " }
        return ColumnText.wrapped(name, to: width)
            + ColumnText.wrapped(String(repeating: " ", count: margin) + rest, to: width)
    }
}
