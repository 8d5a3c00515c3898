import Broker
import FerryCore

/// Delivers the files of a push, one after the other, and watches them on their way to the cloud; runs on a thread of its
/// own and may block there.
///
/// What to send is decided by `SendingMachine`, what a state means by `PushGoal`; here both meet the connection, the
/// files and the screen.
final class PushDriver {
    /// What one push needs.
    struct Task: Sendable {
        var order: PushOrder
        /// In the order in which they are sent.
        var files: [PushFile]
        var route: BrokerRoute
    }

    /// How it ended.
    struct Ending: Sendable {
        var exit: ProgramExit
        /// A sentence, and what to do about it.
        var text: String
        var hint = ""
        /// No answer came of an agent that says it is online; asking it tells more.
        var isUnanswered = false

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
    /// An agent that is asked answers sooner: while a file is sent, and the broker has all of it that went out, it is asked
    /// every five seconds.
    private static let silencePatience = Duration.seconds(12)
    /// The agent's reason for an end comes right behind its acknowledgement.
    static let reasonPatience = Duration.seconds(1)
    /// The agent is asked for the state this often, in case a message of it was lost …
    private static let watchInterval = Duration.seconds(15)
    /// … and this often where the broker does not let us read states.
    private static let blindWatchInterval = Duration.seconds(2)
    /// What lasts for a blink is not shown.
    private static let transientPatience = Duration.milliseconds(700)
    /// A sender that was refused for want of room tries again this often, where a time limit allows.
    static let refusalPause = Duration.seconds(5)

    let task: Task
    let link: BrokerLink
    let mailbox: Mailbox
    var display: PushDisplay
    private let statusTopic: String
    /// Which file an incoming topic is about.
    private let indexes: [String: Int]

    var deliveries: [Delivery]
    private var progress = PushProgress()
    private let started = ContinuousClock.now

    var isConnected = false
    /// Why the last attempt to connect failed.
    private var lastLoss: LinkError?
    private var connectedAt: Duration?
    private var agentState: String?
    private var outlook = AgentOutlook()
    private var hasHeardAgent = false
    /// When something of the agent came last.
    var heardAt = Duration.zero
    private var handedOver: [Int64: Int] = [:]
    private var handedOverBytes = 0
    private var transientSince: Duration?
    var hasToldUpload = false

    init(task: Task, link: BrokerLink, mailbox: Mailbox, display: PushDisplay) {
        self.task = task
        self.link = link
        self.mailbox = mailbox
        self.display = display
        progress.isLive = display.isLive
        progress.followUp = task.route.followUp
        let root = task.route.root
        statusTopic = PushTopics.status(root: root)
        deliveries = task.files.map { Delivery($0, root: root, segment: task.order.segment) }
        var indexes: [String: Int] = [:]
        for (index, delivery) in deliveries.enumerated() {
            for topic in delivery.topics.incoming { indexes[topic] = index }
        }
        self.indexes = indexes
    }

    /// The file that is sent now: the first that is not settled.
    private var current: Int? { deliveries.firstIndex { !$0.isSettled } }

    var now: Duration { ContinuousClock.now - started }

    /// Runs to the end.
    func run() -> Ending {
        while true {
            if Interruption.isRequested { return interrupted() }
            for item in mailbox.take(waiting: .milliseconds(100)) {
                if let ending = take(item) { return ending }
            }
            if let ending = settleDoubts() { return ending }
            do {
                try pump()
            } catch {
                guard error.isChange, let current else { return Ending(.failed, error.text, hint: error.hint) }
                return changed(current)
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
        case .event(.hasRoomAgain), .pulse: nil
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
        lastLoss = error
        agentState = nil
        handedOver = [:]
        handedOverBytes = 0
        loseAgent()
        guard !wasConnected else { return nil }
        guard task.order.timeLimit == nil else { return nil }
        return Ending(.unreachable, error.text, hint: task.route.hint(for: error))
    }

    private func refused(_ error: LinkError) -> Ending? {
        Ending(
            error.code == .notAuthorized || error.code == .subscriptionRefused ? .notAllowed : .unreachable,
            error.text,
            hint: error.code == .subscriptionRefused
                ? "The broker's access list needs for \(task.route.account): \(PushHints.answerRight(task.route))"
                : "--username (or --sender) and --password-file say who you are"
        )
    }

    private func take(_ message: InboundMessage) -> Ending? {
        heardAt = now
        guard message.topic != statusTopic else {
            takeStatus(message.payload)
            return nil
        }
        guard let index = indexes[message.topic] else { return nil }
        switch message.topic {
        case deliveries[index].topics.state:
            if let status = TransferStatus(payload: message.payload, task.route.followUp) {
                deliveries[index].take(status, at: now)
            }
        case deliveries[index].topics.progress:
            if let json = try? JSONValue(parsing: message.payload) { deliveries[index].take(progress: json) }
        default:
            if let ack = Acknowledgement(payload: message.payload) { return take(ack, index) }
        }
        return nil
    }

    private func takeStatus(_ payload: [UInt8]) {
        let before = isAgentOnline
        let status = try? JSONValue(parsing: payload)
        agentState = status?["state"]?.string
        outlook = AgentOutlook(status: status)
        if isAgentOnline && !before && isConnected { reachAgent() }
        if !isAgentOnline && before { loseAgent() }
    }

    private func take(_ ack: Acknowledgement, _ index: Int) -> Ending? {
        hasHeardAgent = true
        if task.order.mustResume && index == 0 && !deliveries[index].hasAskedForOld {
            let lacking: String? =
                switch ack.state {
                case nil: "Nothing of this transfer has begun"
                case .cancelled: "Nothing is left of this transfer: it was cancelled"
                case .expired: "Nothing is left of this transfer: it has expired"
                default: nil
                }
            if let lacking {
                return Ending(.failed, lacking, hint: "Without --resume the file is sent from its beginning")
            }
            deliveries[index].hasAskedForOld = true
            deliveries[index].machine.agentReached()
            return nil
        }
        let wasSettled = deliveries[index].isSettled
        deliveries[index].take(ack, at: now)
        // The next one's turn.
        if !wasSettled && deliveries[index].isSettled && isConnected && isAgentOnline { reachAgent() }
        return nil
    }

    /// The broker's word about one message.
    private func acknowledged(_ receipt: Int64, _ code: Int32) -> Ending? {
        if let bytes = handedOver.removeValue(forKey: receipt) { handedOverBytes -= bytes }
        let segment = Self.segment(of: receipt)
        switch code {
        case 0x87:
            return Ending(
                .notAllowed,
                "The broker does not let \(task.route.account) publish as the sender \(task.route.sender)",
                hint: PushHints.senderRemedy(task.route)
            )
        case 0x10:
            if !hasHeardAgent && task.order.timeLimit == nil { return noAgent() }
            if let segment { deliveries[segment.index].machine.segmentDropped(segment.order, at: now) }
        case 0x95: if let segment { deliveries[segment.index].machine.segmentTooLarge(segment.order) }
        case 0x80...: if let segment { deliveries[segment.index].machine.segmentDropped(segment.order, at: now) }
        default: break
        }
        return nil
    }

    private func noAgent() -> Ending {
        var ending = Ending(
            .unreachable,
            "No agent of the gateway \(task.route.gateway) answers at \(task.route.url)",
            hint: task.route.absenceRemedy
                + (task.order.timeLimit == nil ? ", --time-limit waits for it" : "")
        )
        ending.isUnanswered = isAgentOnline && connectedAt.map { now - $0 >= Self.agentPatience } == true
        return ending
    }

    /// Whether the broker lets us read neither states nor status, as it is with senders in most ACLs.
    var isBlind: Bool { agentState == nil && !deliveries.contains(where: \.hasSeenState) }

    var isAgentOnline: Bool { agentState == "online" || agentState == "degraded" }

    func reachAgent() {
        guard let current else { return }
        deliveries[current].begunAt = deliveries[current].begunAt ?? now
        if task.order.mustResume && current == 0 && !deliveries[current].hasAskedForOld {
            publish("query", [], current)
        } else {
            deliveries[current].machine.agentReached()
        }
    }

    private func loseAgent() {
        for index in deliveries.indices { deliveries[index].machine.agentLost() }
    }

    // MARK: - What goes out

    private func pump() throws(SourceFileError) {
        guard let current else { return }
        while handedOverBytes < Self.handedOverLimit, let action = deliveries[current].machine.next(at: now) {
            let file = deliveries[current].file
            switch action {
            case .initialize: publish("init", file.document.encoded, current)
            case .send(let order, let range): try send(order, range, current)
            case .finish: publish("fin/\(file.source.size)/\(file.digest)", [], current)
            case .query: publish("query", [], current)
            case .abort: publish("abort", [], current)
            }
        }
    }

    private func send(_ order: Int64, _ range: Range<Int64>, _ index: Int) throws(SourceFileError) {
        deliveries[index].hasSent = true
        let bytes = try deliveries[index].file.source.read(range)
        try confirmContent(index)
        let receipt = Self.receipt(index, order)
        let message = OutboundMessage(
            topic: "\(deliveries[index].topics.intake)/\(range.lowerBound)",
            payload: bytes,
            receipt: receipt
        )
        guard link.publish(message) else {
            // The connection is gone; its own word of it is on the way.
            deliveries[index].machine.segmentDropped(order, at: now)
            return
        }
        handedOver[receipt] = bytes.count
        handedOverBytes += bytes.count
    }

    /// A message that is refused here is sent again after the next connection, or when the agent keeps silent.
    func publish(_ step: String, _ payload: [UInt8], _ index: Int) {
        link.publish(
            OutboundMessage(
                topic: "\(deliveries[index].topics.intake)/\(step)",
                payload: payload,
                receipt: Self.controlReceipt
            )
        )
    }

    /// The receipt of everything but segments.
    private static let controlReceipt: Int64 = -1
    /// The files of a push are few, their segments many.
    private static let orderBits: Int64 = 48

    private static func receipt(_ index: Int, _ order: Int64) -> Int64 { Int64(index) << orderBits | order }

    private static func segment(of receipt: Int64) -> (index: Int, order: Int64)? {
        guard receipt >= 0 else { return nil }
        return (Int(receipt >> orderBits), receipt & (1 << orderBits - 1))
    }

    // MARK: - Time

    private func checkTimes() -> Ending? {
        if let limit = task.order.timeLimit, now >= limit {
            if !hasHeardAgent { return isConnected ? noAgent() : unreachable() }
            return Ending(.notYet, "The time limit came first", hint: leavingHint)
        }
        if isConnected, let connectedAt, !hasHeardAgent {
            if agentState == nil, now - connectedAt >= Self.statusPatience, let current,
                deliveries[current].machine.phase == .away
            {
                reachAgent()
            }
            if now - connectedAt >= Self.agentPatience && task.order.timeLimit == nil { return noAgent() }
        }
        guard isConnected else { return nil }
        for index in deliveries.indices where deliveries[index].isDelivered {
            let interval = deliveries[index].hasSeenState ? Self.watchInterval : Self.blindWatchInterval
            guard now - deliveries[index].askedAt >= interval else { continue }
            deliveries[index].askedAt = now
            publish("query", [], index)
        }
        return nil
    }

    private func unreachable() -> Ending {
        let (text, hint) = task.route.tooLate(after: lastLoss)
        return Ending(.unreachable, text, hint: hint)
    }

    private func showProgress() {
        let surroundings = PushProgress.Surroundings(
            isConnected: isConnected,
            isAgentAway: connectedAt != nil && !isAgentOnline && agentState != nil,
            isAgentSilent: isConnected && hasHeardAgent && handedOverBytes == 0
                && now - heardAt >= Self.silencePatience,
            isBlind: isBlind,
            outlook: outlook
        )
        let line = progress.line(deliveries, surroundings, at: now)
        let since = line.isTransient ? transientSince ?? now : nil
        transientSince = since
        guard since.map({ now - $0 >= Self.transientPatience }) ?? true else { return }
        display.update(line, at: now)
    }
}
