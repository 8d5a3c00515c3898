import Foundation
import Synchronization

/// A program that a test started. It is killed when the test lets go of it, and when the test process ends in any way.
package final class ProgramRunner: Sendable {
    /// Which of its outputs.
    package enum Stream: Sendable, Hashable {
        case output
        case errors
    }

    private struct State {
        var bytes: [Stream: [UInt8]] = [.output: [], .errors: []]
        var openPipes = 2
        var ending: ProgramEnding?
    }

    /// The name it was started by, for messages.
    package let name: String
    /// Its process id.
    package let processID: Int32
    private let shared: Shared

    /// What its threads share with it; they keep no program alive.
    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    /// Starts a program: a path, one of the package's own programs by its name, or one found in `PATH`. Standard input
    /// is empty, or the file named. `environment` adds to the test's own. With a terminal all three of its streams are
    /// that, and what it shows counts as output.
    package init(
        _ program: String,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        folder: String? = nil,
        input: String? = nil,
        terminal: (path: String, master: Int32)? = nil
    ) throws {
        let path = try Self.locate(program)
        name = program.split(separator: "/").last.map(String.init) ?? program
        // The kernel kills it with the thread that starts it: no crash of a test leaves programs behind.
        let words =
            ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"]
            + (folder.map { ["/usr/bin/env", "-C", $0] } ?? []) + [path] + arguments
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        let shared = Shared()
        self.shared = shared
        if let terminal {
            processID = try SpawnThread.shared.run { spawn(words, variables, terminal: terminal.path) }.get()
            shared.state.withLock { $0.openPipes = 1 }
            Self.read(terminal.master, .output, into: shared)
        } else {
            let child = try SpawnThread.shared.run { spawn(words, variables, input: input ?? "/dev/null") }.get()
            processID = child.processID
            Self.read(child.output, .output, into: shared)
            Self.read(child.errors, .errors, into: shared)
        }
        let processID = processID
        Thread.detachNewThread {
            var info = siginfo_t()
            // Waits without reaping first, so that nobody signals a process id that means somebody else by then.
            while waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
            shared.state.withLock { state in
                var status: Int32 = 0
                while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
                state.ending = ProgramEnding(waitStatus: status)
            }
        }
    }

    deinit { send(SIGKILL) }

    /// Runs a program to its end and returns it; throws after the deadline.
    @discardableResult
    package static func run(
        _ program: String,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        input: String? = nil,
        within limit: Duration = .seconds(60)
    ) async throws -> ProgramRunner {
        let runner = try ProgramRunner(program, arguments, environment: environment, input: input)
        try await runner.waitForExit(within: limit)
        return runner
    }

    /// How it ended; nil while it runs.
    package var ending: ProgramEnding? { shared.state.withLock { $0.ending } }

    /// Whether it has not ended.
    package var isRunning: Bool { ending == nil }

    /// All it has written so far.
    package func text(_ stream: Stream = .output) -> String {
        String(decoding: shared.state.withLock { $0.bytes[stream] ?? [] }, as: UTF8.self)
    }

    /// What it has written from that byte on.
    func bytes(_ stream: Stream = .output, from start: Int) -> [UInt8] {
        shared.state.withLock { Array(($0.bytes[stream] ?? []).dropFirst(start)) }
    }

    /// The whole lines it has written so far.
    package func lines(_ stream: Stream = .output) -> [String] { lines(stream, from: 0).lines }

    /// The whole lines from that byte on, and the byte after them: to go on from there.
    package func lines(_ stream: Stream, from start: Int) -> (lines: [String], end: Int) {
        let new = shared.state.withLock { state in
            let bytes = state.bytes[stream] ?? []
            return bytes[start...].lastIndex(of: UInt8(ascii: "\n")).map { bytes[start...$0] }
        }
        guard let new else { return ([], start) }
        return (new.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }, new.endIndex)
    }

    /// Sends a signal; nothing when it has ended.
    package func send(_ signal: Int32) {
        shared.state.withLock { state in
            if state.ending == nil { _ = Foundation.kill(processID, signal) }
        }
    }

    /// Returns its ending; throws, with what it wrote last, after the deadline.
    @discardableResult
    package func waitForExit(within limit: Duration = .longEnough) async throws -> ProgramEnding {
        let found = try? await firstValue(within: limit) { ending }
        guard let found else { throw TestSupportError("\(name) did not end within \(limit)\n\(tail)") }
        // What it wrote last may still be in the pipes.
        try? await eventually(within: .seconds(2)) { shared.state.withLock { $0.openPipes == 0 } }
        return found
    }

    /// Asks it to end with SIGTERM, kills it after the deadline, and returns its ending.
    @discardableResult
    package func stop(within limit: Duration = .seconds(15)) async throws -> ProgramEnding {
        send(SIGTERM)
        if let ending = try? await waitForExit(within: limit) { return ending }
        return try await kill()
    }

    /// Kills it and returns when it is gone.
    @discardableResult
    package func kill() async throws -> ProgramEnding {
        send(SIGKILL)
        return try await waitForExit()
    }

    /// Returns the first line that fits; throws, with what it wrote last, after the deadline or when it ends before.
    @discardableResult
    package func waitForLine(
        _ stream: Stream = .output,
        within limit: Duration = .longEnough,
        where fits: (String) -> Bool
    ) async throws -> String {
        let deadline = ContinuousClock.now + limit
        var position = 0
        while true {
            let hasEnded = hasNothingMore
            let (new, end) = lines(stream, from: position)
            position = end
            if let line = new.first(where: fits) { return line }
            guard !hasEnded, ContinuousClock.now < deadline else {
                throw TestSupportError("\(name) \(hasEnded ? "ended" : "ran for \(limit)") without the line\n\(tail)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Returns the first line that contains the text.
    @discardableResult
    package func waitForLine(
        _ stream: Stream = .output,
        containing text: String,
        within limit: Duration = .longEnough
    ) async throws -> String {
        try await waitForLine(stream, within: limit) { $0.contains(text) }
    }

    /// Peak resident size in bytes so far; nil when it has ended.
    package var peakResidentBytes: Int? {
        guard let status = try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8) else { return nil }
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }.map {
            $0 * 1_024
        }
    }

    /// Whether it has ended and everything it wrote has been read.
    private var hasNothingMore: Bool { shared.state.withLock { $0.ending != nil && $0.openPipes == 0 } }

    private var tail: String {
        let ending = ending.map { "\($0)" } ?? "none"
        return "ending: \(ending), errors:\n\(text(.errors).suffix(4_000))\noutput:\n\(text().suffix(2_000))"
    }

    /// Finds a program: as a path, beside the test bundle, or in `PATH`.
    package static func locate(_ program: String) throws -> String {
        if program.contains("/") { return program }
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let beside = URL(fileURLWithPath: bundle).deletingLastPathComponent().path
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let folders = [beside] + path.split(separator: ":").map(String.init) + ["/usr/sbin"]
        for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(program)") {
            return "\(folder)/\(program)"
        }
        throw TestSupportError("There is no program \(program) in \(folders.joined(separator: ", "))")
    }

    private static func read(_ descriptor: Int32, _ stream: Stream, into shared: Shared) {
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = Foundation.read(descriptor, &buffer, buffer.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { break }
                shared.state.withLock { $0.bytes[stream, default: []].append(contentsOf: buffer[..<count]) }
            }
            close(descriptor)
            shared.state.withLock { $0.openPipes -= 1 }
        }
    }
}
