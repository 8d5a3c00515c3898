import FerryCore
import Synchronization
package import Threads

/// One connection to the broker, kept for ever: connects, subscribes, hands over what comes in, publishes what is given
/// to it, and comes back after every failure.
///
/// A batch of messages is handed to `receive` before any acknowledgement of it is written to the socket. So a PUBACK
/// leaves only after its batch came to `.done`; with `.failed` the connection is dropped without acknowledging, and the
/// broker delivers the batch again. The next batch is read from the socket meanwhile, and handed over afterwards, or
/// before when it is as large as a batch may be.
package final class BrokerLink: Sendable {
    /// What became of a batch.
    package enum Outcome: Sendable {
        /// Everything that matters is durable: acknowledge.
        case done
        /// Nothing is: do not acknowledge, connect anew.
        case failed
    }

    /// Called on the connection's thread. It calls the closure it is given once, from any thread, before it returns or later,
    /// in the order of the batches. One more batch may come before, and is looked at only afterwards, see
    /// `InboundBatch.turn`.
    package typealias Receive = @Sendable (InboundBatch, _ done: @escaping @Sendable (Outcome) -> Void) -> Void
    /// Called on the connection's thread; it must not wait for the connection.
    package typealias Observe = @Sendable (LinkEvent) -> Void

    /// Beats with every turn of the connection's thread.
    package let pulse = Pulse()
    private let queue: OutboundQueue
    private let wake: WakeSignal
    private let stopping = Mutex(StopState())
    private let settings: BrokerLinkSettings
    private let receive: Receive
    private let observe: Observe

    struct StopState {
        var isRequested = false
        var farewell: [OutboundMessage] = []
        var thread: NamedThread?
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// - Throws: `LinkError` of code `library` when the process has no descriptor left.
    package init(
        settings: BrokerLinkSettings,
        receive: @escaping Receive,
        observe: @escaping Observe
    ) throws(LinkError) {
        guard let wake = WakeSignal() else { throw LinkError(.library, "No file descriptor is left for an eventfd") }
        self.wake = wake
        self.settings = settings
        self.receive = receive
        self.observe = observe
        queue = OutboundQueue(
            countLimit: settings.queueLimit.messages,
            byteLimit: Int(settings.queueLimit.bytes.rawValue)
        )
    }

    /// Starts the connection's thread. Call it once.
    package func start() throws(LinkError) {
        let loop = LinkLoop(
            settings: settings,
            queue: queue,
            wake: wake,
            pulse: pulse,
            stopRequest: { [self] in stopping.withLock { $0.isRequested ? $0.farewell : nil } },
            receive: receive,
            observe: observe
        )
        let thread = NamedThread.start(name: "mqtt-\(settings.name)") { [self] in
            loop.run()
            noteEnd()
        }
        guard let thread else { throw LinkError(.library, "The system has no room for another thread") }
        thread.detach()
        stopping.withLock { $0.thread = thread }
    }

    /// Queues a message; from any thread. False when there is no connection or the queue is full: the message is dropped.
    @discardableResult
    package func publish(_ message: OutboundMessage) -> Bool {
        guard queue.append(message) else { return false }
        wake.signal()
        return true
    }

    /// Makes the connection's thread take a turn. From any thread.
    package func nudge() { wake.signal() }

    /// More than a connection that is alive needs to leave; one that hangs in connect(2) is not waited for.
    private static let stopLimit = Duration.milliseconds(2_500)

    /// Publishes what is queued and then `farewell`, waits a moment for the acknowledgements, disconnects and ends the
    /// thread. Takes 2.5 seconds at most; a thread that hangs in a system call then ends by itself later, without a word.
    package func stop(farewell: [OutboundMessage] = []) async {
        let hasThread = stopping.withLock { state in
            state.isRequested = true
            state.farewell = farewell
            return state.thread != nil
        }
        guard hasThread else { return }
        wake.signal()
        await withTaskGroup { group in
            group.addTask { await self.ended() }
            group.addTask {
                // Cancelled: the thread has ended.
                try? await Task.sleep(for: Self.stopLimit)
                self.noteEnd()
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func ended() async {
        await withCheckedContinuation { continuation in
            let hasEnded = stopping.withLock { state in
                if !state.hasEnded { state.waiters.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }

    private func noteEnd() {
        let waiters = stopping.withLock { state in
            state.hasEnded = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
