import FerryCore

/// Turns what is known of a push into the line that shows it: all files together.
struct PushProgress {
    /// Whether a line stays only until the next.
    var isLive = true
    /// The commands that hints name.
    var followUp = FollowUp.plain
    private var meter = RateMeter()
    /// Why the last attempt failed, and when the next one is, as it was said where lines stay.
    private var failure = ""

    /// What is around the files.
    struct Surroundings {
        var isConnected = true
        /// Whether an agent was there, and is not now.
        var isAgentAway = false
        /// Whether the agent was asked and says nothing.
        var isAgentSilent = false
        /// Whether the broker lets us read neither states nor status.
        var isBlind = false
        /// What the agent's status means for a file that waits.
        var outlook = AgentOutlook()
    }

    /// The line for now.
    mutating func line(_ deliveries: [Delivery], _ surroundings: Surroundings, at now: Duration) -> ProgressLine {
        if let index = deliveries.firstIndex(where: { !$0.isDelivered }) {
            return sendingLine(deliveries, index, surroundings, at: now)
        }
        return publishingLine(deliveries, surroundings)
    }

    // MARK: - To the gateway

    private mutating func sendingLine(
        _ deliveries: [Delivery],
        _ index: Int,
        _ surroundings: Surroundings,
        at now: Duration
    ) -> ProgressLine {
        let total = deliveries.reduce(0) { $0 + $1.size }
        let done = deliveries.reduce(0) { $0 + ($1.isDelivered ? $1.size : $1.machine.received) }
        meter.note(done, at: now)
        let machine = deliveries[index].machine
        var line = ProgressLine(phase: "sending", done: done, total: total)
        if deliveries.count > 1 { line.part = "file \(index + 1)/\(deliveries.count)" }
        switch machine.phase {
        case _ where !surroundings.isConnected:
            line.note = "connecting to the broker"
            line.isTransient = true
        case _ where surroundings.isAgentAway: line.note = "the agent is away; waiting for it"
        case _ where deliveries[index].refusedWords != nil:
            line = ProgressLine(phase: "waiting", note: deliveries[index].refusedWords ?? "")
        case _ where surroundings.isAgentSilent: line.note = "the agent does not answer; waiting for it"
        case .away, .opening:
            line.note = "asking the agent"
            line.isTransient = true
        case .open where machine.isPaused: line.note = "the gateway asked for a pause"
        case .open where machine.received == machine.size: line.phase = "verifying"
        default:
            line.rate = meter.rate
            line.remaining = meter.remaining(total - done)
        }
        return line
    }

    // MARK: - To the cloud

    private mutating func publishingLine(_ deliveries: [Delivery], _ surroundings: Surroundings) -> ProgressLine {
        let state = Self.state(of: deliveries)
        var line = ProgressLine(phase: state.rawValue)
        if state == .uploading {
            let total = deliveries.reduce(0) { $0 + $1.size }
            line.total = total
            line.done = deliveries.reduce(0) { $0 + $1.uploaded }
            let upload = deliveries.lazy.compactMap(\.upload).first
            line.rate = upload?.rate
            if deliveries.count == 1 {
                line.remaining = upload?.remaining
            } else {
                line.part = "file \(min(deliveries.count, Self.uploadedFiles(deliveries) + 1))/\(deliveries.count)"
                if let rate = upload?.rate, rate >= 1 { line.remaining = .seconds(Double(total - line.done) / rate) }
            }
        }
        line.note = note(deliveries, surroundings)
        if line.note.isEmpty {
            let usual =
                state != .stored
                ? (Self.words(for: state), true)
                : surroundings.isBlind
                    ? ("the gateway publishes it by itself", true) : surroundings.outlook.note(isLive: isLive)
            (line.note, line.isTransient) = usual
        }
        return line
    }

    private mutating func note(_ deliveries: [Delivery], _ surroundings: Surroundings) -> String {
        if !surroundings.isConnected { return "the broker is away; trying again" }
        if surroundings.isAgentAway { return "the agent is away; waiting for it" }
        let now = WallTime.now()
        let notes = deliveries.lazy.compactMap { [isLive, followUp] delivery in
            delivery.latest?.waitingNote(of: delivery.file.address, now: now, isLive: isLive, followUp)
        }
        let note = followUp.attributed(notes.first { !$0.isEmpty } ?? "")
        guard !isLive else { return note }
        // A registration keeps its reason while the next attempt is under way: nothing new.
        let isUnderWay = deliveries.contains { $0.latest?.isTriedAgain == true }
        if !isUnderWay || failure.isEmpty { failure = note }
        return failure
    }

    /// Said when it takes longer than a moment.
    private static func words(for state: TransferState) -> String {
        switch state {
        case .ticketing: "asking the cloud where to upload"
        case .registering: "the cloud has the bytes; registering"
        default: ""
        }
    }

    private static func uploadedFiles(_ deliveries: [Delivery]) -> Int {
        deliveries.count { $0.state == .registering || $0.state == .registered }
    }

    /// One state for all files: what is under way, else what is waited for.
    private static func state(of deliveries: [Delivery]) -> TransferState {
        let states = deliveries.compactMap(\.state)
        if let ended = states.first(where: { $0.isFinal && $0 != .registered }) { return ended }
        if states.contains(.held) { return .held }
        let uploaded = uploadedFiles(deliveries)
        if states.contains(.uploading) || uploaded > 0 && uploaded < states.count { return .uploading }
        return [.ticketing, .stored, .registering].first(where: states.contains) ?? .registered
    }
}
