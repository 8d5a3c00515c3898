import FerryCore
import Logging
import Spool
import Synchronization

/// Says what is not said by a commit: the status, and after each new connection everything again.
final class Announcer: Sendable {
    private let spool: Spool
    private let herald: Herald
    private let rules: IntakeRules
    private let logger: Logger
    private let statusChanged: Signal
    private let everything = Signal()
    private let events = Signal()
    private let openTransfers = Signal()

    /// The status is said at most so often.
    private static let statusInterval = Duration.seconds(1)
    /// Somebody who asks whether the agent is there waits so long for a status that is newer than the last.
    private static let statusPatience = Duration.milliseconds(300)
    /// When the connection takes nothing more, so long until the next try.
    private static let roomInterval = Duration.milliseconds(50)

    init(spool: Spool, herald: Herald, rules: IntakeRules, statusChanged: Signal, logger: Logger) {
        self.spool = spool
        self.herald = herald
        self.rules = rules
        self.statusChanged = statusChanged
        self.logger = logger
    }

    /// Status and every state have to be said again. From any thread.
    func sayEverything() { everything.send() }

    /// The broker has taken a batch of events. From any thread.
    func sayEvents() { events.send() }

    /// The broker may have lost segments: every sender has to know where its transfer stands. From any thread.
    func acknowledgeOpenTransfers() { openTransfers.send() }

    /// Works until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                for await _ in self.statusChanged.sends where self.herald.board.isUnsaid {
                    await self.sayStatus()
                    // Cancelled: the loop ends with the sends.
                    try? await Task.sleep(for: Self.statusInterval)
                }
            }
            group.addTask {
                for await _ in self.everything.sends {
                    await self.sayStatus()
                    // Said again in full or not at all: what fails now is repeated with the next connection.
                    await self.read { try? $0.repeatClears($1) }
                    await self.sayStates()
                    await self.read { $0.pumpOutbox($1) }
                }
            }
            group.addTask { for await _ in self.events.sends { await self.read { $0.pumpOutbox($1) } } }
            group.addTask {
                for await _ in self.openTransfers.sends {
                    let rules = self.rules
                    await self.read { $0.acknowledgeOpen($1, rules: rules) }
                }
            }
        }
    }

    /// The status as it is now.
    func sayStatus() async {
        guard herald.board.canSpeak else { return }
        await read { herald, ledger in
            herald.board.isBeingSaid()
            herald.say(status: herald.board.message(ledger))
        }
    }

    /// The status as it is now, for somebody who waits for it. From any thread.
    ///
    /// - Parameter done: called once it is said, or with false when the spool takes its time.
    func sayStatus(then done: @escaping @Sendable (_ isSaid: Bool) -> Void) {
        let ending = Ending(done)
        Task {
            await sayStatus()
            ending.come(isSaid: true)
        }
        Task {
            try? await Task.sleep(for: Self.statusPatience)
            ending.come(isSaid: false)
        }
    }

    /// Calls once, whichever comes first.
    private final class Ending: Sendable {
        private let hasCome = Atomic<Bool>(false)
        private let done: @Sendable (Bool) -> Void

        init(_ done: @escaping @Sendable (Bool) -> Void) { self.done = done }

        func come(isSaid: Bool) {
            if !hasCome.exchange(true, ordering: .relaxed) { done(isSaid) }
        }
    }

    private func sayStates() async {
        var key: Int64 = 0
        while !Task.isCancelled && herald.board.isOnline {
            let from = key
            do throws(SpoolError) {
                let herald = herald
                let next = try await spool.read { (ledger) throws(SpoolError) in
                    try herald.repeatStates(ledger, after: from)
                }
                guard let next else { return }
                key = next
            } catch {
                return logger.warning("The states could not be read", metadata: [LogKeys.error: "\(error)"])
            }
            if key == from { try? await Task.sleep(for: Self.roomInterval) }
        }
    }

    private func read(_ body: @escaping @Sendable (Herald, Ledger) -> Void) async {
        let herald = herald
        // The body does not throw, so the read does not fail.
        try? await spool.read { (ledger) throws(SpoolError) in body(herald, ledger) }
    }
}
