import FerryCore
import TestSupport

/// A broker and an agent between which everything goes wrong, in steps.
struct SendingWorld {
    enum Message {
        case action(SendingMachine.Action)
    }

    let size: Int64
    var generator: SeededGenerator
    /// One in so many messages is dropped; 0: none.
    var lossIn = 0
    /// Acknowledgements may overtake one another and get lost.
    var shufflesAcks = false
    var credit: Int64 = 4_096
    var segment: Int64 = 512

    var machine: SendingMachine
    var now = Duration.zero
    /// What the broker holds for the agent.
    private(set) var queue: [SendingMachine.Action] = []
    private var acks: [Acknowledgement] = []

    // The agent.
    private(set) var durable: ByteRanges?
    private(set) var isStored = false
    private var finCame = false
    private var seq: Int64 = 0
    var isAgentUp = true

    /// Bytes that were published and not yet handled.
    var bytesInBroker: Int64 {
        queue.reduce(0) { if case .send(_, let range) = $1 { $0 + Int64(range.count) } else { $0 } }
    }
    private(set) var mostInBroker: Int64 = 0
    private(set) var bytesSent: Int64 = 0

    init(size: Int64, seed: UInt64, limits: SendingMachine.Limits = .init()) {
        self.size = size
        generator = SeededGenerator(seed: seed)
        machine = SendingMachine(size: size, limits: limits)
    }

    mutating func step() {
        now += .milliseconds(200)
        while let action = machine.next(at: now) {
            queue.append(action)
            if case .send(_, let range) = action { bytesSent += Int64(range.count) }
            mostInBroker = max(mostInBroker, bytesInBroker)
            // Not all at once, so that acknowledgements come in between.
            if Int.random(in: 0..<4, using: &generator) == 0 { break }
        }
        if isAgentUp { handleBatch() }
        deliverAcks()
    }

    private mutating func handleBatch() {
        let count = min(queue.count, Int.random(in: 0...6, using: &generator))
        var mustAnswer = false
        for _ in 0..<count {
            let action = queue.removeFirst()
            if case .send = action, lossIn > 0, Int.random(in: 0..<lossIn, using: &generator) == 0 { continue }
            handle(action)
            mustAnswer = true
        }
        guard mustAnswer else { return }
        answer(.ok)
    }

    private mutating func handle(_ action: SendingMachine.Action) {
        switch action {
        case .initialize: durable = durable ?? ByteRanges()
        case .send(_, let range): if !isStored { durable?.insert(range) }
        case .finish:
            finCame = durable != nil
            if durable?.contains(0..<size) == false { answer(.incomplete) }
        case .query: break
        case .abort: (durable, finCame, isStored) = (nil, false, false)
        }
        if finCame, durable?.contains(0..<size) == true { isStored = true }
        seq += 1
    }

    private mutating func answer(_ reason: ReasonCode) {
        let known = durable ?? ByteRanges()
        let bound = finCame ? size : known.upperBound
        let missing = known.missing(in: 0..<bound, limit: 8)
        acks.append(
            Acknowledgement(
                seq: seq,
                received: known.count,
                missing: missing.ranges,
                hasMoreMissing: missing.hasMore,
                credit: credit,
                segment: segment,
                state: durable == nil ? nil : isStored ? .stored : .receiving,
                reason: durable == nil ? .unknownTransfer : reason
            )
        )
    }

    private mutating func deliverAcks() {
        if shufflesAcks {
            acks.shuffle(using: &generator)
            if !acks.isEmpty, Int.random(in: 0..<5, using: &generator) == 0 { acks.removeLast() }
        }
        let count = shufflesAcks ? Int.random(in: 0...acks.count, using: &generator) : acks.count
        for ack in acks.prefix(count) { machine.acknowledged(ack, at: now) }
        acks.removeFirst(count)
    }

    /// The sender's connection breaks: what the broker took stays.
    mutating func reconnect() {
        machine.agentLost()
        acks = []
        machine.agentReached()
    }

    /// The agent starts anew, with its memory or without.
    mutating func restartAgent(forgetting: Bool) {
        if forgetting {
            queue = []
            (durable, finCame, isStored) = (nil, false, false)
            seq = 0
        }
        machine.agentReached()
    }
}
