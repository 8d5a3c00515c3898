import AliyunOTA
import FerryCore
import Logging
import Spool

/// One attempt to publish one transfer. From the registration on every step is committed before the next begins; the steps
/// before it may wait a moment for each other. A transfer that somebody else changed meanwhile (cancelled, paused) ends the
/// attempt.
struct Attempt: Sendable {
    let publisher: Publisher
    let key: Int64
    let stop: StopRequest
    private let waiting = WaitingSteps()

    init(publisher: Publisher, key: Int64, stop: StopRequest) {
        self.publisher = publisher
        self.key = key
        self.stop = stop
    }

    /// Why an attempt ends before its goal.
    enum End: Error, Sendable {
        /// Somebody changed the transfer, or the program ends.
        case stopped
        case failed(PublicationFailure)
    }

    /// Runs until the transfer is registered, the attempt failed, or it is to stop.
    func run() async {
        let end = await withTaskGroup(of: End?.self) { group in
            group.addTask {
                do throws(End) {
                    try await self.publish()
                    return nil
                } catch {
                    return error
                }
            }
            group.addTask {
                await self.stop.wait()
                return .stopped
            }
            group.addTask {
                // A failure shows at the next step, which commits these too.
                await self.waiting.watch { _ = try? await self.transact { (_, _) in true } }
                return nil
            }
            var end = await group.next() ?? nil
            if case .stopped = end, stop.mustWaitForAnswer { end = await group.next() ?? nil }
            // The group ends when the last of its tasks has, and one of them watches until it is told not to.
            group.cancelAll()
            return end
        }
        guard !Task.isCancelled else { return }
        switch end {
        case .failed(let failure): await fail(failure)
        case .stopped: await abandon()
        case nil: break
        }
        publisher.bytesReleased()
    }

    // MARK: - Steps

    private func publish() async throws(End) {
        if let begun = try await beginBeforeUpload() {
            guard let uploaded = try await Uploading(attempt: self, transfer: begun).upload() else { return }
            return try await Registering(attempt: self, members: uploaded, wasHeld: false).register()
        }
        let (begun, start) = try await changeGroup(.all) { (transfer, now) -> Start? in
            let wasHeld = transfer.state == .held
            return Self.mayBegin(transfer) ? Start(action: transfer.attemptBegan(at: now), wasHeld: wasHeld) : nil
        }
        let registering = Registering(attempt: self, members: begun, wasHeld: start.wasHeld)
        switch start.action {
        // Its upload was forgotten between two looks: the next attempt begins there.
        case .requestTicket: throw .stopped
        case .register: try await registering.register()
        case .lookUp: try await registering.lookUp()
        }
    }

    /// How an attempt begins.
    private struct Start: Sendable {
        var action: Transfer.AttemptAction
        /// A person should have changed something meanwhile.
        var wasHeld: Bool
    }

    private static func mayBegin(_ transfer: Transfer) -> Bool {
        transfer.isPublishable
            || transfer.state == .held && !transfer.isPaused && transfer.publication.firmwareURL != nil
    }

    /// Begins an attempt that has to send the bytes; nil for one that is past that.
    private func beginBeforeUpload() async throws(End) -> Transfer? {
        let key = key
        let now = WallTime.now()
        let found: Transfer?
        do throws(SpoolError) {
            found = try await publisher.spool.read { (ledger) throws(SpoolError) in ledger.openTransfer(key: key) }
        } catch {
            throw .failed(Self.failure(error))
        }
        guard let transfer = found, Self.mayBegin(transfer) else { throw .stopped }
        guard transfer.needsUpload else { return nil }
        let step: WaitingSteps.Step = { transfer in
            guard Self.mayBegin(transfer), transfer.needsUpload else { return false }
            return transfer.attemptBegan(at: now) == .requestTicket
        }
        return try make(step, of: transfer)
    }

    /// Makes a step that is committed with the next, or a moment later.
    func make(_ step: @escaping WaitingSteps.Step, of transfer: Transfer) throws(End) -> Transfer {
        var transfer = transfer
        guard step(&transfer) else { throw .stopped }
        waiting.add(step)
        return transfer
    }

    // MARK: - Committed changes

    /// Changes the transfer in a transaction and says the change after the commit; all files of a package once they are
    /// past their upload.
    ///
    /// - Parameters:
    ///   - extent: `all`: where the body leaves out one of them, nothing is changed.
    ///   - body: nil means that the transfer is no longer where this attempt expects it.
    /// - Returns: the changed transfers, and what the body said of the one of this attempt.
    func changeGroup<Value: Sendable>(
        _ extent: Extent = .some,
        _ body: @escaping @Sendable (inout Transfer, WallTime) -> Value?
    ) async throws(End) -> ([Transfer], Value) {
        let key = key
        let herald = publisher.herald
        return try await transact { (ledger, now) throws(SpoolError) -> ([Transfer], Value)? in
            var own: Value?
            var changed: [Transfer] = []
            let group = Self.group(of: key, in: ledger)
            for var member in group {
                guard let value = body(&member, now) else { continue }
                if member.key == key { own = value }
                changed.append(member)
            }
            guard let own, extent == .some || changed.count == group.count else { return nil }
            return (
                try changed.map { (member) throws(SpoolError) in
                    try Self.save(member, in: ledger, herald: herald, at: now)
                }, own
            )
        }
    }

    /// How much of a package a change has to reach.
    enum Extent: Sendable {
        case all
        case some
    }

    /// The transfer, and with it the other files of its package that are to be registered or looked up with it.
    private static func group(of key: Int64, in ledger: Ledger) -> [Transfer] {
        guard let transfer = ledger.openTransfer(key: key) else { return [] }
        guard transfer.publication.firmwareURL != nil,
            let package = PackageMembers(with: transfer, among: ledger.openTransfers)
        else { return [transfer] }
        let group = package.registering
        return group.contains { $0.key == key } ? group : [transfer]
    }

    static func save(
        _ transfer: Transfer,
        _ kind: TransferEvent.Kind = .state,
        in ledger: Ledger,
        herald: Herald,
        at now: WallTime
    ) throws(SpoolError) -> Transfer {
        let saved = try ledger.save(transfer)
        try ledger.note(kind, of: saved, at: now)
        ledger.afterCommit { herald.tell(saved) }
        return saved
    }

    /// - Parameter body: nil means that somebody else has changed what this attempt works on.
    func transact<Value: Sendable>(
        _ body: @escaping @Sendable (Ledger, WallTime) throws(SpoolError) -> Value?
    ) async throws(End) -> Value {
        let result: Value?
        do throws(SpoolError) {
            result = try await publisher.spool.transact { (ledger) throws(SpoolError) in
                guard try commitWaiting(in: ledger) else { return nil }
                return try body(ledger, .now())
            }
        } catch {
            throw .failed(Self.failure(error))
        }
        guard let result else { throw .stopped }
        return result
    }

    private func commitWaiting(in ledger: Ledger) throws(SpoolError) -> Bool {
        let herald = publisher.herald
        return try waiting.commit(key, in: ledger) { (transfer) throws(SpoolError) in
            var transfer = transfer
            // What a person changed while it waited was said before it.
            if let last = try ledger.events(of: transfer, limit: 1).last { transfer.entered(notBefore: last.at) }
            return try Self.save(transfer, in: ledger, herald: herald, at: transfer.since)
        }
    }

    /// Runs a cloud call; its failure ends the attempt.
    func calling<Value>(_ body: () async throws(CloudCalls.Failure) -> Value) async throws(End) -> Value {
        do throws(CloudCalls.Failure) { return try await body() } catch { throw End(error) }
    }

    static func failure(_ error: SpoolError) -> PublicationFailure {
        // Nothing is known to be wrong with the bytes.
        let hint = error.hint.isEmpty ? "The disk fails now and then: dmesg tells more; it is tried again" : error.hint
        return PublicationFailure(
            reason: Reason(.spoolDamaged, .retry, error.description, hint: hint),
            remedy: .retry(floor: .seconds(5))
        )
    }

    // MARK: - The end

    private func fail(_ failure: PublicationFailure) async {
        let policy = publisher.policy
        await finish { (transfer, now) in
            guard transfer.state.isPublishing else {
                // It could not even begin: the spool could not be written. Not again at once.
                transfer.attemptPostponed(until: now + Self.finishInterval)
                return true
            }
            var failure = failure
            // Before the registration nothing can be registered, so there is nothing to look up.
            if failure.remedy == .lookUp && transfer.state != .registering { failure.remedy = .newTicket }
            var generator = SystemRandomNumberGenerator()
            transfer.attemptFailed(failure, policy: policy, at: now, using: &generator)
            return true
        }
    }

    /// The attempt was stopped: a transfer that was paused goes back, one that was cancelled is final already.
    private func abandon() async {
        await finish { (transfer, now) in
            let former = transfer.state
            transfer.attemptAbandoned(at: now)
            return transfer.state != former
        }
    }

    /// - Parameter body: whether it changed anything.
    private func finish(_ body: @escaping @Sendable (inout Transfer, WallTime) -> Bool) async {
        while !Task.isCancelled {
            if await isFinished(body) { return }
            // The spool says that an attempt runs. Until it can be told the truth, this attempt keeps its place.
            // Cancelled: the next start puts it right.
            try? await Task.sleep(for: Self.finishInterval)
        }
    }

    /// Between two tries to commit the end of an attempt.
    private static let finishInterval = Duration.seconds(3)

    private func isFinished(_ body: @escaping @Sendable (inout Transfer, WallTime) -> Bool) async -> Bool {
        let key = key
        let herald = publisher.herald
        let learned = publisher.learned
        do throws(SpoolError) {
            try await publisher.spool.transact { (ledger) throws(SpoolError) in
                let now = WallTime.now()
                // Where somebody else changed the transfer, what waited is void.
                _ = try commitWaiting(in: ledger)
                let group = Self.group(of: key, in: ledger)
                for var member in group {
                    let former = member.state
                    guard body(&member, now) else { continue }
                    let willRetry = member.publication.nextAttempt != nil && member.state != .held
                    if member.state != former || !willRetry {
                        let saved = try Self.save(member, .state, in: ledger, herald: herald, at: now)
                        if willRetry { try ledger.note(.retry, of: saved, at: now) }
                    } else {
                        _ = try Self.save(member, .retry, in: ledger, herald: herald, at: now)
                    }
                }
                // A file that failed, or that was stopped, leaves others of its package behind.
                for member in group.prefix(1) {
                    try PackageDesk.refresh(around: member, in: ledger, herald: herald, at: now)
                }
                try learned.save(in: ledger)
            }
            return true
        } catch {
            publisher.logger.error("The end of an attempt could not be noted", metadata: [LogKeys.error: "\(error)"])
            return false
        }
    }
}

extension Attempt.End {
    init(_ failure: CloudCalls.Failure) {
        switch failure {
        case .stopped: self = .stopped
        case .failed(let failure): self = .failed(failure)
        }
    }
}
