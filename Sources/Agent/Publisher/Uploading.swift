import AliyunOTA
import FerryCore
import Spool
import Synchronization

/// The first steps of a publication: a ticket, and the bytes under it. What is learned of the link decides whether a file
/// is sent at all, and whether it is given up before its end.
struct Uploading: Sendable {
    let attempt: Attempt
    let transfer: Transfer

    private var publisher: Publisher { attempt.publisher }
    private var cloud: CloudCalls { attempt.publisher.cloud }
    private var size: Int64 { transfer.size ?? 0 }

    /// Between two looks at an upload that has to end in time.
    private static let watchInterval = Duration.seconds(1)

    /// Sends the bytes.
    ///
    /// - Returns: what is to be registered now; nil while other files of the package have to be sent first.
    func upload() async throws(Attempt.End) -> [Transfer]? {
        let herald = publisher.herald
        // What a person has retried is tried.
        let isWished = transfer.publication.failures == 0 && transfer.publication.attempt > 1
        let decision = publisher.learned.uplink.decision(size: size, at: cloud.clock.now())
        guard decision != .tooSlow || isWished else { throw tooSlow() }
        let suffix = FileName.suffix(of: transfer.request?.name ?? "") ?? "bin"
        let ticket = try await attempt.calling { () async throws(CloudCalls.Failure) in
            try await cloud.ticket(suffix: suffix)
        }
        let now = WallTime.now()
        let step: WaitingSteps.Step = { transfer in
            guard transfer.state == .ticketing else { return false }
            transfer.ticketReceived(at: now)
            return true
        }
        let uploading = try attempt.make(step, of: transfer)
        let receipt = try await send(uploading, ticket)
        let key = attempt.key
        let learned = publisher.learned
        return try await attempt.transact { (ledger, now) throws(SpoolError) -> [Transfer]?? in
            guard var current = ledger.openTransfer(key: key), current.state == .uploading else { return nil }
            current.uploadFinished(firmwareURL: ticket.firmwareURL, serverTime: receipt.completedAt, at: now)
            let saved = try Attempt.save(current, in: ledger, herald: herald, at: now)
            try learned.save(in: ledger)
            guard let package = PackageMembers(with: saved, among: ledger.openTransfers) else { return .some([saved]) }
            return .some(package.isUploaded ? package.members : nil)
        }
    }

    /// One upload under its ticket, and what it teaches.
    private func send(_ uploading: Transfer, _ ticket: Ticket) async throws(Attempt.End) -> UploadReceipt {
        let reader = SpoolReader(spool: publisher.spool, key: attempt.key, size: size)
        let life = ticket.remaining(at: cloud.clock.now())
        let begun = ContinuousClock.now
        let sent = SentCount()
        let herald = publisher.herald
        let cloud = cloud
        let result = await watched(life: life, begun: begun, sent: sent) { () async throws(CloudCalls.Failure) in
            try await cloud.upload(
                uploading,
                ticket,
                body: reader.source,
                progress: { bytes in
                    sent.add(bytes)
                    herald.uploaded(uploading, sent: bytes)
                }
            )
        }
        var run = Uplink.Run(sent: sent.bytes, took: .now - begun, life: life, end: .other)
        run.still = sent.still
        switch result {
        case .success(let receipt):
            run.end = .taken
            publisher.learned.learn(run, at: cloud.clock.now())
            try compare(reader, uploading)
            return receipt
        case .failure(let failure):
            if let damage = reader.damage { throw .failed(damage) }
            // A ticket that was over on arrival says nothing about uploads.
            if case .failed(let failure) = failure, failure.reason.code == .ticketExpired, run.sent > 0 {
                run.end = .expired
            }
            if case .failed(let failure) = failure, failure.reason.code == .linkTooSlow { run.end = .givenUp }
            publisher.learned.learn(run, at: cloud.clock.now())
            let uplink = publisher.learned.uplink
            if run.end == .givenUp {
                // The link was away, and is as fast as is needed when it is not.
                guard run.still == .zero || uplink.decision(size: size, at: cloud.clock.now()) == .tooSlow else {
                    throw .failed(wasAway)
                }
                throw tooSlow()
            }
            if run.end == .expired, uplink.decision(size: size, at: cloud.clock.now()) == .tooSlow { throw tooSlow() }
            throw Attempt.End(failure)
        }
    }

    /// The sum of what was sent is that of the file as it was verified; else it is not registered.
    private func compare(_ reader: SpoolReader, _ uploading: Transfer) throws(Attempt.End) {
        guard let expected = uploading.digests?.crc64 else { return }
        let sum = reader.sum
        guard sum != expected else { return }
        throw .failed(
            PublicationFailure(
                reason: Reason(
                    .spoolDamaged,
                    .operator,
                    "Other bytes were sent than were stored (CRC-64 \(sum) instead of \(expected)); nothing is registered",
                    hint:
                        "Its rows are sound: the memory may be failing. Retry, and where it repeats, look at the gateway"
                ),
                remedy: .fail
            )
        )
    }

    /// Runs the upload; gives it up when it has to end in time and cannot.
    private func watched(
        life: Duration,
        begun: ContinuousClock.Instant,
        sent: SentCount,
        _ upload: @escaping @Sendable () async throws(CloudCalls.Failure) -> UploadReceipt
    ) async -> Result<UploadReceipt, CloudCalls.Failure> {
        let uplink = publisher.learned.uplink
        guard uplink.isEndBound(at: cloud.clock.now()) else { return await Self.result(of: upload) }
        let size = size
        return await withTaskGroup(of: Result<UploadReceipt, CloudCalls.Failure>?.self) { group in
            group.addTask { await Self.result(of: upload) }
            group.addTask {
                var watch = UploadWatch(size: size, life: life)
                repeat {
                    // Cancelled: the upload has ended.
                    guard (try? await Task.sleep(for: Self.watchInterval)) != nil else { return nil }
                } while watch.canEnd(sent: sent.bytes, elapsed: .now - begun)
                return .failure(.failed(PublicationFailure(reason: uplink.reason(size: size), remedy: .hold)))
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? .failure(.stopped)
        }
    }

    private static func result(
        of upload: () async throws(CloudCalls.Failure) -> UploadReceipt
    ) async -> Result<UploadReceipt, CloudCalls.Failure> {
        do throws(CloudCalls.Failure) { return .success(try await upload()) } catch { return .failure(error) }
    }

    /// Bytes that the link has taken, counted by one thread and read by others.
    private final class SentCount: Sendable {
        private struct State {
            var bytes: Int64 = 0
            var moved = ContinuousClock.now
            var still = Duration.zero
        }
        private let state = Mutex(State())

        var bytes: Int64 { state.withLock { $0.bytes } }

        /// For how long nothing moved, of breaks that a link does not make that moves at all; until now.
        var still: Duration { state.withLock { $0.still + Self.breakTime(since: $0.moved) } }

        func add(_ bytes: Int64) {
            state.withLock { state in
                state.still += Self.breakTime(since: state.moved)
                state.moved = .now
                state.bytes = bytes
            }
        }

        private static func breakTime(since moment: ContinuousClock.Instant) -> Duration {
            let time = ContinuousClock.now - moment
            return time >= Uplink.stillness ? time : .zero
        }
    }

    private var wasAway: PublicationFailure {
        PublicationFailure(
            reason: Reason(
                .uploadStalled,
                .retry,
                "Nothing moved on the connection for so long that the file could not end while its ticket lived",
                hint: "It is tried again by itself, with a new ticket"
            ),
            remedy: .newTicket
        )
    }

    private func tooSlow() -> Attempt.End {
        var generator = SystemRandomNumberGenerator()
        let uplink = publisher.learned.uplink
        let wait = uplink.wait(
            size: size,
            failures: transfer.publication.failures + 1,
            minute: LocalTime.minuteOfDay(),
            using: &generator
        )
        return .failed(PublicationFailure(reason: uplink.reason(size: size), remedy: .holdFor(wait)))
    }
}
