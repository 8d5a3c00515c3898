/// What a sender does next to deliver one file in segments (`docs/mqtt-api.md`, delivery in segments).
///
/// The caller tells what happens and asks `next` again and again; it performs each action and nothing else. Time is
/// counted from any fixed moment and only used for asking again.
///
/// | state | event | becomes |
/// |---|---|---|
/// | away | agentReached | opening |
/// | opening | acknowledged, bytes wanted | open |
/// | opening, open | acknowledged, all bytes were taken | delivered |
/// | opening, open | acknowledged, refused by name | refused |
/// | opening, open | agentLost | away |
/// | opening, open | segmentDropped | opening, asks again after a pause |
/// | open | acknowledged, transfer unknown or damaged | opening, from the first byte |
/// | delivered, refused | anything | the same |
///
/// Messages of one sender reach the agent in the order in which they were published, or not at all. So a segment is lost
/// once a later one is known to be durable, once `fin` was answered with holes, or once `query` was answered and
/// nothing had changed. Were that ever wrong, bytes would be sent twice, which is harmless.
package struct SendingMachine: Sendable {
    /// To be performed by the caller.
    package enum Action: Sendable, Equatable {
        /// Publish `init`.
        case initialize
        /// Publish these bytes. `order` grows with every segment.
        case send(order: Int64, range: Range<Int64>)
        /// Publish `fin`.
        case finish
        case query
        case abort
    }

    /// Where the delivery stands.
    package enum Phase: Sendable, Equatable {
        /// No agent can be reached.
        case away
        /// The agent has not said yet what it has.
        case opening
        case open
        /// The agent has every byte; the state it told last.
        case delivered(TransferState)
        case refused(Refusal)
    }

    /// Why the agent does not take the file.
    package struct Refusal: Error, Sendable, Equatable {
        package var reason: ReasonCode
        /// The agent's own sentence.
        package var text: String
        /// Whether it would be refused by an empty gateway too.
        package var isForGood: Bool
        /// Whether the gateway's disk has no room for it, whatever leaves the spool.
        package var isOverDisk: Bool

        package init(reason: ReasonCode, text: String, isForGood: Bool = false, isOverDisk: Bool = false) {
            self.reason = reason
            self.text = text
            self.isForGood = isForGood
            self.isOverDisk = isOverDisk
        }
    }

    /// What this sender keeps to, whatever the agent allows.
    package struct Limits: Sendable {
        /// Bytes of one segment.
        package var segment: Int64 = 256 << 10
        /// Segments that the agent has not confirmed; a broker's queue counts messages (Mosquitto: 1,000).
        package var segmentsInFlight = 500
        /// Without an answer for so long the agent is asked.
        package var answer = Duration.seconds(5)
        /// How often a transfer that the agent lost or damaged is begun anew.
        package var restarts = 3

        package init() {}
    }

    private struct Flight {
        let order: Int64
        let range: Range<Int64>
    }

    private enum State {
        case away
        /// `asked`: when `init` went out, nil before.
        case opening(asked: Duration?)
        case open
        case delivered(TransferState)
        case refused(Refusal)
    }

    /// The size of the file.
    package let size: Int64
    private let limits: Limits
    private var state = State.away
    private var mustAbort = false
    private var restarts = 0

    /// What the agent has, as far as it told.
    private var durable = ByteRanges()
    /// Sent, and neither confirmed nor lost; in order of sending.
    private var flights: [Flight] = []
    /// `durable` and `flights` together.
    private var covered = ByteRanges()
    /// Bytes of `flights`.
    private var outstanding: Int64 = 0
    private var nextOrder: Int64 = 0

    private var credit: Int64 = 0
    private var segment: Int64
    private var lastSeq = Int64.min
    /// Whether the next acknowledgement counts, however old it looks.
    private var trustsNext = true
    /// Durable bytes by the last acknowledgement.
    package private(set) var received: Int64 = 0

    /// The order at which `fin` went out, and whether it was answered.
    private var fin: (order: Int64, isAnswered: Bool)?
    /// The order at which an unanswered `query` went out.
    private var question: Int64?
    private var lastWord = Duration.zero

    package init(size: Int64, limits: Limits = Limits()) {
        self.size = size
        self.limits = limits
        segment = limits.segment
    }

    /// Where the delivery stands.
    package var phase: Phase {
        switch state {
        case .away: .away
        case .opening: .opening
        case .open: .open
        case .delivered(let state): .delivered(state)
        case .refused(let refusal): .refused(refusal)
        }
    }

    /// Bytes that are durable or on their way.
    package var sent: Int64 { covered.count }

    /// Whether the agent asked for a pause.
    package var isPaused: Bool {
        guard case .open = state else { return false }
        return credit == 0 && covered.count < size
    }

    // MARK: - Events

    /// There is a connection and an agent behind it, or there is again.
    package mutating func agentReached() {
        switch state {
        // A second word of it changes nothing but that `init` goes out now: the agent may have started anew.
        case .away, .opening, .open:
            state = .opening(asked: nil)
            trustsNext = true
        case .delivered, .refused: break
        }
    }

    /// The connection broke or the agent went offline. What is on its way may still arrive.
    package mutating func agentLost() {
        switch state {
        case .away, .opening, .open: state = .away
        case .delivered, .refused: break
        }
    }

    /// The broker did not take the segment of this order, or gave it to nobody. After a pause the agent is asked again.
    package mutating func segmentDropped(_ order: Int64, at now: Duration) {
        switch state {
        case .away, .opening, .open: break
        case .delivered, .refused: return
        }
        forget { $0.order == order }
        if case .away = state { return }
        state = .opening(asked: now)
        trustsNext = true
    }

    /// The segment of this order is larger than the broker takes.
    package mutating func segmentTooLarge(_ order: Int64) {
        switch state {
        case .away, .opening, .open: break
        case .delivered, .refused: return
        }
        guard let flight = flights.first(where: { $0.order == order }) else { return }
        let length = Int64(flight.range.count)
        forget { $0.order == order }
        guard length > Self.smallestSegment else {
            state = .refused(Refusal(reason: .tooLarge, text: "The broker takes no segment of \(length) bytes"))
            return
        }
        segment = min(segment, max(Self.smallestSegment, length / 2))
    }

    private static let smallestSegment: Int64 = 1 << 10

    /// The agent published an acknowledgement.
    package mutating func acknowledged(_ ack: Acknowledgement, at now: Duration) {
        let isInitialAnswer: Bool
        switch state {
        // An answer from before the connection broke, or the agent is back sooner than its status.
        case .away: return
        case .opening(nil): return
        case .opening: isInitialAnswer = true
        case .open: isInitialAnswer = false
        case .delivered:
            if let told = ack.state, told != .receiving { state = .delivered(told) }
            return
        case .refused: return
        }
        guard isFresh(ack) else { return }
        lastWord = now

        guard let told = ack.state else {
            switch ack.reason {
            // The answer to `abort`, or to a message from before `init`.
            case .ok: return
            case .unknownTransfer:
                if !isInitialAnswer { restart(ack) }
            default: state = .refused(refusal(ack))
            }
            return
        }
        switch (told, ack.reason) {
        case (.receiving, .ok), (.receiving, .gap), (.receiving, .incomplete), (.receiving, .noRoom):
            trustsNext = false
            state = .open
            settle(ack)
        case (.receiving, .checksumMismatch), (.expired, _): restart(ack, aborting: true)
        case (.receiving, _), (_, .conflict), (_, .notAllowed):
            state = .refused(refusal(ack))
        case (_, _):
            received = size
            state = .delivered(told)
        }
    }

    private func refusal(_ ack: Acknowledgement) -> Refusal {
        Refusal(
            reason: ack.reason,
            text: ack.text,
            isForGood: ack.quota.map { $0 < size } ?? false,
            isOverDisk: ack.capacity.map { $0 < size } ?? false
        )
    }

    /// An agent that does not know the transfer has no `seq` to compare.
    private func isFresh(_ ack: Acknowledgement) -> Bool {
        trustsNext || ack.state == nil || ack.seq > lastSeq || ack.seq == lastSeq && ack.received >= received
    }

    /// Begins with the first byte.
    private mutating func restart(_ ack: Acknowledgement, aborting: Bool = false) {
        restarts += 1
        guard restarts <= (aborting ? 1 : limits.restarts) else {
            state = .refused(refusal(ack))
            return
        }
        mustAbort = aborting
        durable = ByteRanges()
        received = 0
        flights = []
        refreshCover()
        fin = nil
        question = nil
        trustsNext = true
        state = .opening(asked: nil)
    }

    /// Takes over what the agent has, and finds out which segments are lost.
    private mutating func settle(_ ack: Acknowledgement) {
        let before = durable
        durable = ack.durable(of: size, before: before)
        lastSeq = ack.seq
        received = ack.received
        credit = ack.credit
        segment = min(limits.segment, min(segment, ack.segment))

        // Everything before this order has arrived or never will.
        var settled = flights.last { durable.contains($0.range) }?.order ?? -1
        if ack.reason == .incomplete, let fin, !fin.isAnswered {
            settled = max(settled, fin.order)
            self.fin = (fin.order, true)
        }
        if let question, durable == before {
            settled = max(settled, question)
            self.question = nil
            // All is there, and the agent still waits for `fin`.
            if durable.count == size { fin = nil }
        }
        flights.removeAll { $0.order < settled || durable.contains($0.range) }
        refreshCover()
    }

    private mutating func forget(_ isGone: (Flight) -> Bool) {
        flights.removeAll(where: isGone)
        refreshCover()
    }

    private mutating func refreshCover() {
        covered = durable
        outstanding = 0
        for flight in flights {
            covered.insert(flight.range)
            outstanding += Int64(flight.range.count)
        }
    }

    // MARK: - Actions

    /// What to do now; nil: wait for an event, or for time to pass.
    package mutating func next(at now: Duration) -> Action? {
        switch state {
        case .away, .delivered, .refused: return nil
        case .opening(let asked):
            if mustAbort {
                mustAbort = false
                return .abort
            }
            if let asked, now - asked < limits.answer { return nil }
            state = .opening(asked: now)
            question = nextOrder
            lastWord = now
            return .initialize
        case .open:
            if let range = nextRange() {
                let order = nextOrder
                nextOrder += 1
                flights.append(Flight(order: order, range: range))
                covered.insert(range)
                outstanding += Int64(range.count)
                if flights.count == 1 { lastWord = now }
                return .send(order: order, range: range)
            }
            if fin == nil, covered.count == size {
                fin = (nextOrder, false)
                lastWord = now
                return .finish
            }
            guard now - lastWord >= limits.answer else { return nil }
            lastWord = now
            // Asked before, and what came looked old: the agent counts anew, with another spool.
            if question != nil { trustsNext = true }
            question = nextOrder
            return .query
        }
    }

    /// The next bytes that may go out.
    private func nextRange() -> Range<Int64>? {
        guard flights.count < limits.segmentsInFlight,
            let hole = covered.missing(in: 0..<size, limit: 1).ranges.first
        else { return nil }
        let wanted = min(segment, Int64(hole.count))
        let room = credit - outstanding
        // Not in crumbs, unless the credit is smaller than a segment and nothing is on its way.
        guard room >= wanted || flights.isEmpty && room > 0 else { return nil }
        return hole.lowerBound..<(hole.lowerBound + min(wanted, room))
    }
}
