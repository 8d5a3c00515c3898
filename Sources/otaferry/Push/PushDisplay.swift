import FerryCore
import Glibc

/// Shows a push: a bar for a person, lines for a log, JSON for a program.
struct PushDisplay {
    enum Mode: Sendable {
        case bar(Terminal)
        case lines
        case json
    }

    private let mode: Mode
    private var shown: ProgressLine?
    private var shownAt = Duration.zero
    /// The width of the terminal when the open line was drawn; nil where none is open.
    private var open: Int?

    /// What a line that stays is about.
    enum Kind {
        case plain
        /// A stage is behind us.
        case success
        /// A person should know.
        case attention
    }

    /// Whether what it shows stays only until the next.
    var isLive: Bool {
        if case .bar = mode { true } else { false }
    }

    /// A bar is drawn at most ten times a second, a line of progress written every 5 seconds, an object every second.
    private var interval: Duration {
        switch mode {
        case .bar: .milliseconds(100)
        case .lines: .seconds(5)
        case .json: .seconds(1)
        }
    }

    init(mode: Mode) { self.mode = mode }

    /// Takes the newest figures; shows them when the phase or its note changed or it is time.
    mutating func update(_ line: ProgressLine, at now: Duration) {
        if case .bar(let terminal) = mode, let open, open != terminal.width, let shown { draw(shown, terminal) }
        let isNew = line.phase != shown?.phase || line.note != shown?.note
        guard isNew || line != shown && now - shownAt >= interval else { return }
        shown = line
        shownAt = now
        switch mode {
        case .bar(let terminal): draw(line, terminal)
        case .lines: say(line.sentence)
        case .json:
            Console.answer(
                JSONValue.object([
                    "event": "progress", "phase": .string(line.phase), "done": .integer(line.done),
                    "total": line.total.map { .integer($0) } ?? .null,
                    "rate": line.rate.map { .integer(Int64($0)) } ?? .null,
                    "remaining": line.remaining.map { .integer($0.components.seconds) } ?? .null,
                    "note": .string(line.note),
                ])
            )
        }
    }

    /// A line that stays: what was reached, or what a person should know.
    mutating func note(_ text: String, _ kind: Kind = .plain) {
        switch mode {
        case .bar(let terminal):
            // In one go, so that nothing flickers.
            let lines = Self.marked(text, kind, terminal)
            Terminal.write(clearing() + lines + "\n")
            if let shown { draw(shown, terminal) }
        case .lines: say(text)
        case .json: Console.answer(["event": "note", "text": .string(text)])
        }
    }

    /// A text with a sign before it that says how it is meant, broken between words.
    static func marked(_ text: String, _ kind: Kind, _ terminal: Terminal) -> String {
        let sign =
            switch kind {
            case .plain: ""
            case .success: terminal.isUnicode ? "✓ " : "+ "
            case .attention: "! "
            }
        var lines = ColumnText.wrapped(sign + text, to: terminal.width)
        switch kind {
        case .plain: break
        case .success: lines[0] = terminal.colored(String(lines[0].prefix(1)), .green) + lines[0].dropFirst()
        case .attention: lines = lines.map { terminal.colored($0, .yellow) }
        }
        return lines.joined(separator: "\n")
    }

    /// An object for programs; nothing for people, who are told in other words.
    func object(_ members: [String: JSONValue]) {
        guard case .json = mode else { return }
        Console.answer(.object(members))
    }

    var isForPrograms: Bool { if case .json = mode { true } else { false } }

    /// Takes the bar away; the last call.
    mutating func finish() {
        if case .bar = mode {
            let text = clearing()
            if !text.isEmpty { Terminal.write(text) }
        }
        shown = nil
    }

    private func say(_ text: String) { Terminal.write(text + "\n") }

    private mutating func draw(_ line: ProgressLine, _ terminal: Terminal) {
        let width = terminal.width
        // Two columns less, for the ^C that a terminal shows behind it.
        let text = line.text(columns: width - 2, isUnicode: terminal.isUnicode)
        let color: Terminal.Color = line.note.isEmpty || line.isTransient ? .cyan : .yellow
        // The window may be another by the time this comes there, and many terminals break lines anew when it changes. So
        // nothing is wrapped while it is written, the cursor waits at its beginning, which stays the beginning of what
        // it becomes, and all behind it is erased.
        Terminal.write("\r\u{1B}[?7l" + terminal.colored(text, color) + "\u{1B}[J\u{1B}[?7h\r")
        open = width
    }

    /// What takes the open line away.
    private mutating func clearing() -> String {
        guard open != nil else { return "" }
        open = nil
        return "\r\u{1B}[J"
    }
}
