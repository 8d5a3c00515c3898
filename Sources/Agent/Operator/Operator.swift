import Broker
import FerryCore
import Logging
import Spool

/// Carries out the commands of operators. It runs on the control connection's thread: an answer is said, and the command
/// acknowledged, after what it changed is committed.
final class Operator: Sendable {
    private let spool: Spool
    private let herald: Herald
    private let publisher: Publisher
    private let logger: Logger
    private let publish: @Sendable (OutboundMessage) -> Bool
    /// Asks for every state to be said again.
    private let synchronize: @Sendable () -> Void
    /// Says the status as it is now, and calls its argument, soon in any case: with whether it is said.
    private let sayStatus: @Sendable (@escaping @Sendable (Bool) -> Void) -> Void

    init(
        spool: Spool,
        herald: Herald,
        publisher: Publisher,
        logger: Logger,
        publish: @escaping @Sendable (OutboundMessage) -> Bool,
        synchronize: @escaping @Sendable () -> Void,
        sayStatus: @escaping @Sendable (@escaping @Sendable (Bool) -> Void) -> Void
    ) {
        self.spool = spool
        self.herald = herald
        self.publisher = publisher
        self.logger = logger
        self.publish = publish
        self.synchronize = synchronize
        self.sayStatus = sayStatus
    }

    /// Carries out a batch of commands.
    func receive(_ batch: [InboundMessage]) -> BrokerLink.Outcome {
        var outcome = BrokerLink.Outcome.done
        for message in batch where herald.topics.isCommand(message.topic) {
            // An empty retained message is one that is being cleared.
            if message.payload.isEmpty && message.isRetained { continue }
            switch Command.parse(message, topics: herald.topics) {
            case .success(let command): if !perform(command) { outcome = .failed }
            case .failure(let mistake):
                logger.notice(
                    "A command was refused",
                    metadata: [
                        LogKeys.topic: "\(message.topic.escaped)", LogKeys.error: "\(mistake.refusal.text)",
                    ]
                )
                answer(mistake.reply, Self.payload(mistake.request, .failure(mistake.refusal)))
            }
        }
        return outcome
    }

    /// - Returns: false when the spool could not be written; the broker then delivers the command again.
    private func perform(_ command: Command) -> Bool {
        // Whoever watches a gateway asks again and again whether it is there.
        let level: Logger.Level = command.verb == .ping ? .debug : .info
        logger.log(level: level, "A command came", metadata: [LogKeys.command: "\(command.verb.rawValue)"])
        guard command.verb != .ping else {
            // It asks whether the agent is there, not how fast its disk is.
            guard herald.board.isUnsaid else {
                answer(command.reply, Self.payload(command, .success(OperatorTransaction.pong(at: .now()))))
                return true
            }
            sayStatus { [self] isSaid in
                let pong = OperatorTransaction.pong(at: .now(), withStatus: isSaid)
                answer(command.reply, Self.payload(command, .success(pong)))
            }
            return true
        }
        do throws(SpoolError) {
            let payload = try spool.transactWaiting { [self] (ledger) throws(SpoolError) -> String in
                let isKept = command.verb.changesSomething
                if isKept, let request = command.request, let former = try ledger.answer(to: request.text) {
                    return former
                }
                var work = OperatorTransaction(
                    ledger: ledger,
                    command: command,
                    herald: herald,
                    publisher: publisher,
                    now: .now()
                )
                let result = try work.perform()
                let payload = Self.payload(command, result)
                if isKept, let request = command.request {
                    try ledger.keepAnswer(payload.text, to: request.text, at: .now())
                }
                return payload.text
            }
            if command.verb == .sync { synchronize() }
            answer(command.reply, Array(payload.utf8))
            return true
        } catch {
            logger.error("A command could not be carried out", metadata: [LogKeys.error: "\(error)"])
            let refusal = OperatorRefusal(code: "spool", text: error.description, hint: error.hint)
            answer(command.reply, Self.payload(command.request, .failure(refusal)))
            // What cannot be stored now is not tried for ever: the operator has the answer.
            return true
        }
    }

    private func answer(_ address: ReplyAddress, _ payload: JSONValue) { answer(address, payload.encoded) }

    private func answer(_ address: ReplyAddress, _ payload: [UInt8]) {
        var payload = payload
        if let largest = herald.board.largestPayload, payload.count > largest {
            let refusal = OperatorRefusal(
                code: "answer-too-large",
                text: "The answer has \(payload.count) bytes, and the broker takes no packet of more than \(largest)",
                hint: "Ask for less with limit, or raise max_packet_size of the broker"
            )
            let request = (try? JSONValue(parsing: payload))?["request"]?.string.flatMap { Name($0) }
            payload = Self.payload(request, .failure(refusal)).encoded
        }
        guard let message = address.message(payload) else { return }
        _ = publish(message)
    }

    private static func payload(_ command: Command, _ result: Result<JSONValue, OperatorRefusal>) -> JSONValue {
        let answer = payload(command.request, result)
        let ignored = command.ignored
        guard !ignored.isEmpty else { return answer }
        return .object((answer.object ?? [:]).merging(["ignored": .array(ignored.map(JSONValue.string))]) { $1 })
    }

    private static func payload(_ request: Name?, _ result: Result<JSONValue, OperatorRefusal>) -> JSONValue {
        switch result {
        case .success(let result): ["request": .text(request?.text), "ok": true, "result": result]
        case .failure(let refusal):
            [
                "request": .text(request?.text), "ok": false,
                "error": [
                    "code": .string(refusal.code), "text": .string(refusal.text), "hint": .string(refusal.hint),
                ],
            ]
        }
    }
}
