import AliyunOTA
import FerryCore
import Logging
import Spool
import Synchronization
import Threads

/// Brings stored firmware to the cloud: picks the next, runs its attempts, as many at a time as configured.
final class Publisher: Sendable {
    let spool: Spool
    let herald: Herald
    let cloud: CloudCalls
    let policy: PublicationPolicy
    let limits: UploadLimits
    let logger: Logger
    /// Beats with every look at the spool.
    let pulse = Pulse()
    /// Told when rows wait to be deleted.
    let bytesReleased: @Sendable () -> Void
    /// What was learned of the way to the cloud.
    let learned: LearnedLink
    /// Names and versions that the cloud says are taken, and nobody has seen in its list yet.
    let conflicts = ConflictWatch()
    private let concurrent: Int
    private let wake = Signal()
    private let running = Mutex<[Int64: Work]>([:])
    private let schedule = Mutex(AttemptSchedule())
    private let isPaused = Mutex(false)
    private let spoolFailures: FailureLog

    /// An attempt that runs.
    private struct Work {
        var stop: StopRequest
        /// The package that it works on, whichever of its files has the attempt.
        var package: PackageName?
    }

    /// A package of one sender.
    private struct PackageName: Hashable {
        var sender: Name
        var id: Name

        init?(_ transfer: Transfer) {
            guard transfer.isPartOfPackage, let group = transfer.firmware.package else { return nil }
            sender = transfer.address.sender
            id = group.id
        }
    }

    init(
        spool: Spool,
        herald: Herald,
        cloud: CloudCalls,
        policy: PublicationPolicy,
        limits: UploadLimits,
        concurrent: Int,
        logger: Logger,
        bytesReleased: @escaping @Sendable () -> Void
    ) {
        self.spool = spool
        self.herald = herald
        self.cloud = cloud
        self.policy = policy
        self.limits = limits
        self.concurrent = concurrent
        learned = LearnedLink(pacer: cloud.pacer)
        self.logger = logger
        spoolFailures = FailureLog(
            logger,
            level: .error,
            "The spool could not be read or written",
            "The spool is read and written again"
        )
        self.bytesReleased = bytesReleased
        herald.board.uploads(limits.json)
    }

    /// Something may be publishable now. From any thread.
    func look() { wake.send() }

    /// A person wants something tried now: what the cloud asks to wait for is not waited for. From any thread.
    func hurry() {
        cloud.pacer.hurry()
        look()
    }

    /// Stops the attempt of a transfer or of its package, if one runs. From any thread.
    func stop(_ transfer: Transfer) {
        let package = PackageName(transfer)
        let work = running.withLock { running in
            running.filter { $0.key == transfer.key || package != nil && $0.value.package == package }
        }
        for entry in work.values { entry.stop.request() }
    }

    /// Whether publication of everything rests. From any thread.
    func pause(_ isPaused: Bool) {
        self.isPaused.withLock { $0 = isPaused }
        herald.board.paused(isPaused)
        guard isPaused else { return wake.send() }
        for work in running.withLock({ Array($0.values) }) { work.stop.request() }
    }

    /// Works until the task is cancelled; running attempts are then left as if the program had been killed.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.ring() }
            for await _ in wake.sends {
                defer { pulse.beat() }
                while let transfer = await next() {
                    let stop = StopRequest()
                    let key = transfer.key
                    running.withLock { $0[key] = Work(stop: stop, package: PackageName(transfer)) }
                    // Paused since it was picked.
                    if isPaused.withLock({ $0 }) { stop.request() }
                    herald.board.totals.attempted()
                    group.addTask {
                        await Attempt(publisher: self, key: key, stop: stop).run()
                        self.running.withLock { $0[key] = nil }
                        self.wake.send()
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// Wakes the loop when the next attempt is due, so that the loop itself waits for one thing only.
    private func ring() async {
        // What is there at the start was looked at by then.
        _ = cloud.client.takeCredentialsChange()
        while !Task.isCancelled {
            // A second at most: the schedule changes with every look at the spool.
            let limit = ContinuousClock.now + .seconds(1)
            let due = schedule.withLock { $0.nextDue }
            // Cancelled: the loop ends.
            try? await Task.sleep(until: min(due ?? limit, limit))
            await lookForNewCredentials()
            if schedule.withLock({ $0.ring(at: .now) }) { wake.send() }
        }
    }

    /// Attempts do not begin only to wait longer than this for their first call.
    private static let patience = Duration.seconds(1)

    /// The transfer whose turn it is: by priority, then by age; nil when none is due, every place is taken, or the
    /// gateway's share of the account's calls is used up.
    private func next() async -> Transfer? {
        guard !isPaused.withLock({ $0 }), running.withLock({ $0.count }) < concurrent else { return nil }
        let untilCall = cloud.pacer.untilNextCall
        guard untilCall < Self.patience else {
            schedule.withLock { $0.look(at: .now + untilCall) }
            return nil
        }
        // A server may ask for more than the configuration does; for a quarter of an hour at most.
        let longest = max(policy.backoff.maximum, .seconds(900))
        do {
            let busy = running.withLock { Set($0.keys) }
            var candidates = try await spool.read { (ledger) throws(SpoolError) in
                AttemptSchedule.candidates(ledger.openTransfers, busy: busy, longest: longest)
            }
            spoolFailures.succeeded()
            let closed = limits.closed
            while true {
                let picked = schedule.withLock { $0.pick(candidates, wallNow: .now(), now: .now) }
                guard let picked, let candidate = candidates.first(where: { $0.key == picked }) else { return nil }
                guard let closed, candidate.needsUpload else {
                    return try await spool.read { (ledger) throws(SpoolError) in ledger.openTransfer(key: picked) }
                }
                try await waitForWindow(picked, closed.untilOpen, closed.window)
                candidates.removeAll { $0.key == picked }
            }
        } catch {
            spoolFailures.failed("\(error)")
            return nil
        }
    }

    /// The transfer's time has come outside of the window: it is said once, and looked at when the window opens.
    private func waitForWindow(_ key: Int64, _ wait: Duration, _ window: String) async throws(SpoolError) {
        let herald = herald
        try await spool.transact { (ledger) throws(SpoolError) in
            guard var transfer = ledger.openTransfer(key: key), transfer.isPublishable,
                transfer.state == .stored || transfer.state == .held
            else { return }
            transfer.waitsForWindow(until: .now() + wait, window: window)
            let saved = try ledger.save(transfer)
            ledger.afterCommit { herald.tell(saved) }
        }
        // The next look schedules the opening.
        wake.send()
    }

    /// The rate limit has changed: what waits for a faster link is looked at anew.
    func rateChanged(_ ledger: Ledger, at now: WallTime) throws(SpoolError) {
        let herald = herald
        herald.board.uploads(limits.json)
        learned.limitChanged()
        for var transfer in ledger.openTransfers where transfer.reason?.code == .linkTooSlow {
            transfer.rateChanged(at: now)
            let saved = try ledger.save(transfer)
            ledger.afterCommit { herald.tell(saved) }
        }
        ledger.afterCommit { self.look() }
    }

    /// The credentials may have been mended: what is held for them is looked at anew.
    func credentialsChanged(_ ledger: Ledger, at now: WallTime) throws(SpoolError) {
        let herald = herald
        for var transfer in ledger.openTransfers where transfer.reason?.code == .credentials {
            let former = transfer
            transfer.credentialsChanged(at: now)
            guard transfer != former else { continue }
            let saved = try ledger.save(transfer)
            ledger.afterCommit { herald.tell(saved) }
        }
        ledger.afterCommit { self.look() }
    }

    private func lookForNewCredentials() async {
        guard cloud.client.takeCredentialsChange() else { return }
        // What cannot be written now is looked at in its own time.
        try? await spool.transact { (ledger) throws(SpoolError) in
            try self.credentialsChanged(ledger, at: .now())
        }
    }

    /// The window has changed: what waits for the old one is looked at anew.
    func windowChanged(_ ledger: Ledger) throws(SpoolError) {
        let herald = herald
        herald.board.uploads(limits.json)
        for var transfer in ledger.openTransfers where transfer.reason?.code == .outsideWindow {
            transfer.windowChanged()
            let saved = try ledger.save(transfer)
            ledger.afterCommit { herald.tell(saved) }
        }
        ledger.afterCommit { self.look() }
    }
}

/// Asks a running attempt to stop.
final class StopRequest: Sendable {
    private let signal = Signal()
    private let isAnswerAwaited = Mutex(false)

    /// From any thread. One request is kept until it is waited for.
    func request() { signal.send() }

    /// Returns when the attempt is to stop, or the task is cancelled.
    func wait() async { for await _ in signal.sends { return } }

    /// A call is under way whose outcome has to be known: the attempt stops after its answer, which has a time limit.
    func awaitAnswer(_ isAwaited: Bool) { isAnswerAwaited.withLock { $0 = isAwaited } }

    /// Whether the attempt may not be stopped at once.
    var mustWaitForAnswer: Bool { isAnswerAwaited.withLock { $0 } }
}
