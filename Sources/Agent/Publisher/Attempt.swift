import AliyunOTA
import FerryCore
import Logging
import Spool

/// One attempt to publish one transfer. Every step is committed before the next begins; a transfer that somebody else
/// changed meanwhile (cancelled, paused) ends the attempt.
struct Attempt: Sendable {
    let publisher: Publisher
    let key: Int64
    let stop: StopRequest

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
            let first = await group.next() ?? nil
            if case .stopped = first, stop.mustWaitForAnswer { return await group.next() ?? nil }
            group.cancelAll()
            return first
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
        let (transfer, action) = try await change { (transfer, now) -> Transfer.AttemptAction? in
            transfer.isPublishable ? transfer.attemptBegan(at: now) : nil
        }
        switch action {
        case .requestTicket:
            let (uploaded, url) = try await upload(transfer)
            try await Registering(attempt: self, transfer: uploaded, url: url).register()
        case .register(let url): try await Registering(attempt: self, transfer: transfer, url: url).register()
        case .lookUp(let url): try await Registering(attempt: self, transfer: transfer, url: url).lookUp()
        }
    }

    private func upload(_ transfer: Transfer) async throws(End) -> (Transfer, url: String) {
        let cloud = publisher.cloud
        let herald = publisher.herald
        let suffix = FileName.suffix(of: transfer.request?.name ?? "") ?? "bin"
        let ticket = try await calling { () async throws(CloudCalls.Failure) in try await cloud.ticket(suffix: suffix) }
        let (uploading, _) = try await change { (transfer, now) -> Bool? in
            guard transfer.state == .ticketing else { return nil }
            transfer.ticketReceived(at: now)
            return true
        }
        let reader = SpoolReader(spool: publisher.spool, key: key, size: uploading.size ?? 0)
        let receipt: UploadReceipt
        do throws(CloudCalls.Failure) {
            receipt = try await cloud.upload(
                uploading,
                ticket,
                body: { try await reader.next() },
                progress: { herald.uploaded(uploading, sent: $0) }
            )
        } catch {
            if let damage = await reader.damage { throw .failed(damage) }
            throw End(error)
        }
        let (registering, _) = try await change { (transfer, now) -> Bool? in
            guard transfer.state == .uploading else { return nil }
            transfer.uploadFinished(firmwareURL: ticket.firmwareURL, serverTime: receipt.completedAt, at: now)
            return true
        }
        return (registering, ticket.firmwareURL)
    }

    // MARK: - Committed changes

    /// Changes the transfer in a transaction and says the change after the commit.
    ///
    /// - Parameter body: nil means that the transfer is no longer where this attempt expects it.
    func change<Value: Sendable>(
        _ body: @escaping @Sendable (inout Transfer, WallTime) -> Value?
    ) async throws(End) -> (Transfer, Value) {
        let key = key
        let herald = publisher.herald
        let changed: (Transfer, Value)?
        do throws(SpoolError) {
            changed = try await publisher.spool.transact { (ledger) throws(SpoolError) -> (Transfer, Value)? in
                let now = WallTime.now()
                guard var transfer = ledger.openTransfer(key: key), let value = body(&transfer, now) else { return nil }
                let saved = try ledger.save(transfer)
                try ledger.note(.state, of: saved, at: now)
                ledger.afterCommit { herald.tell(saved) }
                return (saved, value)
            }
        } catch {
            throw .failed(Self.failure(error))
        }
        guard let changed else { throw .stopped }
        return changed
    }

    /// Runs a cloud call; its failure ends the attempt.
    func calling<Value>(_ body: () async throws(CloudCalls.Failure) -> Value) async throws(End) -> Value {
        do throws(CloudCalls.Failure) { return try await body() } catch { throw End(error) }
    }

    static func failure(_ error: SpoolError) -> PublicationFailure {
        PublicationFailure(
            reason: Reason(.spoolDamaged, .retry, error.description, hint: error.hint),
            remedy: .retry(floor: .seconds(5))
        )
    }

    // MARK: - The end

    private func fail(_ failure: PublicationFailure) async {
        let policy = publisher.policy
        await finish { (transfer, now) in
            guard transfer.state.isPublishing else { return nil }
            var failure = failure
            // Before the registration nothing can be registered, so there is nothing to look up.
            if failure.remedy == .lookUp && transfer.state != .registering { failure.remedy = .newTicket }
            var generator = SystemRandomNumberGenerator()
            transfer.attemptFailed(failure, policy: policy, at: now, using: &generator)
            return transfer.publication.nextAttempt == nil ? .state : .retry
        }
    }

    /// The attempt was stopped: a transfer that was paused goes back, one that was cancelled is final already.
    private func abandon() async {
        await finish { (transfer, now) in
            let former = transfer.state
            transfer.attemptAbandoned(at: now)
            return transfer.state == former ? nil : .state
        }
    }

    private func finish(_ body: @escaping @Sendable (inout Transfer, WallTime) -> TransferEvent.Kind?) async {
        let key = key
        let herald = publisher.herald
        do throws(SpoolError) {
            try await publisher.spool.transact { (ledger) throws(SpoolError) in
                let now = WallTime.now()
                guard var transfer = ledger.openTransfer(key: key), let kind = body(&transfer, now) else { return }
                let saved = try ledger.save(transfer)
                try ledger.note(kind, of: saved, at: now)
                ledger.afterCommit { herald.tell(saved) }
            }
        } catch {
            // The spool still says that an attempt runs; the next start puts it right.
            publisher.logger.error("The end of an attempt could not be noted", metadata: [LogKeys.error: "\(error)"])
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
