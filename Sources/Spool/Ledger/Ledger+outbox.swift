package import FerryCore

/// Something that happened to a transfer: its history, and what is still to be said on MQTT.
package struct TransferEvent: Sendable, Equatable {
    /// The order of all events.
    package var number: Int64
    package var address: TransferAddress
    package var seq: Int64
    package var at: WallTime
    package var kind: Kind
    package var state: TransferState
    package var reason: Reason?

    /// The raw values are stored and published.
    package enum Kind: String, Sendable {
        case state
        case gap
        case retry
        // What an operator changed; the state may be what it was.
        case paused
        case resumed
        case retried
        case described
        case prioritized
        // The agent was started again in the middle of an attempt.
        case restarted

        /// The member `event`: what has a name of its own is told as all that a state says.
        var event: Kind {
            switch self {
            case .state, .gap, .retry: self
            case .paused, .resumed, .retried, .described, .prioritized, .restarted: .state
            }
        }
    }

    /// The payload of `event/<sender>/<id>`.
    package var json: JSONValue {
        [
            "seq": .integer(seq), "event": .string(kind.event.rawValue),
            "change": .text(kind.event == kind ? nil : kind.rawValue), "state": .string(state.rawValue),
            "at": .string(at.iso8601), "reason": reason?.json ?? .null,
        ]
    }
}

/// Who tells the events, and how far that has come.
package struct OutboxWatch {
    /// The number of the last event that was told for sure. It is kept in the next event, so after a restart some events are
    /// told again, and none is left out.
    package var position: () -> Int64
    /// There are new events; on the spool's thread, after the commit and what it had to say.
    package var committed: (Ledger) -> Void

    package init(position: @escaping () -> Int64, committed: @escaping (Ledger) -> Void) {
        self.position = position
        self.committed = committed
    }
}

extension Ledger {
    /// How far the events had been told when the last one was written.
    package var outboxPosition: Int64 { untold.told }

    /// Adds an event to the transfer's history and to the outbox.
    package func note(_ kind: TransferEvent.Kind, of transfer: Transfer, at now: WallTime) throws(SpoolError) {
        counters.event += 1
        let event = TransferEvent(
            number: counters.event,
            address: transfer.address,
            seq: transfer.seq,
            at: now,
            kind: kind,
            state: transfer.state,
            reason: transfer.reason
        )
        try statements.insertEvent(event, key: transfer.key, told: outbox?.position() ?? untold.told)
        noted.append(Outbox.Entry(number: event.number, transfer: transfer.key))
    }

    /// The history of a transfer, oldest first, at most the last `limit` of it.
    package func events(of transfer: Transfer, limit: Int) throws(SpoolError) -> [TransferEvent] {
        try statements.events(of: transfer, limit: limit)
    }

    /// Events after a number, oldest first.
    package func events(after number: Int64, limit: Int) throws(SpoolError) -> [TransferEvent] {
        var events: [TransferEvent] = []
        for entry in untold.after(number) {
            guard events.count < limit else { break }
            // It is gone with its transfer.
            guard let event = try statements.event(entry.number, of: entry.transfer) else { continue }
            events.append(event)
        }
        return events
    }

    /// Addresses whose retained state has to be cleared on the broker, because their transfer is gone.
    package func clearances(limit: Int) throws(SpoolError) -> [TransferAddress] {
        try statements.clearances(limit: limit)
    }

    /// The broker has cleared them.
    package func forgetClearances(_ addresses: [TransferAddress]) throws(SpoolError) {
        for address in addresses { try statements.deleteClearance(address) }
    }

    /// The answer that a command with this request got before; nil when it got none.
    package func answer(to request: String) throws(SpoolError) -> String? { try statements.answer(to: request) }

    /// Keeps the answer to a command with the change that the command made.
    package func keepAnswer(_ payload: String, to request: String, at now: WallTime) throws(SpoolError) {
        try statements.insertAnswer(payload, to: request, at: now)
    }

    /// Whether there are answers older than the moment.
    package func hasAnswers(before moment: WallTime) throws(SpoolError) -> Bool {
        try database.number("SELECT exists(SELECT 1 FROM answer WHERE at < \(moment.milliseconds))") == 1
    }

    /// Forgets answers older than the moment.
    package func forgetAnswers(before moment: WallTime) throws(SpoolError) {
        try statements.deleteAnswers(before: moment)
    }

    /// A setting that has to survive: `paused`, limits that an operator keeps.
    package func setting(_ name: String) throws(SpoolError) -> String? { try statements.setting(name) }

    /// Keeps a setting; nil removes it.
    package func setSetting(_ name: String, _ value: String?) throws(SpoolError) {
        try statements.setSetting(name, value)
    }
}
