import FerryCore

/// What is known of a gateway and its transfers, from what the agent publishes.
struct WatchBoard {
    /// One transfer.
    struct Entry {
        let address: TransferAddress
        /// The `state` document.
        var document: JSONValue
        var status: TransferStatus
        /// In the order in which they were first heard of.
        let number: Int
        /// What the last `progress` message said; nil once the state changed.
        var movement: Movement?
        /// Whether it was heard of since the connection was last lost.
        var isFresh = true
    }

    /// How a transfer moves.
    struct Movement {
        var state: TransferState
        var done: Int64
        /// Bytes a second.
        var rate: Double?
        var remaining: Duration?
    }

    /// What a message changed.
    enum Change {
        case state(TransferAddress)
        /// A state that says what was known already.
        case repeated(TransferAddress)
        case forgotten(TransferAddress)
        case progress(TransferAddress, JSONValue)
        case event(TransferAddress, JSONValue)
        case agent
    }

    private let root: String
    private let followUp: FollowUp
    private(set) var entries: [TransferAddress: Entry] = [:]
    /// The agent's status.
    private(set) var agent: JSONValue?
    private var count = 0

    /// - Parameter followUp: the commands that hints name.
    init(root: String, followUp: FollowUp = .plain) {
        self.root = root
        self.followUp = followUp
    }

    /// Whether publication rests for every transfer of the gateway.
    var isPaused: Bool {
        agent?["problems"]?.array?.contains { $0["code"]?.string == ReasonCode.paused.rawValue } ?? false
    }

    /// Takes a message; nil where it says nothing.
    mutating func take(topic: String, payload: [UInt8]) -> Change? {
        guard topic.hasPrefix(root + "/") else { return nil }
        let parts = topic.dropFirst(root.count + 1).split(separator: "/", omittingEmptySubsequences: false)
        let json = try? JSONValue(parsing: payload)
        if parts == ["status"] {
            guard json?["state"]?.string != nil else { return nil }
            agent = json
            return .agent
        }
        guard parts.count == 3, let sender = Name(parts[1]), let id = Name(parts[2]) else { return nil }
        let address = TransferAddress(sender: sender, id: id)
        switch parts[0] {
        case "state": return takeState(address, json, isEmpty: payload.isEmpty)
        case "progress": return json.flatMap { takeProgress(address, $0) }
        case "event": return json.map { .event(address, $0) }
        default: return nil
        }
    }

    private mutating func takeState(_ address: TransferAddress, _ json: JSONValue?, isEmpty: Bool) -> Change? {
        guard !isEmpty else { return entries.removeValue(forKey: address) == nil ? nil : .forgotten(address) }
        guard let json, let status = TransferStatus(json: json, followUp) else { return nil }
        guard var entry = entries[address] else {
            count += 1
            entries[address] = Entry(address: address, document: json, status: status, number: count)
            return .state(address)
        }
        let isNews =
            entry.status.state != status.state || entry.status.reason != status.reason
            || entry.status.isPaused != status.isPaused
        entry.document = json
        entry.status = status
        entry.isFresh = true
        if entry.movement?.state != status.state { entry.movement = nil }
        entries[address] = entry
        return isNews ? .state(address) : .repeated(address)
    }

    private mutating func takeProgress(_ address: TransferAddress, _ json: JSONValue) -> Change? {
        guard let state = json["state"]?.string.flatMap(TransferState.init(rawValue:)) else { return nil }
        let remaining = json["eta"]?.count
        entries[address]?.movement = Movement(
            state: state,
            done: json[state == .receiving ? "received" : "sent"]?.fileBytes ?? 0,
            rate: json["rate"]?.count.map { Double($0) },
            remaining: remaining.map { .seconds($0) }
        )
        return .progress(address, json)
    }

    /// The connection is gone: with the next one what the broker keeps comes again, and what does not is gone.
    mutating func connectionLost() { for key in entries.keys { entries[key]?.isFresh = false } }

    /// Takes away what was not heard of since.
    mutating func dropStale() -> [TransferAddress] {
        let stale = entries.values.filter { !$0.isFresh }.map(\.address).sorted()
        for address in stale { entries[address] = nil }
        return stale
    }

    // MARK: - For people

    /// The transfers in the order in which they are shown: what moves, what needs a person, what waits, what has ended,
    /// the last of it first.
    func sorted(where fits: (Entry) -> Bool = { _ in true }) -> [Entry] {
        entries.values.filter(fits).sorted { left, right in
            let (former, next) = (Self.rank(left.status.state), Self.rank(right.status.state))
            guard former == next else { return former < next }
            guard former == Self.lastRank else { return left.number < right.number }
            return (left.document["since"]?.string ?? "", left.number)
                > (right.document["since"]?.string ?? "", right.number)
        }
    }

    private static let lastRank = 3

    private static func rank(_ state: TransferState) -> Int {
        switch state {
        case .receiving, .ticketing, .uploading, .registering: 0
        case .held: 1
        case .stored: 2
        case .registered, .failed, .cancelled, .expired: lastRank
        }
    }
}

extension WatchBoard.Entry {
    /// The row that shows it.
    func row(now: WallTime) -> TransferTable.Row {
        var row = TransferTable.Row(state: document, now: now)
        guard let size = status.size, size > 0 else { return row }
        switch status.state {
        case .receiving, .uploading:
            let told = status.state == .uploading ? status.sent : ReceivedBytes(state: document).countOfAnnounced
            let done = min(size, max(told, movement?.done ?? 0))
            row.share = Double(done) / Double(size)
            row.progress = "\(Percent.of(done, in: size))%"
            guard done < size else { break }
            row.rate = movement?.rate.map(ProgressLine.rateText) ?? ""
            row.remaining = movement?.remaining.map(ColumnText.clock) ?? ""
        default: break
        }
        return row
    }

    /// One line for a log.
    var sentence: String {
        let row = TransferTable.Row(state: document, now: WallTime.now())
        let what = [row.product, row.version].filter { !$0.isEmpty }.joined(separator: " ")
        let parts = [
            ColumnText.printable(document["since"]?.string ?? ""), row.id, what,
            row.stateText.filter { $0 != "*" } + (row.stateText.hasSuffix("*") ? ", paused" : ""), row.reason,
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "  ")
    }
}
