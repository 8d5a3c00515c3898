import Glibc
import Synchronization

/// The terminal while a command draws all of it: a screen of its own, no cursor, no echo of keys. Leaving brings back
/// what was there before, as it was.
struct FullScreen: ~Copyable {
    /// What the terminal shows now, line by line; nil: not known.
    private var shown: [String]?
    private var size: Terminal.Size?
    private var settings: termios?
    private var isEntered = false

    /// Goes to the other screen. Does nothing when it is there.
    mutating func enter() {
        guard !isEntered else { return }
        isEntered = true
        var before = termios()
        if isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &before) == 0 {
            settings = before
            var quiet = before
            // Keys come one by one and are not shown; Ctrl-C and Ctrl-Z stay signals.
            quiet.c_lflag &= ~tcflag_t(ECHO | ICANON)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet)
        }
        // The other screen, without its cursor.
        Terminal.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[2J")
        shown = nil
    }

    /// Brings the former screen back.
    mutating func leave() {
        guard isEntered else { return }
        isEntered = false
        Terminal.write("\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l")
        if var settings { tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) }
        shown = nil
    }

    /// Shows the lines, from the top; only what changed is written, so nothing flickers.
    mutating func draw(_ lines: [String], _ size: Terminal.Size) {
        guard isEntered else { return }
        var text = ""
        if shown == nil || self.size != size {
            text += "\u{1B}[2J"
            shown = []
        }
        let former = shown ?? []
        for index in 0..<max(lines.count, former.count) where index < size.rows {
            let line = index < lines.count ? lines[index] : ""
            guard index >= former.count || former[index] != line else { continue }
            // Erased before, not after: behind a line that fills the window, the last character would go.
            text += "\u{1B}[\(index + 1);1H\u{1B}[K\(line)"
        }
        shown = Array(lines.prefix(size.rows))
        self.size = size
        // Terminals that know it show all of it at once.
        if !text.isEmpty { Terminal.write("\u{1B}[?2026h\(text)\u{1B}[?2026l") }
    }

    /// A key that was pressed, if any.
    func key() -> UInt8? {
        guard settings != nil else { return nil }
        var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        var byte: UInt8 = 0
        guard poll(&descriptor, 1, 0) > 0, read(STDIN_FILENO, &byte, 1) == 1 else { return nil }
        return byte
    }
}
