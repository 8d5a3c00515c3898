/// What a terminal shows after the bytes that a program wrote: as much of one as it takes to see what a person sees.
///
/// It breaks and joins lines as its width changes, like most terminals of today do.
package struct TerminalScreen: Sendable {
    private struct Row: Sendable {
        /// Nil behind a character of two columns.
        var cells: [Character?] = []
        /// Whether the next row goes on with the same line.
        var isWrapped = false

        var text: String {
            var text = String(cells.compactMap { $0 })
            while text.last == " " { text.removeLast() }
            return text
        }
    }

    package private(set) var columns: Int
    package private(set) var rows: Int
    private var grid: [Row] = []
    /// Rows that went off the top.
    private var above: [Row] = []
    private var cursor = (row: 0, column: 0)
    /// The last column is written, and the next character goes to the next row.
    private var isWrapping = false
    private var saved: (grid: [Row], cursor: (row: Int, column: Int))?
    private var pending: [UInt8] = []

    /// Whether what is behind the last column goes to the next row.
    private var wrapsLines = true

    /// Whether the cursor is shown.
    package private(set) var isCursorVisible = true
    /// Whether the program draws on the screen that full-screen programs use.
    package var isAlternate: Bool { saved != nil }
    /// How often a line was too long for the window.
    package private(set) var wraps = 0
    /// Sequences that no program here should write.
    package private(set) var unknown: [String] = []

    package init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        grid = Array(repeating: Row(), count: rows)
    }

    /// The rows without the blanks at their ends, without the empty ones at the bottom.
    package var lines: [String] {
        var lines = grid.map(\.text)
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// What scrolled away, and what is seen.
    package var allLines: [String] { above.map(\.text) + lines }

    /// The rows as one text.
    package var text: String { lines.joined(separator: "\n") }

    // MARK: - What the program writes

    /// Takes what the program wrote next.
    package mutating func feed(_ bytes: some Sequence<UInt8>) {
        pending += bytes
        while let taken = next() { pending.removeFirst(taken) }
    }

    /// Performs what stands first; its length, or nil when more of it has to come.
    private mutating func next() -> Int? {
        guard let first = pending.first else { return nil }
        switch first {
        case 0x1B: return escape()
        case 0x0D:
            cursor.column = 0
            isWrapping = false
        case 0x0A: lineFeed()
        case 0x08:
            cursor.column = max(0, cursor.column - 1)
            isWrapping = false
        case 0x07: break
        case ..<0x20: unknown.append("control \(first)")
        default: return character()
        }
        return 1
    }

    private mutating func character() -> Int? {
        let length = pending[0] < 0x80 ? 1 : pending[0] < 0xE0 ? 2 : pending[0] < 0xF0 ? 3 : 4
        guard pending.count >= length else { return nil }
        for character in String(decoding: pending[..<length], as: UTF8.self) { put(character) }
        return length
    }

    private mutating func put(_ character: Character) {
        let width = Self.isWide(character) ? 2 : 1
        if !wrapsLines && cursor.column + width > columns { cursor.column = columns - width }
        if isWrapping || cursor.column + width > columns {
            wraps += 1
            grid[cursor.row].isWrapped = true
            lineFeed()
            cursor.column = 0
        }
        isWrapping = false
        var cells = grid[cursor.row].cells
        while cells.count < cursor.column + width { cells.append(" ") }
        cells[cursor.column] = character
        if width == 2 { cells[cursor.column + 1] = nil }
        grid[cursor.row].cells = cells
        cursor.column += width
        if cursor.column >= columns {
            cursor.column = columns - 1
            isWrapping = wrapsLines
        }
    }

    private static func isWide(_ character: Character) -> Bool {
        guard let scalar = character.unicodeScalars.first else { return false }
        return (0x1100...0x115F).contains(scalar.value) || (0x2E80...0xA4CF).contains(scalar.value)
            || (0xAC00...0xD7A3).contains(scalar.value) || (0xF900...0xFAFF).contains(scalar.value)
            || (0xFF00...0xFF60).contains(scalar.value)
    }

    private mutating func lineFeed() {
        isWrapping = false
        guard cursor.row == rows - 1 else {
            cursor.row += 1
            return
        }
        let gone = grid.removeFirst()
        if !isAlternate { above.append(gone) }
        grid.append(Row())
    }

    // MARK: - Sequences

    private mutating func escape() -> Int? {
        guard pending.count > 1 else { return nil }
        guard pending[1] == UInt8(ascii: "[") else {
            unknown.append("escape \(pending[1])")
            return 2
        }
        guard let end = pending.dropFirst(2).firstIndex(where: { (0x40...0x7E).contains($0) }) else { return nil }
        let parameters = String(decoding: pending[2..<end], as: UTF8.self)
        perform(Character(Unicode.Scalar(pending[end])), parameters)
        return end + 1
    }

    private mutating func perform(_ command: Character, _ parameters: String) {
        let numbers = parameters.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        let count = max(1, numbers.first ?? 1)
        switch (command, parameters) {
        case ("A", _): cursor.row = max(0, cursor.row - count)
        case ("B", _): cursor.row = min(rows - 1, cursor.row + count)
        case ("H", _):
            cursor.row = min(rows, max(1, numbers.first ?? 1)) - 1
            cursor.column = min(columns, max(1, numbers.count > 1 ? numbers[1] : 1)) - 1
        case ("J", ""), ("J", "0"):
            eraseToEnd()
            for row in grid.indices where row > cursor.row { grid[row] = Row() }
        case ("J", "2"): grid = Array(repeating: Row(), count: rows)
        case ("K", ""), ("K", "0"): eraseToEnd()
        case ("m", _): return
        case ("h", "?25"): isCursorVisible = true
        case ("l", "?25"): isCursorVisible = false
        case ("h", "?7"): wrapsLines = true
        case ("l", "?7"): wrapsLines = false
        case ("h", "?1049"): enterAlternate()
        case ("l", "?1049"): leaveAlternate()
        // Shows what follows all at once.
        case ("h", "?2026"), ("l", "?2026"): return
        default: unknown.append(parameters + String(command))
        }
        isWrapping = false
    }

    private mutating func eraseToEnd() {
        grid[cursor.row].cells = Array(grid[cursor.row].cells.prefix(isWrapping ? columns - 1 : cursor.column))
        grid[cursor.row].isWrapped = false
    }

    private mutating func enterAlternate() {
        guard saved == nil else { return }
        saved = (grid, cursor)
        grid = Array(repeating: Row(), count: rows)
    }

    private mutating func leaveAlternate() {
        guard let former = saved else { return }
        (grid, cursor) = former
        saved = nil
    }

    // MARK: - The window

    /// A person drags the window's corner.
    package mutating func resize(columns: Int, rows: Int) {
        if isAlternate {
            // Full-screen programs draw anew; what was there is cut.
            grid = (0..<rows).map { row in
                guard row < grid.count else { return Row() }
                return Row(cells: Array(grid[row].cells.prefix(columns)))
            }
            cursor = (min(cursor.row, rows - 1), min(cursor.column, columns - 1))
        } else {
            reflow(columns, rows)
        }
        isWrapping = false
        self.columns = columns
        self.rows = rows
    }

    private mutating func reflow(_ columns: Int, _ rows: Int) {
        var lines: [[Character?]] = []
        var place = (line: 0, offset: 0)
        var isOpen = false
        let all = above + grid.prefix(cursor.row + 1)
        for (index, row) in all.enumerated() {
            if !isOpen { lines.append([]) }
            if index == all.count - 1 {
                place = (lines.count - 1, lines[lines.count - 1].count + cursor.column + (isWrapping ? 1 : 0))
            }
            lines[lines.count - 1] += row.cells
            isOpen = row.isWrapped
        }
        var new: [Row] = []
        var spot = (row: 0, column: 0)
        for (index, line) in lines.enumerated() {
            let parts = max(1, (line.count + columns - 1) / columns)
            if index == place.line {
                let row = min(place.offset / columns, max(parts - 1, 0))
                spot = (new.count + row, min(columns - 1, place.offset - row * columns))
            }
            for part in 0..<parts {
                let cells = Array(line.dropFirst(part * columns).prefix(columns))
                new.append(Row(cells: cells, isWrapped: part < parts - 1))
            }
        }
        let hidden = max(0, new.count - rows)
        above = Array(new.prefix(hidden))
        grid = Array(new.dropFirst(hidden))
        while grid.count < rows { grid.append(Row()) }
        cursor = (max(0, spot.row - hidden), spot.column)
    }
}
