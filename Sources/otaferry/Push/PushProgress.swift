import FerryCore

/// Turns what is known of a push into the line that shows it.
struct PushProgress {
    private let size: Int64
    private var meter = RateMeter()
    private var upload: (sent: Int64, rate: Double?, remaining: Duration?)?
    /// Whether an upload was seen under way.
    private(set) var hasSeenPublishing = false

    init(size: Int64) { self.size = size }

    /// A `progress` message came.
    mutating func note(_ json: JSONValue, at now: Duration) {
        guard json["state"]?.string == TransferState.uploading.rawValue, let sent = json["sent"]?.integer else {
            return
        }
        let rate = json["rate"]?.integer
        let remaining = json["eta"]?.integer
        upload = (sent, rate.map { Double($0) }, remaining.map { .seconds($0) })
    }

    /// The line for now.
    mutating func line(
        machine: SendingMachine,
        status: TransferStatus?,
        isConnected: Bool,
        isAgentAway: Bool,
        agentProblem: String?,
        at now: Duration
    ) -> ProgressLine {
        guard case .delivered(let told) = machine.phase else {
            meter.note(machine.received, at: now)
            return sendingLine(machine, isConnected: isConnected, isAgentAway: isAgentAway)
        }
        let state = status?.state ?? told
        var line = ProgressLine(phase: state.rawValue)
        if state.isPublishing || state == .stored || state == .held { hasSeenPublishing = true }
        if state == .uploading {
            line.done = max(upload?.sent ?? 0, status?.sent ?? 0)
            line.total = size
            line.rate = upload?.rate
            line.remaining = upload?.remaining
        } else {
            upload = nil
        }
        if !isConnected {
            line.note = "the broker is away; trying again"
        } else if isAgentAway {
            line.note = "the agent is away; waiting for it"
        } else {
            line.note = status?.waitingNote(now: WallTime.now()) ?? ""
            // What keeps all of them waiting stands in the agent's status alone.
            if line.note.isEmpty && state == .stored { line.note = ColumnText.printable(agentProblem ?? "") }
        }
        return line
    }

    private func sendingLine(_ machine: SendingMachine, isConnected: Bool, isAgentAway: Bool) -> ProgressLine {
        var line = ProgressLine(phase: "receiving", done: machine.received, total: size)
        switch machine.phase {
        case _ where !isConnected:
            line.note = "connecting to the broker"
            line.isTransient = true
        case _ where isAgentAway: line.note = "the agent is away; waiting for it"
        case .away, .opening:
            line.note = "asking the agent"
            line.isTransient = true
        case .open where machine.isPaused: line.note = "the gateway asked for a pause"
        case .open where machine.received == size: line.phase = "verifying"
        default:
            line.rate = meter.rate
            line.remaining = meter.remaining(size - machine.received)
        }
        return line
    }
}
