import FoundationEssentials
import Glibc

/// What standard output can show.
struct Terminal: Sendable {
    /// Whether a person looks at it.
    var isInteractive: Bool
    /// Whether it shows more than ASCII.
    var isUnicode: Bool
    var hasColor: Bool
    /// A width that stays, for tests; nil: asked anew each time, since windows change.
    var fixedWidth: Int?

    private static let widthWithoutWindow = 80
    private static let heightWithoutWindow = 24

    /// Standard output as it is.
    static func standardOutput(environment: [String: String]) -> Terminal {
        let isInteractive = isatty(STDOUT_FILENO) == 1 && environment["TERM"] != "dumb"
        return Terminal(
            isInteractive: isInteractive,
            isUnicode: isUnicode(environment),
            hasColor: isInteractive && environment["NO_COLOR", default: ""].isEmpty
        )
    }

    /// The first of these that is set names the locale's encoding.
    static func isUnicode(_ environment: [String: String]) -> Bool {
        let names = ["LC_ALL", "LC_CTYPE", "LANG"]
        guard let locale = names.lazy.compactMap({ environment[$0] }).first(where: { !$0.isEmpty }) else {
            return false
        }
        let encoding = locale.uppercased()
        return encoding.hasSuffix("UTF-8") || encoding.hasSuffix("UTF8")
    }

    /// Columns and rows.
    struct Size: Sendable, Equatable {
        var columns: Int
        var rows: Int
    }

    /// Columns.
    var width: Int { size.columns }

    /// How large the window is.
    var size: Size {
        if let fixedWidth { return Size(columns: fixedWidth, rows: Self.heightWithoutWindow) }
        return Self.size(at: STDOUT_FILENO)
    }

    private static func size(at descriptor: Int32) -> Size {
        // struct winsize: rows, columns, and two that nobody uses. Which module owns its declaration depends on what
        // else is imported, so it is spelled out.
        var size: [UInt16] = [0, 0, 0, 0]
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size[1] > 0 else {
            return Size(columns: widthWithoutWindow, rows: heightWithoutWindow)
        }
        return Size(columns: Int(size[1]), rows: size[0] > 0 ? Int(size[0]) : heightWithoutWindow)
    }

    /// The columns of the window that a person reads there; nil for a pipe, a file or a terminal that knows no columns.
    static func columns(at descriptor: Int32) -> Int? {
        isatty(descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
            ? size(at: descriptor).columns : nil
    }

    /// The colors that are used.
    enum Color: Int, Sendable {
        case red = 31
        case green = 32
        case yellow = 33
        case cyan = 36
    }

    /// The text in a color, where there is any.
    func colored(_ text: String, _ color: Color) -> String {
        hasColor ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Bold, where there is any color.
    func strong(_ text: String) -> String { hasColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

    /// Less visible, where there is any color.
    func faint(_ text: String) -> String { hasColor ? "\u{1B}[2m\(text)\u{1B}[0m" : text }

    /// `…`, or what ASCII has for it.
    var ellipsis: String { isUnicode ? "…" : "~" }

    /// Narrower text is harder to read than one that runs over.
    private static let leastText = 24
    /// Before what stands below its head.
    private static let margin = 4

    /// The columns that are left behind so many; nil where they are too few to read in.
    func room(behind columns: Int) -> Int? { width - columns >= Self.leastText ? width - columns : nil }

    /// A text behind what stands before it; where a person looks at it, it is broken between words, under its beginning, or
    /// below the head where there is no room beside it.
    ///
    /// - Parameter columns: how many the head takes.
    func lines(of text: String, behind head: String, columns: Int) -> [String] {
        guard isInteractive, columns + ColumnText.width(text) > width else { return [head + text] }
        guard let room = room(behind: columns) else {
            let margin = String(repeating: " ", count: min(columns, Self.margin))
            let title = head.trimmingTrailingBlanks
            return (title.isEmpty ? [] : [title])
                + Self.pieces(of: text, width: max(1, width - margin.count)).map { margin + $0 }
        }
        return Self.pieces(of: text, width: room).enumerated().map { index, piece in
            (index == 0 ? head : String(repeating: " ", count: columns)) + piece
        }
    }

    /// A long word is broken too, but not in a command, which is to be pasted.
    private static func pieces(of text: String, width: Int) -> [String] {
        let pieces = ColumnText.broken(text, to: width)
        return text.contains("otaferry ") ? pieces : pieces.flatMap { ColumnText.chunks(of: $0, width: width) }
    }

    /// Who reads what is written.
    enum Reader {
        case person
        case program
    }

    /// Writes at once, without a line's end.
    static func write(_ text: String, for reader: Reader = .person) {
        guard !text.isEmpty else { return }
        guard !OutputFailure.isStreamClosed else { return OutputFailure.note(EBADF) }
        var bytes = Array((reader == .person ? readable(text, at: STDOUT_FILENO) : text).utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN {
                // Somebody who shares the pipe has made it one that does not wait.
                var descriptor = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                poll(&descriptor, 1, -1)
                continue
            }
            // Told at the end of the program.
            guard count > 0 else { return OutputFailure.note(errno) }
            bytes = bytes.dropFirst(count)
        }
    }
}

extension Terminal {
    private static let showsUnicode = isUnicode(ProcessInfo.processInfo.environment)

    /// What is written there to a person: a terminal without UTF-8 would show something else for what is not ASCII.
    static func readable(_ text: String, at descriptor: Int32) -> String {
        guard !showsUnicode, !text.utf8.allSatisfy({ $0 < 0x80 }), isatty(descriptor) == 1 else { return text }
        return ColumnText.ascii(text)
    }
}

/// Text in columns of a terminal.
enum ColumnText {
    /// How many columns a text takes: East Asian wide characters take two, marks that combine none.
    static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

    private static func width(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0: return 0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }

    /// The text without control characters, so that nothing from outside moves the cursor.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.filter { scalar in
                    // Those that turn the direction of writing make a name look like another.
                    scalar.properties.generalCategory != .control && !scalar.properties.isBidiControl
                }
            )
        )
    }

    /// The text in ASCII, as wide as it was: with a question mark for each column of what is none.
    static func ascii(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            if character.isASCII {
                result.append(character)
            } else {
                result += character == "…" ? "~" : String(repeating: "?", count: width(character))
            }
        }
    }

    /// At most so many columns; what is cut off shows, unless the last of it is the end of a sentence.
    static func fitted(_ text: String, to columns: Int, ellipsis: String) -> String {
        guard width(text) > columns else { return text }
        var result = ""
        var used = width(ellipsis)
        guard used <= columns else { return String(repeating: ".", count: max(0, columns)) }
        for character in text {
            used += width(character)
            guard used <= columns else { break }
            result.append(character)
        }
        let words = result.trimmingTrailingBlanks
        let isSentence = words.last == "." && text.dropFirst(words.count).first == " "
        return isSentence ? words : words + ellipsis
    }

    /// The text with blanks behind it.
    static func padded(_ text: String, to columns: Int) -> String {
        text + String(repeating: " ", count: max(0, columns - width(text)))
    }

    /// `1:05`, `2:03:04`, `3d 04:05`
    static func clock(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (minutes, hours) = (seconds / 60 % 60, seconds / 3_600)
        if hours >= 24 { return "\(hours / 24)d \(two(hours % 24)):\(two(minutes))" }
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
    }
}

extension ColumnText {
    /// The text in lines of at most so many columns, broken at blanks; a longer word stands by itself. A command and the
    /// transfer that it is about stay together where they have room, to be copied, and so do a figure and its unit.
    static func broken(_ text: String, to columns: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in words(text, columns) {
            if line.isEmpty {
                line = word
            } else if width(line) + 1 + width(word) <= columns {
                line += " " + word
            } else {
                lines.append(line)
                line = word
            }
        }
        return lines + [line]
    }

    /// The text in pieces of at most so many columns.
    static func chunks(of text: String, width limit: Int) -> [String] {
        var chunks = [""]
        var used = 0
        for character in text {
            let columns = width(character)
            if used + columns > limit, used > 0 { (used, chunks) = (0, chunks + [""]) }
            used += columns
            chunks[chunks.count - 1].append(character)
        }
        return chunks
    }

    /// What stands behind a figure, with a blank between them.
    private static let units: Set<Substring> = ["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "%", "s"]

    private static func isFigure(_ word: some StringProtocol) -> Bool {
        let digits = word.drop { "(+-".contains($0) }
        return digits.first?.isNumber == true && digits.allSatisfy { $0.isNumber || ".,".contains($0) }
    }

    /// Also `MB/s` and `MB,`.
    private static func isUnit(_ word: Substring) -> Bool { units.contains(word.prefix { $0.isLetter || $0 == "%" }) }

    /// What is not broken: words, `12 MB` and `otaferry show ci/7f3c`.
    private static func words(_ text: String, _ columns: Int) -> [String] {
        var words: [String] = []
        for word in text.split(separator: " ") {
            let last = words.last ?? ""
            let begin = last.drop { $0 == "(" }
            let isCommand = begin == "otaferry" || begin.hasPrefix("otaferry ") && word.contains("/")
            let isWhole =
                isCommand && last.count(where: { $0 == " " }) < 2 || isFigure(last) && isUnit(word)
            if isWhole, width(last) + 1 + width(String(word)) <= columns {
                words[words.count - 1] += " " + word
            } else {
                words.append(String(word))
            }
        }
        return words
    }

    /// A line as it is where it fits; else broken at blanks, with what goes on under its beginning.
    static func wrapped(_ line: String, to columns: Int) -> [String] {
        guard width(line) > columns else { return [line] }
        let indent = line.prefix { $0 == " " }.count
        let margins = (first: indent, next: indent == 0 ? 2 : indent)
        return broken(line, to: max(1, columns - margins.next)).enumerated().map { index, piece in
            String(repeating: " ", count: index == 0 ? margins.first : margins.next) + piece
        }
    }
}

extension String {
    var trimmingTrailingBlanks: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
