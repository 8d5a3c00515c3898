import FerryCore
import Logging
import Spool
import Synchronization
import Threads

/// Computes the digests of files as the spool gives them back, while their bytes come in, and finishes transfers whose
/// last byte is there.
///
/// It follows the part without holes while its sender rests, so of a slow delivery only little is left at `fin`; a fast one
/// is not slowed down by reading it back at the same time. After a restart it begins anew from the spool. It works on a
/// thread of lower priority.
final class Digester: Sendable {
    private let hasher: Hasher
    private let waiting = Mutex<Set<Int64>>([])
    private let lastArrival = Mutex<ContinuousClock.Instant?>(nil)
    private let arrived = Signal()
    /// Whether the loop will be woken when `rest` is over.
    private let isWaking = Mutex(false)
    private let rest: Duration
    /// Beats with every step.
    let pulse = Pulse()

    /// - Parameters:
    ///   - rest: bytes that came less than this ago mean that senders are busy.
    init(
        spool: Spool,
        verification: Verification,
        logger: Logger,
        rest: Duration = .milliseconds(100),
        isStored: @escaping @Sendable () -> Void
    ) throws(SpoolError) {
        self.rest = rest
        guard let executor = ThreadExecutor(name: "digest") else {
            throw SpoolError(
                .unusable,
                operation: "start the thread for digests",
                underlying: "the system has no room for another thread"
            )
        }
        hasher = Hasher(
            executor: executor,
            spool: spool,
            verification: verification,
            logger: logger,
            isStored: isStored
        )
    }

    /// So long until the next try where the spool could not be read or written.
    private static let failurePause = Duration.seconds(2)

    /// Ends the thread; after `run` has returned.
    func close() { hasher.executor.end() }

    /// Transfers have new bytes or their end. From any thread.
    func bytesArrived(_ keys: Set<Int64>) {
        guard !keys.isEmpty else { return }
        waiting.withLock { $0.formUnion(keys) }
        lastArrival.withLock { $0 = .now }
        arrived.send()
    }

    /// Goes round once. From any thread.
    func nudge() { arrived.send() }

    /// Works until the task is cancelled.
    func run() async {
        await hasher.lowerPriority()
        await withDiscardingTaskGroup { group in
            for await _ in arrived.sends {
                // Its thread has to answer too.
                await hasher.answer()
                pulse.beat()
                guard await !isAllDone(), !isWaking.withLock({ $0 }) else { continue }
                // What can wait is looked at when its sender rests, or before: its last byte may come any moment.
                isWaking.withLock { $0 = true }
                group.addTask {
                    // Cancelled: the loop ends.
                    try? await Task.sleep(for: self.rest)
                    self.isWaking.withLock { $0 = false }
                    self.arrived.send()
                }
            }
            group.cancelAll()
        }
    }

    /// Works as long as there is something to do now; false where transfers are left that can wait.
    private func isAllDone() async -> Bool {
        while !Task.isCancelled {
            let keys = take()
            if keys.isEmpty { return true }
            let isBusy = isBusy
            var left: Set<Int64> = []
            var isAnyDone = false
            var isFailing = false
            for key in keys.sorted() {
                pulse.beat()
                switch await hasher.advance(key, onlyComplete: isBusy) {
                case .done: isAnyDone = true
                case .more:
                    isAnyDone = true
                    left.insert(key)
                case .later: left.insert(key)
                case .failing:
                    isFailing = true
                    left.insert(key)
                }
            }
            waiting.withLock { $0.formUnion(left) }
            if isAnyDone { continue }
            guard isFailing else { return false }
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.failurePause)
        }
        return true
    }

    private func take() -> Set<Int64> {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }

    private var isBusy: Bool { lastArrival.withLock { $0.map { ContinuousClock.now - $0 < rest } ?? false } }
}

/// The state of running digests, on a thread of its own.
private actor Hasher {
    nonisolated let executor: ThreadExecutor
    private let spool: Spool
    private let verification: Verification
    private let logger: Logger
    private let isStored: @Sendable () -> Void
    private var running: [Int64: RunningDigests] = [:]
    private let failures: FailureLog

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Bytes of one step.
    private static let stepBytes = 1 << 20

    init(
        executor: ThreadExecutor,
        spool: Spool,
        verification: Verification,
        logger: Logger,
        isStored: @escaping @Sendable () -> Void
    ) {
        self.executor = executor
        self.spool = spool
        self.verification = verification
        self.logger = logger
        failures = FailureLog(
            logger,
            level: .error,
            "The bytes of a transfer could not be verified",
            "The bytes of transfers are verified again"
        )
        self.isStored = isStored
    }

    func lowerPriority() { NamedThread.yieldToOthers() }

    /// Does nothing, on its thread.
    func answer() {}

    /// What is left to do of a transfer.
    enum Rest: Sendable {
        /// Nothing, until more bytes come.
        case done
        /// More bytes are there.
        case more
        /// Its bytes are there and can wait.
        case later
        /// The spool could not be read or written; once it can, everything goes on.
        case failing
    }

    /// Hashes the next bytes of a transfer, and finishes it when they were the last.
    ///
    /// - Parameter onlyComplete: leaves transfers alone whose last byte is not there.
    func advance(_ key: Int64, onlyComplete: Bool) async -> Rest {
        if running.count > Self.runningMax { await forgetEnded() }
        var state = running.removeValue(forKey: key) ?? verification.begin()
        let position = state.position
        do throws(SpoolError) {
            let step = try await spool.read { (ledger) throws(SpoolError) -> Step? in
                guard let transfer = ledger.openTransfer(key: key), transfer.state == .receiving,
                    !transfer.hasWrongChecksum
                else { return nil }
                if onlyComplete && !transfer.isComplete { return Step(isForLater: true) }
                let available = transfer.received.prefix - position
                let bytes =
                    available > 0
                    ? try ledger.readChunk(key: key, from: position, atMost: Int(min(available, Int64(Self.stepBytes))))
                    : []
                let end = transfer.isComplete ? transfer.end?.size : nil
                return Step(bytes: bytes, prefix: transfer.received.prefix, end: end)
            }
            guard let step else { return .done }
            guard !step.isForLater else {
                running[key] = state
                return .later
            }
            state.update(step.bytes)
            if state.position == step.end {
                try await finish(key, state)
                failures.succeeded()
                return .done
            }
            running[key] = state
            return state.position < step.prefix && !step.bytes.isEmpty ? .more : .done
        } catch {
            guard error.code != .damaged else {
                logger.error("The bytes of a transfer are damaged", metadata: [LogKeys.error: "\(error)"])
                await giveUp(key, error)
                return .done
            }
            failures.failed("\(error)")
            running[key] = state
            return .failing
        }
    }

    /// More digests than transfers are usually open are looked through for those that have ended.
    private static let runningMax = 128

    private func forgetEnded() async {
        guard
            let open = try? await spool.read({ (ledger) throws(SpoolError) in Set(ledger.receivingTransfers.map(\.key))
            })
        else { return }
        running = running.filter { open.contains($0.key) }
    }

    private struct Step: Sendable {
        var isForLater = false
        var bytes: [UInt8] = []
        var prefix: Int64 = 0
        /// The size of the file, once all its bytes are there.
        var end: Int64?
    }

    /// The spool does not give back what it was given: the sender has to begin anew.
    private func giveUp(_ key: Int64, _ error: SpoolError) async {
        let herald = verification.herald
        // What cannot be committed now is found again at the next start.
        try? await spool.transact { (ledger) throws(SpoolError) in
            guard var transfer = ledger.openTransfer(key: key), transfer.state == .receiving else { return }
            let now = WallTime.now()
            let hint = "The disk is failing or was written to by somebody else; send the file again"
            transfer.refuse(because: Reason(.spoolDamaged, .permanent, error.description, hint: hint), at: now)
            let saved = try ledger.save(transfer)
            try ledger.note(.state, of: saved, at: now)
            ledger.afterCommit {
                herald.tell(saved)
                herald.acknowledgeEnd(of: saved, .spoolDamaged, error.description)
            }
        }
    }

    private func finish(_ key: Int64, _ digests: RunningDigests) async throws(SpoolError) {
        let isStored = try await spool.transact { [verification] (ledger) throws(SpoolError) -> Bool in
            guard let transfer = ledger.openTransfer(key: key), transfer.state == .receiving, transfer.isComplete
            else { return false }
            let end = try verification.conclude(transfer, digests, in: ledger, at: .now())
            ledger.afterCommit {
                let herald = verification.herald
                let reply = end.transfer.acknowledgement(
                    credit: 0,
                    segment: herald.board.segment,
                    reason: end.reason,
                    text: end.reason == .ok && end.text.isEmpty
                        ? end.transfer.whyItWaits(isAllPaused: herald.board.has(.paused)) : end.text
                )
                herald.acknowledge(end.transfer, reply)
                herald.answerFileEnds(of: end.transfer, end.fileTransferResult)
                herald.tell(end.transfer)
            }
            return end.transfer.state == .stored
        }
        if isStored { self.isStored() }
    }
}
