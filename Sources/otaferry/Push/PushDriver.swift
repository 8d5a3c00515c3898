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
        /// Whether it said something else meanwhile.
        var isAgentAlive = false
        /// The word for a refusal, or for what a transfer waits for.
        var code: ReasonCode?
        /// What became of each file, for programs.
        var transfers: [JSONValue] = []

        init(_ exit: ProgramExit, _ text: String, hint: String = "", code: ReasonCode? = nil) {
            self.exit = exit
            self.text = text
            self.hint = hint
            self.code = code
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
    /// The first question is asked again this often.
    private static let questionInterval = Duration.seconds(5)
    /// The agent's reason for an end comes right behind its acknowledgement.
    static let reasonPatience = Duration.seconds(1)
    /// After a restart of the broker the agent says every state again, one after the other.
    static let statePatience = Duration.seconds(2)
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
    /// Whether the agent has said something since this connection began that was not an answer.
    private var isAgentAlive = false
    /// Since when there has been no broker, and no agent behind it.
    private var brokerLostAt: Duration?
    private var agentLostAt: Duration?
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
    var current: Int? { deliveries.firstIndex { !$0.isSettled } }

    var now: Duration { ContinuousClock.now - started }

    /// Runs to the end.
    func run() -> Ending {
        var ending = deliver()
        let isTakenBack = [.failed, .unreachable, .notAllowed].contains(ending.exit)
        if isTakenBack { takeBackBegun() }
        if ending.exit != .done {
            ending.code = ending.code ?? deliveries.lazy.compactMap(\.latest?.reason).first?.code
        }
        ending.transfers = deliveries.map(\.outcome)
        return ending
    }

    private func deliver() -> Ending {
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
        brokerLostAt = nil
        if isAgentOnline { reachAgent() }
        return nil
    }

    private func lost(_ error: LinkError) -> Ending? {
        let wasConnected = connectedAt != nil
        isConnected = false
        brokerLostAt = brokerLostAt ?? now
        agentLostAt = nil
        lastLoss = error
        agentState = nil
        isAgentAlive = false
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
            isAgentAlive = true
            if let json = try? JSONValue(parsing: message.payload) { deliveries[index].take(progress: json) }
        default:
            if let ack = Acknowledgement(payload: message.payload) { return take(ack, index) }
        }
        return nil
    }

    private func takeStatus(_ payload: [UInt8]) {
        let before = isAgentOnline
        // The first one of a connection is what the broker kept.
        isAgentAlive = isAgentAlive || agentState != nil
        let status = try? JSONValue(parsing: payload)
        agentState = status?["state"]?.string
        outlook = AgentOutlook(status: status)
        if isAgentOnline && !before && isConnected { reachAgent() }
        if !isAgentOnline && before { loseAgent() }
        agentLostAt = isAgentOnline ? nil : agentLostAt ?? now
    }

    private func take(_ ack: Acknowledgement, _ index: Int) -> Ending? {
        hasHeardAgent = true
        guard deliveries[index].wasThere != nil else { return takeFirst(ack, index) }
        let wasSettled = deliveries[index].isSettled
        deliveries[index].take(ack, at: now)
        postponeWhatIsTooMany(index)
        // The next one's turn.
        if !wasSettled && deliveries[index].isSettled && mayReachAgent { reachAgent() }
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
        ending.isAgentAlive = isAgentAlive
        return ending
    }

    /// Whether the broker lets us read neither states nor status, as it is with senders in most ACLs.
    var isBlind: Bool { agentState == nil && !deliveries.contains(where: \.hasSeenState) }

    var isAgentOnline: Bool { agentState == "online" || agentState == "degraded" }

    /// Whether the agent is there, as far as can be known: who may not read its status asks it.
    var mayReachAgent: Bool {
        guard isConnected, let connectedAt else { return false }
        return isAgentOnline || agentState == nil && now - connectedAt >= Self.statusPatience
    }

    private func loseAgent() {
        for index in deliveries.indices {
            deliveries[index].isAsked = false
            deliveries[index].machine.agentLost()
        }
    }

    // MARK: - What goes out

    private func pump() throws(SourceFileError) {
        guard areAdmitted else {
            for index in deliveries.indices where !deliveries[index].isAdmitted { try pump(index) }
            return
        }
        if let current { try pump(current) }
    }

    private func pump(_ index: Int) throws(SourceFileError) {
        while handedOverBytes < Self.handedOverLimit, let action = deliveries[index].machine.next(at: now) {
            let file = deliveries[index].file
            switch action {
            case .initialize:
                deliveries[index].isBegun = true
                publish("init", file.document.encoded, index)
            case .send(let order, let range): try send(order, range, index)
            case .finish: publish("fin/\(file.source.size)/\(file.digest)", [], index)
            case .query: publish("query", [], index)
            case .abort: publish("abort", [], index)
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
            return Ending(.notYet, "The time limit came first\(absence)", hint: leavingHint)
        }
        guard isConnected else { return nil }
        if mayReachAgent { reachAgent(isAgain: false) }
        if let connectedAt, !hasHeardAgent, now - connectedAt >= Self.agentPatience, task.order.timeLimit == nil {
            return noAgent()
        }
        for index in deliveries.indices where deliveries[index].isAsked && deliveries[index].wasThere == nil {
            if now - deliveries[index].askedAt >= Self.questionInterval { ask(index) }
        }
        for index in deliveries.indices where deliveries[index].isDelivered {
            let interval = deliveries[index].hasSeenState ? Self.watchInterval : Self.blindWatchInterval
            guard now - deliveries[index].askedAt >= interval else { continue }
            deliveries[index].askedAt = now
            publish("query", [], index)
        }
        return nil
    }

    /// Who has been away, and for how long.
    private var absence: String {
        let away: (who: String, since: Duration)? =
            brokerLostAt.map { ("the broker", $0) } ?? agentLostAt.map { ("the agent", $0) }
        return away.map { "; \($0.who) has been away for \((now - $0.since).components.seconds) s" }
            ?? (isAgentSilent ? "; nothing has come of the agent for \((now - heardAt).components.seconds) s" : "")
    }

    private var isAgentSilent: Bool {
        isConnected && hasHeardAgent && handedOverBytes == 0 && now - heardAt >= Self.silencePatience
    }

    private func unreachable() -> Ending {
        let (text, hint) = task.route.tooLate(after: lastLoss)
        return Ending(.unreachable, text, hint: hint)
    }

    private func showProgress() {
        let surroundings = PushProgress.Surroundings(
            isConnected: isConnected,
            isAgentAway: connectedAt != nil && !isAgentOnline && agentState != nil,
            isAgentSilent: isAgentSilent,
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
