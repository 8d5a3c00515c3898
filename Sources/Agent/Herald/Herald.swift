import Broker
import FerryCore
import Logging
import Spool
import Synchronization

/// Says on MQTT what the spool has committed. `tell` and what it calls run on the spool's thread, right after the commit
/// and in the order of commits; so the messages go out in that order.
///
/// While there is no connection, everything is dropped: states are said again from the spool at the next one, events wait
/// in the outbox.
final class Herald: Sendable {
    let topics: GatewayTopics
    let catalog: ProductCatalog
    let board: StatusBoard
    /// Where thin-edge.io is told of the agent's health.
    private let health: HealthSign?
    private let logger: Logger
    /// Publishes on the control connection; false when it is not possible now.
    private let publish: @Sendable (OutboundMessage) -> Bool
    private let movements = Mutex(Movements())
    private let outbox = Mutex(OutboxPosition())
    /// `fin` commands of EMQX's file transfer that wait for the digest, by the key of their transfer. A restart loses
    /// them; the client then asks again.
    private let fileEnds = Mutex<[Int64: [FileCommand]]>([:])
    private let clears = Mutex(Clears())
    /// Bytes of running uploads that OSS has taken.
    private let uploads = Mutex<[Int64: Int64]>([:])

    private struct OutboxPosition {
        /// The last event that the broker acknowledged.
        var acknowledged: Int64 = 0
        /// The last event that was handed over.
        var submitted: Int64 = 0
        var isConnected = false
    }

    /// So many `fin` of one transfer are answered.
    private static let fileEndsMax = 16
    /// Clearings repeated at once; more follow with the next connection.
    private static let clearsAtOnce = 1_000
    /// Events handed over at once.
    private static let outboxBatch = 50

    init(
        topics: GatewayTopics,
        catalog: ProductCatalog,
        board: StatusBoard,
        health: HealthSign? = nil,
        logger: Logger,
        publish: @escaping @Sendable (OutboundMessage) -> Bool
    ) {
        self.topics = topics
        self.catalog = catalog
        self.board = board
        self.health = health
        self.logger = logger
        self.publish = publish
    }

    // MARK: - After a commit

    /// Says what an intake transaction did.
    func tell(_ outcome: IntakeOutcome) {
        for address in outcome.removed { clear(address) }
        for answer in outcome.fileAnswers { _ = publish(answer) }
        if !outcome.fileEnds.isEmpty {
            fileEnds.withLock { ends in
                for end in outcome.fileEnds where ends[end.key, default: []].count < Self.fileEndsMax {
                    ends[end.key, default: []].append(end.command)
                }
            }
        }
        // A batch may have begun and completed a transfer. The acknowledgement tells how it stands now: after the states.
        for transfer in outcome.changed { tell(transfer) }
        for reply in outcome.replies {
            say(topics.acknowledgement(reply.address), reply.payload)
        }
        if outcome.isCreditDenied { board.creditDenied(true) }
        for transfer in outcome.moved { moved(transfer) }
        board.totals.stored(outcome.storedBytes)
        if outcome.hasChangedSpool { board.touch() }
    }

    /// Answers every `fin` of EMQX's file transfer that waited for the digest of a transfer.
    func answerFileEnds(of transfer: Transfer, _ result: FileTransferResult) {
        let commands = fileEnds.withLock { $0.removeValue(forKey: transfer.key) } ?? []
        for command in commands {
            if let answer = command.answer(result, clientID: transfer.request?.clientID) { _ = publish(answer) }
        }
    }

    private static func result(of transfer: Transfer) -> FileTransferResult {
        guard transfer.state != .registered else { return .success }
        return FileTransferResult(reasonCode: 131, description: transfer.reason?.text ?? transfer.state.rawValue)
    }

    /// Says the state of a transfer.
    func tell(_ transfer: Transfer) {
        guard transfer.request != nil || transfer.state != .receiving else { return }
        if transfer.state.isFinal { answerFileEnds(of: transfer, Self.result(of: transfer)) }
        if !transfer.state.isPublishing { uploads.withLock { $0[transfer.key] = nil } }
        let sent = uploads.withLock { $0[transfer.key] }
        say(topics.state(transfer.address), transfer.stateMessage(sent: sent, catalog: catalog), isRetained: true)
        log(transfer)
        board.totals.entered(transfer.state)
        board.touch()
    }

    /// Says a state that has not changed but for the bytes that are here.
    func tellAgain(_ transfer: Transfer) {
        say(topics.state(transfer.address), transfer.stateMessage(sent: nil, catalog: catalog), isRetained: true)
    }

    /// Says an acknowledgement outside of a batch.
    ///
    /// - Returns: whether the connection took it.
    @discardableResult
    func acknowledge(_ transfer: Transfer, _ payload: JSONValue) -> Bool {
        say(topics.acknowledgement(transfer.address), payload)
    }

    /// Tells a sender that its transfer has ended by its time.
    func acknowledgeEnd(of transfer: Transfer, _ reason: ReasonCode, _ text: String) {
        let segment = board.segment
        let payload =
            reason == .unknownTransfer
            ? Transfer.acknowledgement(
                ofUnknown: transfer.address.id.text,
                seq: transfer.seq,
                credit: 0,
                segment: segment,
                reason: reason,
                text: text
            ) : transfer.acknowledgement(credit: 0, segment: segment, reason: reason.forSenders, text: text)
        acknowledge(transfer, payload)
    }

    /// Tells every sender where its open transfer stands: the broker may have lost segments, or there is room again.
    func acknowledgeOpen(_ ledger: Ledger, rules: IntakeRules) {
        let usage = ledger.usage
        // A firmware of one message has nothing more to come: its state says what became of it.
        let open = ledger.receivingTransfers.filter { $0.waitsForSender || $0.door != .oneShot }
        let active = open.count(where: \.waitsForSender)
        for transfer in open {
            let room = usage.free + transfer.reservedBytes - transfer.received.count
            let isIncomplete = transfer.end != nil && !transfer.isComplete
            let payload = transfer.acknowledgement(
                credit: rules.credit(active: active, room: room),
                segment: rules.segment(),
                reason: isIncomplete ? .incomplete : .ok
            )
            // The connection takes no more: it says so when there is room again.
            guard acknowledge(transfer, payload) else { return }
        }
    }

    /// Takes the retained state of a transfer away. Until the broker has acknowledged it, it is repeated with every new
    /// connection.
    func clear(_ address: TransferAddress) {
        let receipt = clears.withLock { $0.begin(address) }
        _ = publish(
            OutboundMessage(topic: topics.state(address), payload: [], isRetained: true, receipt: receipt)
        )
        movements.withLock { $0.forget(address) }
        board.touch()
    }

    /// The broker acknowledged a clearing.
    func clearAcknowledged(_ receipt: Int64) { clears.withLock { $0.end(receipt) } }

    /// Addresses that the broker has cleared since the last call.
    func takeCleared() -> [TransferAddress] { clears.withLock { $0.takeDone() } }

    /// Clears again what the broker has not acknowledged. An address that began anew has a state of its own.
    func repeatClears(_ ledger: Ledger) throws(SpoolError) {
        guard !ledger.isSuspect else { return }
        clears.withLock { $0.beginAnew() }
        for address in try ledger.clearances(limit: Self.clearsAtOnce) {
            if try ledger.transfer(at: address) == nil {
                clear(address)
            } else {
                clears.withLock { $0.settle(address) }
            }
        }
    }

    @discardableResult
    private func say(_ topic: String, _ payload: JSONValue, isRetained: Bool = false) -> Bool {
        publish(OutboundMessage(topic: topic, payload: payload.encoded, isRetained: isRetained))
    }

    private func log(_ transfer: Transfer) {
        var metadata: Logger.Metadata = [
            LogKeys.transfer: "\(transfer.address)", LogKeys.state: "\(transfer.state.rawValue)",
        ]
        if transfer.publication.attempt > 0 { metadata[LogKeys.attempt] = "\(transfer.publication.attempt)" }
        if let reason = transfer.reason {
            metadata[LogKeys.reason] = "\(reason.code.rawValue)"
            metadata[LogKeys.error] = "\(reason.text)"
        }
        let needsPerson = transfer.state == .failed || transfer.state == .held
        logger.log(level: needsPerson ? .warning : .info, "A transfer changed", metadata: metadata)
    }

    // MARK: - Progress

    /// Bytes of a transfer became durable.
    func moved(_ transfer: Transfer) {
        say(progress: transfer.address, state: transfer.state, done: transfer.received.count, size: transfer.size)
    }

    /// OSS has taken so many bytes of a transfer. From any thread.
    func uploaded(_ transfer: Transfer, sent: Int64) {
        let former = uploads.withLock { $0.updateValue(sent, forKey: transfer.key) } ?? 0
        // An upload that begins anew begins at 0.
        board.totals.sent(sent >= former ? sent - former : sent)
        say(progress: transfer.address, state: transfer.state, done: sent, size: transfer.size)
    }

    /// What OSS has taken of the running upload of a transfer.
    func sent(_ transfer: Transfer) -> Int64? { uploads.withLock { $0[transfer.key] } }

    private func say(progress address: TransferAddress, state: TransferState, done: Int64, size: Int64?) {
        let movement = movements.withLock {
            $0.note(address, state: state, done: done, size: size, at: .now)
        }
        guard let movement else { return }
        let payload: JSONValue = [
            "id": .string(address.id.text), "state": .string(state.rawValue),
            "received": .integer(state == .receiving ? done : size ?? 0),
            "sent": .integer(state == .receiving ? 0 : done), "size": size.map(JSONValue.integer) ?? .null,
            "rate": .integer(movement.rate), "eta": movement.eta.map(JSONValue.integer) ?? .null,
        ]
        _ = publish(
            OutboundMessage(topic: topics.progress(address), payload: payload.encoded, quality: .atMostOnce)
        )
    }

    // MARK: - Events

    /// Hands over what the outbox holds, a batch at a time: after commits, and when the broker has acknowledged the batch
    /// before. On the spool's thread.
    func pumpOutbox(_ ledger: Ledger) {
        guard !ledger.isSuspect else { return }
        let from = outbox.withLock { position -> Int64? in
            position.isConnected && position.submitted == position.acknowledged ? position.submitted : nil
        }
        // An outbox that cannot be read now is read at the next commit.
        guard let from, let events = try? ledger.events(after: from, limit: Self.outboxBatch), let last = events.last
        else { return }
        outbox.withLock { $0.submitted = last.number }
        var submitted = from
        for event in events {
            let isAccepted = publish(
                OutboundMessage(
                    topic: topics.event(event.address),
                    payload: event.json.encoded,
                    receipt: event.number
                )
            )
            guard isAccepted else {
                // The batch is as long as what was taken; it goes on when that is acknowledged, or there is room again.
                outbox.withLock { $0.submitted = submitted }
                return
            }
            submitted = event.number
        }
    }

    /// The broker acknowledged an event.
    ///
    /// - Returns: whether the whole batch is acknowledged, so that the next can go.
    func eventAcknowledged(_ number: Int64) -> Bool {
        outbox.withLock { position in
            position.acknowledged = max(position.acknowledged, number)
            return position.acknowledged == position.submitted
        }
    }

    /// Takes over the outbox of the spool.
    func openOutbox(_ ledger: Ledger) throws(SpoolError) {
        let stored = ledger.outboxPosition
        outbox.withLock { position in
            position.acknowledged = stored
            position.submitted = stored
        }
        ledger.watchOutbox(
            OutboxWatch(
                position: { self.outbox.withLock { $0.acknowledged } },
                committed: { self.pumpOutbox($0) }
            )
        )
    }

    /// The control connection stands, or not.
    func connected(_ isConnected: Bool) {
        healthIsUnsaid()
        outbox.withLock { position in
            position.isConnected = isConnected
            position.submitted = position.acknowledged
        }
    }

    // MARK: - Everything again

    /// Says the states of a page of transfers again.
    ///
    /// - Returns: the key to go on after; nil when there is no more. The same key as before when the connection takes
    ///   nothing more for now.
    func repeatStates(_ ledger: Ledger, after key: Int64) throws(SpoolError) -> Int64? {
        // Everything is said again once it is known to be durable.
        guard !ledger.isSuspect else { return nil }
        var filter = TransferFilter()
        filter.after = key
        filter.limit = 100
        let page = try ledger.transfers(filter)
        var last = key
        for transfer in page {
            if transfer.request != nil || transfer.state != .receiving {
                let message = OutboundMessage(
                    topic: topics.state(transfer.address),
                    payload: transfer.stateMessage(sent: sent(transfer), catalog: catalog).encoded,
                    isRetained: true
                )
                guard publish(message) else { return last }
            }
            last = transfer.key
        }
        return page.isEmpty ? nil : last
    }

    /// Publishes the status message.
    func say(status: JSONValue) {
        say(topics.status, status, isRetained: true)
        let isUp = ["online", "degraded"].contains(status["state"]?.string) && board.isOnline
        if let message = health?.message(isUp: isUp), !publish(message) { health?.forget() }
    }

    /// A connection is gone or new: what thin-edge.io was told may be no longer so.
    func healthIsUnsaid() { health?.forget() }
}
