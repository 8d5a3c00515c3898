import Glibc
import Logging
import Synchronization
import TestSupport
import Testing
import Threads

@testable import Agent

@Suite("The watchdog", .timeLimit(.minutes(5)))
struct WatchdogTests {
    /// A part that goes round when it is nudged, as long as the test lets it.
    private final class Loop: Sendable {
        let pulse = Pulse()
        let hangs = Mutex(false)

        func part(_ name: String) -> Watchdog.Part {
            Watchdog.Part(name: name, pulse: pulse) { [self] in
                if !hangs.withLock({ $0 }) { pulse.beat() }
            }
        }
    }

    private let socket: NotifySocket
    private let log = RecordedLog()
    private let first = Loop()
    private let second = Loop()

    init() throws { socket = try NotifySocket() }

    private var pings: Int { socket.lines.count { $0 == "WATCHDOG=1" } }

    private func watch(_ body: () async throws -> Void) async throws {
        let notifier = ServiceNotifier(
            environment: ["NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "40000"]
        )
        let watchdog = Watchdog(
            notifier: notifier,
            parts: [first.part("first"), second.part("second")],
            logger: log.logger
        )
        let task = Task { await watchdog.run() }
        defer { task.cancel() }
        try await body()
    }

    @Test("It is fed while every part goes round when it is nudged")
    func fed() async throws {
        try await watch { try await eventually("5 pings") { pings >= 5 } }
        #expect(log.lines.isEmpty)
    }

    @Test("A part that hangs is named, and nothing is told until it goes on")
    func hanging() async throws {
        try await watch {
            try await eventually("a ping") { pings >= 1 }
            second.hangs.withLock { $0 = true }
            try await eventually("an error in the log") { !log.lines.isEmpty }
            #expect(log.lines.first?.contains("part=second") == true)
            let before = pings
            // What would have been five pings.
            try await Task.sleep(for: .milliseconds(100))
            #expect(pings == before)
            second.hangs.withLock { $0 = false }
            second.pulse.beat()
            try await eventually("pings again") { pings >= before + 3 }
            #expect(log.lines.last?.contains("goes on again") == true)
        }
    }

    @Test("A part that waits for somebody outside is not expected to go round")
    func away() async throws {
        try await watch {
            let isLeft = Mutex(false)
            second.hangs.withLock { $0 = true }
            let pulse = second.pulse
            let thread = NamedThread.start(name: "away") {
                pulse.whileAway { while !isLeft.withLock({ $0 }) { sched_yield() } }
            }
            try await eventually("being away") { pulse.isAway }
            let before = pings
            try await eventually("pings meanwhile") { pings >= before + 5 }
            isLeft.withLock { $0 = true }
            try await eventually("an error in the log") { !log.lines.isEmpty }
            _ = thread
        }
    }
}

/// Keeps the lines of a logger.
private final class RecordedLog: LogHandler, Sendable {
    private let kept = Mutex<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in self } }

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        let metadata = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        kept.withLock { $0.append("\(event.message) \(metadata)") }
    }
}
