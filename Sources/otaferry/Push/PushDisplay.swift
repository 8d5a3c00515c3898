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
    private var hasOpenLine = false

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
        let isNew = line.phase != shown?.phase || line.note != shown?.note
        guard isNew || line != shown && now - shownAt >= interval else { return }
        shown = line
        shownAt = now
        switch mode {
        case .bar(let terminal): draw(line, terminal)
        case .lines: say(line.sentence)
        case .json:
            say(
                JSONValue.object([
                    "event": "progress", "phase": .string(line.phase), "done": .integer(line.done),
                    "total": line.total.map { .integer($0) } ?? .null,
                    "rate": line.rate.map { .integer(Int64($0)) } ?? .null,
                    "remaining": line.remaining.map { .integer($0.components.seconds) } ?? .null,
                    "note": .string(line.note),
                ]).text
            )
        }
    }

    /// A line that stays: what was reached, or what a person should know.
    mutating func note(_ text: String, _ color: Terminal.Color? = nil) {
        switch mode {
        case .bar(let terminal):
            clear()
            Terminal.write((color.map { terminal.colored(text, $0) } ?? text) + "\n")
            if let shown { draw(shown, terminal) }
        case .lines: say(text)
        case .json: say(JSONValue.object(["event": "note", "text": .string(text)]).text)
        }
    }

    /// An object for programs; nothing for people, who are told in other words.
    func object(_ members: [String: JSONValue]) {
        guard case .json = mode else { return }
        say(JSONValue.object(members).text)
    }

    var isForPrograms: Bool { if case .json = mode { true } else { false } }

    /// Takes the bar away; the last call.
    mutating func finish() {
        clear()
        shown = nil
    }

    private func say(_ text: String) { Terminal.write(text + "\n") }

    private mutating func draw(_ line: ProgressLine, _ terminal: Terminal) {
        // One column less, so that no terminal wraps the line.
        let text = line.text(columns: terminal.width - 1, isUnicode: terminal.isUnicode)
        let color: Terminal.Color = line.note.isEmpty ? .cyan : .yellow
        // Carriage return, text, erase to the end of the line.
        Terminal.write("\r" + terminal.colored(text, color) + "\u{1B}[K")
        hasOpenLine = true
    }

    private mutating func clear() {
        guard hasOpenLine else { return }
        Terminal.write("\r\u{1B}[K")
        hasOpenLine = false
    }
}
