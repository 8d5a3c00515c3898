import Foundation
import Synchronization

/// A program at a terminal of its own, with a person before it: what it shows, keys, and a window whose size changes.
package final class TerminalProgram: Sendable {
    private struct State {
        var screen: TerminalScreen
        var taken = 0
    }

    /// The program itself.
    package let program: ProgramRunner
    private let master: Int32
    private let state: Mutex<State>

    /// Starts a program. Unless `environment` says otherwise the terminal knows colors, and the locale is UTF-8.
    package init(
        _ program: String,
        _ arguments: [String],
        columns: Int,
        rows: Int = 24,
        environment: [String: String] = [:]
    ) throws {
        var ends: (master: Int32, slave: Int32) = (-1, -1)
        var name = [CChar](repeating: 0, count: 128)
        guard openpty(&ends.master, &ends.slave, &name, nil, nil) == 0 else {
            throw TestSupportError("Could not make a pseudo-terminal: errno \(errno)")
        }
        master = ends.master
        // Kept until the program has it: a terminal that nobody holds is gone.
        defer { close(ends.slave) }
        for end in [ends.master, ends.slave] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        Self.setSize(master, columns, rows)
        state = Mutex(State(screen: TerminalScreen(columns: columns, rows: rows)))
        let usual = ["TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "NO_COLOR": ""]
        self.program = try ProgramRunner(
            program,
            arguments,
            environment: usual.merging(environment) { $1 },
            terminal: (path: path, master: dup(master))
        )
    }

    deinit { close(master) }

    private static func setSize(_ master: Int32, _ columns: Int, _ rows: Int) {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// What a person sees now.
    package var screen: TerminalScreen {
        state.withLock { state in
            Self.update(&state, program)
            return state.screen
        }
    }

    private static func update(_ state: inout State, _ program: ProgramRunner) {
        let bytes = program.bytes(from: state.taken)
        state.taken += bytes.count
        state.screen.feed(bytes)
    }

    /// All bytes that it wrote.
    package var written: String { program.text() }

    /// A person changes the size of the window.
    package func resize(columns: Int, rows: Int = 24) {
        state.withLock { state in
            Self.update(&state, program)
            state.screen.resize(columns: columns, rows: rows)
            Self.setSize(master, columns, rows)
        }
    }

    /// A person types.
    package func type(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard write(master, bytes, bytes.count) == bytes.count else {
            throw TestSupportError("Could not type: errno \(errno)")
        }
    }

    /// Ctrl-C.
    package func interrupt() throws { try type("\u{3}") }

    /// Whether the terminal shows what is typed, and gives it to programs line by line, as a shell expects it.
    package var isAsBefore: Bool {
        var settings = termios()
        guard tcgetattr(master, &settings) == 0 else { return false }
        let wanted = tcflag_t(ECHO | ICANON | ISIG)
        return settings.c_lflag & wanted == wanted && screen.isCursorVisible && !screen.isAlternate
    }

    /// Returns the first screen that fits; throws, with what is seen, after the deadline.
    @discardableResult
    package func waitForScreen(
        _ what: String,
        within limit: Duration = .longEnough,
        where fits: (TerminalScreen) -> Bool
    ) async throws -> TerminalScreen {
        let found = try? await firstValue(within: limit) { () -> TerminalScreen? in
            let screen = screen
            return fits(screen) ? screen : nil
        }
        guard let found else {
            throw TestSupportError(
                "\(what) was not seen within \(limit), but:\n\(screen.allLines.joined(separator: "\n"))"
            )
        }
        return found
    }

    /// Returns the first screen with that text.
    @discardableResult
    package func waitForText(_ text: String, within limit: Duration = .longEnough) async throws -> TerminalScreen {
        try await waitForScreen("\"\(text)\"", within: limit) { $0.allLines.contains { $0.contains(text) } }
    }
}
