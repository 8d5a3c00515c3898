import Broker
import FerryCore
import Logging
import Spool
import Synchronization
import Threads

/// Takes what senders publish into the spool. It runs on the data connection's thread and waits for the commit there; the
/// broker gets its acknowledgements afterwards.
final class Intake: Sendable {
    private let spool: Spool
    private let herald: Herald
    private let rules: IntakeRules
    private let parser: DeliveryParser
    private let watch = Mutex(SequenceWatch())
    /// The batch that goes on; only between its first part and its last.
    private let current = Mutex<Batch?>(nil)
    private let failure = Mutex(RepeatingFailure())
    /// Refusals by sender and reason: a sender that keeps making one mistake does not fill the log.
    private let refusals = Mutex<[String: RepeatingFailure]>([:])
    private let logger: Logger
    /// Told which transfers have new bytes or their end, after the commit.
    private let bytesArrived: @Sendable (Set<Int64>) -> Void
    /// Told when rows wait to be deleted.
    private let bytesReleased: @Sendable () -> Void

    init(
        spool: Spool,
        herald: Herald,
        rules: IntakeRules,
        parser: DeliveryParser,
        logger: Logger,
        bytesArrived: @escaping @Sendable (Set<Int64>) -> Void,
        bytesReleased: @escaping @Sendable () -> Void
    ) {
        self.spool = spool
        self.herald = herald
        self.rules = rules
        self.parser = parser
        self.logger = logger
        self.bytesArrived = bytesArrived
        self.bytesReleased = bytesReleased
    }

    /// A batch whose transaction runs while its parts come in.
    private struct Batch: Sendable {
        let parts: Handoff<[Delivery]>
        let transaction: Spool.RunningTransaction<Void>
        /// Everything of it, for the case that it has to be refused.
        var deliveries: [Delivery] = []
    }

    /// Above the number of parts of any batch, so that handing one over never waits.
    private static let partsMax = 64

    /// Stores a batch: all of it, or by name none of it. Parts of a large one are stored while the next is read from the
    /// broker; the commit comes with the last.
    func receive(_ messages: [InboundMessage], _ part: BrokerLink.Part) -> BrokerLink.Outcome {
        let deliveries = messages.map(delivery)
        var batch =
            current.withLock { current in
                defer { current = nil }
                return current
            } ?? begin()
        batch.deliveries += deliveries
        batch.parts.put(deliveries)
        guard part == .last else {
            current.withLock { [batch] in $0 = batch }
            return .done
        }
        batch.parts.close()
        do throws(SpoolError) {
            try batch.transaction.commit()
            note(nil)
            return .done
        } catch {
            note(error)
            guard error.code == .full else {
                herald.board.spoolFailed(error)
                return .failed
            }
            return refuse(batch.deliveries, error)
        }
    }

    private func begin() -> Batch {
        let parts = Handoff<[Delivery]>(limit: Self.partsMax)
        let transaction = spool.startTransaction {
            [rules, herald, bytesArrived, bytesReleased] (ledger) throws(SpoolError) in
            var intake = IntakeTransaction(ledger: ledger, rules: rules, now: .now())
            while let deliveries = parts.take() {
                for delivery in deliveries { try intake.apply(delivery) }
            }
            let outcome = try intake.finish()
            ledger.afterCommit {
                herald.tell(outcome)
                // A batch that stored nothing, such as a query, says nothing about room. Whether a disk that failed can be
                // written again the housekeeper finds out.
                if !outcome.arrived.isEmpty { herald.board.solve(.spoolFull) }
                bytesArrived(outcome.arrived)
                if ledger.hasReclaimable { bytesReleased() }
            }
        }
        return Batch(parts: parts, transaction: transaction)
    }

    /// The disk is full: nothing is stored, every sender is told, and the broker need not deliver it again.
    private func refuse(_ deliveries: [Delivery], _ error: SpoolError) -> BrokerLink.Outcome {
        herald.board.spoolIsFull()
        do {
            try spool.transactWaiting { [rules, herald, bytesReleased] (ledger) throws(SpoolError) in
                var intake = IntakeTransaction(ledger: ledger, rules: rules, now: .now(), isFull: true)
                for delivery in deliveries { try intake.apply(delivery) }
                let outcome = try intake.finish()
                ledger.afterCommit {
                    herald.tell(outcome)
                    if ledger.hasReclaimable { bytesReleased() }
                }
            }
            return .done
        } catch {
            // Not even a refusal can be committed: the broker keeps the messages.
            return .failed
        }
    }

    private func delivery(_ message: InboundMessage) -> Delivery {
        var delivery = parser.parse(message)
        switch delivery.content {
        case .segment(let address, let offset, let bytes, _):
            let isJump = watch.withLock { $0.isJump(address, offset: offset, count: bytes.count) }
            delivery.content = .segment(address, offset: offset, bytes: bytes, isJump: isJump)
        case .finish(let address, _), .abort(let address), .initialize(let address, _):
            watch.withLock { $0.forget(address) }
        case .refused(let address, let reason, let text):
            log(message.topic, address, reason, text)
        case .query, .oneShot: break
        }
        return delivery
    }

    /// More kinds of refusals than this are not told apart.
    private static let refusalsMax = 64

    private func log(_ topic: String, _ address: TransferAddress?, _ reason: ReasonCode, _ text: String) {
        let key = "\(address?.sender.text ?? "") \(reason.rawValue)"
        let action = refusals.withLock { refusals in
            if refusals.count >= Self.refusalsMax && refusals[key] == nil { refusals = [:] }
            return refusals[key, default: RepeatingFailure()].failed(at: .now)
        }
        guard action != .quiet else { return }
        var metadata: Logger.Metadata = [
            LogKeys.topic: "\(topic.escaped)", LogKeys.reason: "\(reason.rawValue)", LogKeys.error: "\(text)",
            LogKeys.transfer: "\(address?.description ?? "")",
        ]
        if case .goesOn(let count, _) = action { metadata[LogKeys.count] = "\(count)" }
        logger.info("A message was refused", metadata: metadata)
    }

    private func note(_ error: SpoolError?) {
        let action = failure.withLock { failure in
            error == nil ? failure.succeeded(at: .now) : failure.failed(at: .now)
        }
        switch action {
        case .quiet: break
        case .began:
            logger.error("A batch could not be stored", metadata: [LogKeys.error: "\(error?.description ?? "")"])
        case .goesOn(let count, _):
            logger.error(
                "Batches still cannot be stored",
                metadata: [LogKeys.count: "\(count)", LogKeys.error: "\(error?.description ?? "")"]
            )
        case .ended(let count, let duration):
            logger.notice(
                "Batches are stored again",
                metadata: [LogKeys.count: "\(count)", LogKeys.duration: "\(Int(duration.seconds))s"]
            )
        }
    }
}
