import Broker
import FerryCore

/// Delivers one file and watches it on its way to the cloud; runs on a thread of its own and may block there.
///
/// What to send is decided by `SendingMachine`, what a state means by `PushGoal`; here both meet the connection, the
/// file and the screen.
final class PushDriver {
    /// What one push needs.
    struct Task: Sendable {
        var order: PushOrder
        var source: FirmwareSource
        var digest: Digest
        var address: TransferAddress
        var route: BrokerRoute
    }

    /// How it ended.
    struct Ending: Sendable {
        var exit: ProgramExit
        /// A sentence, and what to do about it.
        var text: String
        var hint = ""

        init(_ exit: ProgramExit, _ text: String, hint: String = "") {
            self.exit = exit
            self.text = text
            self.hint = hint
        }
    }

    /// So many bytes may wait for the broker's acknowledgement; more would only fill memory.
    private static let handedOverLimit = 6 << 20
    /// An agent that publishes no status to us is taken to be there after this time.
    private static let statusPatience = Duration.seconds(1)
    /// No answer of an agent for so long at the start is none.
    private static let agentPatience = Duration.seconds(5)
    /// The agent's reason for an end comes right behind its acknowledgement.
    static let reasonPatience = Duration.seconds(1)
    /// The agent is asked for the state this often, in case a message of it was lost …
    private static let watchInterval = Duration.seconds(15)
    /// … and this often where the broker does not let us read states.
    private static let blindWatchInterval = Duration.seconds(2)
    /// Connecting and asking are shown when they take longer.
    private static let transientPatience = Duration.milliseconds(700)
    /// A sender that was refused for want of room tries again this often, where a time limit allows.
    static let refusalPause = Duration.seconds(5)

    let task: Task
    let link: BrokerLink
    let mailbox: Mailbox
    var display: PushDisplay
    private let topics: PushTopics

    var machine: SendingMachine
    var latest: TransferStatus?
    var progress: PushProgress
    private let started = ContinuousClock.now

    var isConnected = false
    private var connectedAt: Duration?
    private var agentState: String?
    /// What hinders the agent as a whole, by its status.
    private var agentProblem: String?
    private var hasHeardAgent = false
    private var hasAskedForOld = false
    private var handedOver: [Int64: Int] = [:]
    private var handedOverBytes = 0
    var endedAt: Duration?
    var refusedAt: Duration?
    private var lastAsked = Duration.zero
    var announced: TransferStatus?
    private var transientSince: Duration?
    var hasSent = false
    private var hasSeenState = false

    /// The receipt of everything but segments.
    private static let controlReceipt: Int64 = -1

    init(task: Task, link: BrokerLink, mailbox: Mailbox, display: PushDisplay) {
        self.task = task
        self.link = link
        self.mailbox = mailbox
        self.display = display
        topics = PushTopics(root: task.route.root, address: task.address)
        machine = Self.machine(for: task)
        progress = PushProgress(size: task.source.size)
    }

    static func machine(for task: Task) -> SendingMachine {
        var limits = SendingMachine.Limits()
        limits.segment = task.order.segment
        return SendingMachine(size: task.source.size, limits: limits)
    }

    var now: Duration { ContinuousClock.now - started }

    /// Runs to the end.
    func run() -> Ending {
        while true {
            if Interruption.isRequested {
                return Ending(.notYet, "Interrupted", hint: "The same command goes on where it stopped")
            }
            for item in mailbox.take(waiting: .milliseconds(100)) {
                if let ending = take(item) { return ending }
            }
            do {
                try pump()
            } catch {
                return Ending(.failed, error.text)
            }
            if let ending = judge() ?? checkTimes() { return ending }
            showProgress()
        }
    }

    // MARK: - What comes in

    private func take(_ item: Mailbox.Item) -> Ending? {
        switch item {
        case .message(let message): take(message)
        case .event(.connected): connected()
        case .event(.lost(let error)): lost(error)
        case .event(.refused(let error)): refused(error)
        case .event(.acknowledged(let receipt, let code)): acknowledged(receipt, code)
        case .event(.hasRoomAgain): nil
        }
    }

    private func connected() -> Ending? {
        isConnected = true
        connectedAt = now
        if isAgentOnline { reachAgent() }
        return nil
    }

    private func lost(_ error: LinkError) -> Ending? {
        let wasConnected = connectedAt != nil
        isConnected = false
        agentState = nil
        handedOver = [:]
        handedOverBytes = 0
        machine.agentLost()
        guard !wasConnected else { return nil }
        guard task.order.timeLimit == nil else { return nil }
        return Ending(
            .unreachable,
            error.text,
            hint: "Is the broker running at \(task.route.url)? --broker names another"
        )
    }

    private func refused(_ error: LinkError) -> Ending? {
        Ending(
            error.code == .notAuthorized || error.code == .subscriptionRefused ? .notAllowed : .unreachable,
            error.text,
            hint: "--username (or --sender) and --password-file say who you are"
        )
    }

    private func take(_ message: InboundMessage) -> Ending? {
        switch message.topic {
        case topics.status:
            let before = isAgentOnline
            let status = try? JSONValue(parsing: message.payload)
            agentState = status?["state"]?.string
            agentProblem = status?["problems"]?.array?.first?["text"]?.string
            if isAgentOnline && !before && isConnected { reachAgent() }
            if !isAgentOnline && before { machine.agentLost() }
        case topics.state:
            // In the order in which the agent said it. What the broker kept of another spool comes first, and the
            // agent's own answer corrects it.
            guard let status = TransferStatus(payload: message.payload) else { return nil }
            latest = status
            hasSeenState = true
        case topics.progress:
            if let json = try? JSONValue(parsing: message.payload) { progress.note(json, at: now) }
        case topics.acknowledgement:
            guard let ack = Acknowledgement(payload: message.payload) else { return nil }
            return take(ack)
        default: break
        }
        return nil
    }

    private func take(_ ack: Acknowledgement) -> Ending? {
        hasHeardAgent = true
        if task.order.mustResume && !hasAskedForOld {
            guard ack.state != nil else {
                return Ending(
                    .failed,
                    "Nothing of this transfer has begun",
                    hint: "Without --resume the file is sent from its beginning"
                )
            }
            hasAskedForOld = true
            machine.agentReached()
            return nil
        }
        machine.acknowledged(ack, at: now)
        if case .delivered(let state) = machine.phase, latest?.state != state {
            latest = TransferStatus(state: state, seq: ack.seq)
        }
        return nil
    }

    /// The broker's word about one message.
    private func acknowledged(_ receipt: Int64, _ code: Int32) -> Ending? {
        if let bytes = handedOver.removeValue(forKey: receipt) { handedOverBytes -= bytes }
        switch code {
        case 0x87:
            return Ending(
                .notAllowed,
                "The broker does not let \(task.route.access.username ?? "an unnamed user") publish as the sender "
                    + "\(task.route.sender)",
                hint: "The sender's name has to be the user name at the broker, unless its ACL says otherwise"
            )
        case 0x10:
            if !hasHeardAgent && task.order.timeLimit == nil { return noAgent() }
            if receipt >= 0 { machine.segmentDropped(receipt, at: now) }
        case 0x95: if receipt >= 0 { machine.segmentTooLarge(receipt) }
        case 0x80...: if receipt >= 0 { machine.segmentDropped(receipt, at: now) }
        default: break
        }
        return nil
    }

    private func noAgent() -> Ending {
        Ending(
            .unreachable,
            "No agent serves the gateway \(task.route.gateway) at \(task.route.url)",
            hint: "--gateway names another; on the gateway: systemctl status otaferry"
        )
    }

    var isAgentOnline: Bool { agentState == "online" || agentState == "degraded" }

    private func reachAgent() {
        if task.order.mustResume && !hasAskedForOld {
            publish("query", [])
        } else {
            machine.agentReached()
        }
    }

    // MARK: - What goes out

    private func pump() throws(SourceFileError) {
        while handedOverBytes < Self.handedOverLimit, let action = machine.next(at: now) {
            switch action {
            case .initialize:
                let document = task.order.document(
                    name: task.source.name,
                    size: task.source.size,
                    digest: task.digest
                )
                publish("init", document.encoded)
            case .send(let order, let range): try send(order, range)
            case .finish: publish("fin/\(task.source.size)/\(task.digest)", [])
            case .query: publish("query", [])
            case .abort: publish("abort", [])
            }
        }
    }

    private func send(_ order: Int64, _ range: Range<Int64>) throws(SourceFileError) {
        hasSent = true
        let bytes = try task.source.read(range)
        let message = OutboundMessage(
            topic: "\(topics.intake)/\(range.lowerBound)",
            payload: bytes,
            receipt: order
        )
        guard link.publish(message) else {
            // The connection is gone; its own word of it is on the way.
            machine.segmentDropped(order, at: now)
            return
        }
        handedOver[order] = bytes.count
        handedOverBytes += bytes.count
    }

    /// A message that is refused here is sent again after the next connection, or when the agent keeps silent.
    private func publish(_ step: String, _ payload: [UInt8]) {
        link.publish(
            OutboundMessage(topic: "\(topics.intake)/\(step)", payload: payload, receipt: Self.controlReceipt)
        )
    }

    // MARK: - Time

    private func checkTimes() -> Ending? {
        if let limit = task.order.timeLimit, now >= limit {
            if !hasHeardAgent { return isConnected ? noAgent() : unreachable() }
            return Ending(.notYet, "The time limit came first", hint: "The same command goes on where it stopped")
        }
        if isConnected, let connectedAt, !hasHeardAgent {
            if agentState == nil, now - connectedAt >= Self.statusPatience, machine.phase == .away { reachAgent() }
            if now - connectedAt >= Self.agentPatience && task.order.timeLimit == nil { return noAgent() }
        }
        if case .delivered = machine.phase, isConnected,
            now - lastAsked >= (hasSeenState ? Self.watchInterval : Self.blindWatchInterval)
        {
            lastAsked = now
            publish("query", [])
        }
        return nil
    }

    private func unreachable() -> Ending {
        Ending(.unreachable, "The broker at \(task.route.url) could not be reached in time")
    }

    private func showProgress() {
        let line = progress.line(
            machine: machine,
            status: latest,
            isConnected: isConnected,
            isAgentAway: connectedAt != nil && !isAgentOnline && agentState != nil,
            agentProblem: agentProblem,
            at: now
        )
        // What lasts for a blink needs no words.
        let since = line.isTransient ? transientSince ?? now : nil
        transientSince = since
        guard since.map({ now - $0 >= Self.transientPatience }) ?? true else { return }
        display.update(line, at: now)
    }
}
