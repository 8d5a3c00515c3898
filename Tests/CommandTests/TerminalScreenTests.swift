import TestSupport
import Testing

/// The tests of the terminal that tests look at.
@Suite("A terminal's screen")
struct TerminalScreenTests {
    private func screen(_ text: String, columns: Int = 10, rows: Int = 4) -> TerminalScreen {
        var screen = TerminalScreen(columns: columns, rows: rows)
        for byte in text.utf8 { screen.feed([byte]) }
        return screen
    }

    @Test("Lines go down, and off at the top")
    func scrolls() {
        let seen = screen("1\r\n2\r\n3\r\n4\r\n5")
        #expect(seen.lines == ["2", "3", "4", "5"])
        #expect(seen.allLines == ["1", "2", "3", "4", "5"])
    }

    @Test("A line that is too long goes on in the next row, a full one does not")
    func wraps() {
        #expect(screen("1234567890").wraps == 0)
        #expect(screen("1234567890\r\nx").lines == ["1234567890", "x"])
        let long = screen("12345678901")
        #expect(long.lines == ["1234567890", "1"])
        #expect(long.wraps == 1)
        #expect(screen("123456789等").lines == ["123456789", "等"])
    }

    @Test("A bar that is drawn over itself leaves nothing of the longer one")
    func overwrites() { #expect(screen("abcdef\r\u{1B}[36mxy\u{1B}[0m\u{1B}[K").lines == ["xy"]) }

    @Test("The other screen leaves the first one as it was")
    func alternates() {
        var seen = screen("shell\r\n\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J\u{1B}[2;3Hfull")
        #expect(seen.lines == ["", "  full"])
        #expect(seen.isAlternate && !seen.isCursorVisible)
        seen.feed("\u{1B}[?25h\u{1B}[?1049lnext".utf8)
        #expect(seen.lines == ["shell", "next"])
        #expect(!seen.isAlternate && seen.isCursorVisible)
    }

    @Test("A narrower window breaks a long line, a wider one joins it again")
    func reflows() {
        var seen = screen("top\r\n12345678")
        seen.resize(columns: 5, rows: 4)
        #expect(seen.lines == ["top", "12345", "678"])
        // The cursor stands behind the 8, a row below where the line began.
        seen.feed("\u{1B}[1A\r\u{1B}[Jnew".utf8)
        #expect(seen.lines == ["top", "new"])
        var other = screen("12345678901")
        other.resize(columns: 20, rows: 4)
        #expect(other.lines == ["12345678901"])
    }

    @Test("What no program here should write is told")
    func unknown() { #expect(screen("\u{1B}[5n\u{1B}c").unknown == ["5n", "escape 99"]) }
}
