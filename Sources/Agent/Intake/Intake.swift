import Broker
import FerryCore
import Logging
import Spool
import Synchronization

/// Takes what senders publish into the spool. It parses on the data connection's thread and stores on the spool's; the broker
/// gets its acknowledgements after the commit.
final class Intake: Sendable {
    private let spool: Spool
    private let herald: Herald
    private let rules: IntakeRules
    private let verification: Verification
    private let parser: DeliveryParser
    private let watch = Mutex(SequenceWatch())
    private let failure = Mutex(RepeatingFailure())
    private let refusedInits = RefusedInits()
    /// Refusals by sender and reason: a sender that keeps making one mistake does not fill the log.
    private let refusals = Mutex<[String: RepeatingFailure]>([:])
    private let logger: Logger
    /// Told which transfers have new bytes or their end, after the commit.
    private let bytesArrived: @Sendable (Set<Int64>) -> Void
    /// Told when firmware became `stored`.
    private let isStored: @Sendable () -> Void
    /// Told when rows wait to be deleted.
    private let bytesReleased: @Sendable () -> Void

    init(
        spool: Spool,
        verification: Verification,
        rules: IntakeRules,
        parser: DeliveryParser,
        logger: Logger,
        bytesArrived: @escaping @Sendable (Set<Int64>) -> Void,
        isStored: @escaping @Sendable () -> Void,
        bytesReleased: @escaping @Sendable () -> Void
    ) {
        self.spool = spool
        herald = verification.herald
        self.verification = verification
        self.rules = rules
        self.parser = parser
        self.logger = logger
        self.bytesArrived = bytesArrived
        self.isStored = isStored
        self.bytesReleased = bytesReleased
    }

    /// Stores a batch: all of it, or by name none of it. `done` is called on the spool's thread, after the commit.
    func receive(_ batch: InboundBatch, then done: @escaping @Sendable (BrokerLink.Outcome) -> Void) {
        let turn = batch.turn
        let parcel = Parcel(batch.messages.filter { !isClearing($0) }.map(delivery))
        spool.startTransaction { [self] (ledger) throws(SpoolError) -> (isDue: Bool, refusal: SpoolError?) in
            guard turn.isDue else { return (false, nil) }
            try store(parcel.deliveries, in: ledger, isFull: false)
            return (true, nil)
        } whenFull: { [self] (ledger, error) throws(SpoolError) -> (isDue: Bool, refusal: SpoolError?) in
            // Nothing is stored, every sender is told, and the broker need not deliver it again.
            herald.board.spoolIsFull()
            try store(parcel.deliveries, in: ledger, isFull: true)
            return (true, error)
        } then: { [self] result in
            // With the outcome the next batch is read, and memory is for two.
            parcel.empty()
            switch result {
            case .success((isDue: false, _)): done(.failed)
            case .success((_, let refusal)):
                note(refusal)
                done(.done)
            case .failure(let error):
                // Where not even a refusal can be committed, the broker keeps the messages.
                note(error)
                if error.code != .full { herald.board.spoolFailed(error) }
                done(.failed)
            }
        }
    }

    /// What is stored in one transaction.
    private final class Parcel: Sendable {
        private let content: Mutex<[Delivery]>

        init(_ deliveries: [Delivery]) { content = Mutex(deliveries) }

        var deliveries: [Delivery] { content.withLock { $0 } }

        func empty() { content.withLock { $0 = [] } }
    }

    private func store(_ deliveries: [Delivery], in ledger: Ledger, isFull: Bool) throws(SpoolError) {
        var intake = IntakeTransaction(
            ledger: ledger,
            rules: rules,
            now: .now(),
            isFull: isFull,
            verification: verification,
            refusedInits: refusedInits
        )
        for delivery in deliveries { try intake.apply(delivery) }
        let outcome = try intake.finish()
        ledger.afterCommit { [self] in
            herald.tell(outcome)
            for refusal in outcome.refusals { log(nil, refusal.address, refusal.reason, refusal.text) }
            // A batch that stored nothing, such as a query, says nothing about room. Whether a disk that failed can be
            // written again the housekeeper finds out.
            let hasStored = !outcome.arrived.isEmpty || !outcome.concluded.isEmpty
            if !isFull && hasStored && outcome.hasRoom { herald.board.solve(.spoolFull) }
            bytesArrived(outcome.arrived)
            for end in outcome.concluded { herald.answerFileEnds(of: end.transfer, end.fileTransferResult) }
            if outcome.concluded.contains(where: { $0.transfer.state == .stored }) { isStored() }
            if ledger.hasReclaimable { bytesReleased() }
        }
    }

    /// Whether somebody takes a firmware away that the broker kept: the agent has it already, or has refused it.
    private func isClearing(_ message: InboundMessage) -> Bool {
        message.isRetained && message.payload.isEmpty
            && herald.topics.intakeLevels(message.topic)?.dropFirst().first == "put"
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

    private func log(_ topic: String?, _ address: TransferAddress?, _ reason: ReasonCode, _ text: String) {
        let key = "\(address?.sender.text ?? "") \(reason.rawValue)"
        let action = refusals.withLock { refusals in
            if refusals.count >= Self.refusalsMax && refusals[key] == nil { refusals = [:] }
            return refusals[key, default: RepeatingFailure()].failed(at: .now)
        }
        guard action != .quiet else { return }
        var metadata: Logger.Metadata = [
            LogKeys.reason: "\(reason.rawValue)", LogKeys.error: "\(text)",
            LogKeys.transfer: "\(address?.description ?? "")",
        ]
        metadata[LogKeys.topic] = topic.map { "\($0.escaped)" }
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
