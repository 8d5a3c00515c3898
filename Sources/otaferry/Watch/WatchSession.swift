import Broker
import FerryCore
import Glibc

/// One `otaferry watch`, on the thread that calls: listens, and shows what it hears.
struct WatchSession: ~Copyable {
    /// What is watched, and how.
    struct Task: Sendable {
        var route: BrokerRoute
        var filter: TransferFilter
        /// Only transfers of this sender.
        var sender: Name?
        /// Only this one, until it ends.
        var address: TransferAddress?
        /// The same, where the agent may not be asked which that is.
        var reference: TransferReference?
        /// What happened to it before.
        var events: [JSONValue] = []
        var timeLimit: Duration?
    }

    /// How it is shown.
    enum Mode: Sendable {
        case screen(Terminal)
        case lines
        case json
    }

    /// How it ended.
    struct Ending: Sendable {
        var exit: ProgramExit
        var text = ""
        var hint = ""
        /// What stays on the terminal.
        var lastLines: [String] = []
    }

    /// What the broker keeps comes within this time after a connection.
    private static let replayLimit = Duration.seconds(2)
    /// An agent that says nothing of itself for so long is none.
    private static let agentPatience = Duration.seconds(5)
    /// The screen is drawn at most so often; ages and times are counted every second.
    private static let drawInterval = Duration.milliseconds(200)
    private static let clockInterval = Duration.seconds(1)
    /// As many events of one transfer are kept.
    private static let eventsLimit = 200

    private var task: Task
    private let mode: Mode
    private let mailbox: Mailbox
    private var board: WatchBoard
    private var screen = FullScreen()
    private var events: [JSONValue]
    private let started = ContinuousClock.now
    private var connectedAt: Duration?
    private var isConnected = false
    /// Why the last attempt to connect failed.
    private var lastLoss: LinkError?
    /// Whether the agent answers; nil: not known yet.
    private var pulse: AgentPulse?
    private var mustDropStale = false
    /// Whether it is not known yet which transfer is watched.
    private var isSought: Bool { task.reference != nil && task.address == nil }
    private var isDirty = true
    private var drawnAt = Duration.seconds(-1)
    private var drawnSize: Terminal.Size?

    init(task: Task, mode: Mode, mailbox: Mailbox) {
        self.task = task
        self.mode = mode
        self.mailbox = mailbox
        board = WatchBoard(root: task.route.root, followUp: task.route.followUp)
        events = task.events
    }

    /// The topics to listen to.
    static func topics(_ task: Task) -> [String] {
        let root = task.route.root
        let which = task.address.map(\.description) ?? "\(task.sender?.text ?? "+")/+"
        return ["status", "state/\(which)", "progress/\(which)", "event/\(which)"].map { "\(root)/\($0)" }
    }

    private var now: Duration { ContinuousClock.now - started }

    /// Runs to the end, and leaves the terminal as it was.
    mutating func run() -> Ending {
        let ending = loop()
        screen.leave()
        return ending
    }

    private mutating func loop() -> Ending {
        while true {
            if Interruption.isRequested || screen.key().map(Self.isFarewell) ?? false { return left() }
            // Nothing of what comes would be seen.
            if OutputFailure.isNoted { return Ending(exit: .outputFailed) }
            if OutputFailure.isReaderGone {
                // As a write would end it, where that signal is not ignored.
                raise(SIGPIPE)
                return Ending(exit: .done)
            }
            if Interruption.takeSuspension() { suspend() }
            for item in mailbox.take(waiting: .milliseconds(100)) {
                if let ending = take(item) { return ending }
            }
            if let ending = checkTimes() { return ending }
            if case .screen(let terminal) = mode { draw(terminal) }
        }
    }

    private static func isFarewell(_ key: UInt8) -> Bool { key == UInt8(ascii: "q") || key == UInt8(ascii: "Q") }

    private func left() -> Ending {
        guard let address = task.address else {
            return isOfAll ? Ending(exit: .done, lastLines: lastLines()) : Ending(exit: .notYet, text: "Interrupted")
        }
        return Ending(
            exit: .notYet,
            text: "Interrupted",
            hint: task.reference == nil
                ? "\(task.route.followUp.command("show", address)) tells how it goes on"
                : "\(task.route.followUp.command("watch", address)) shows how it goes on",
            lastLines: lastLines()
        )
    }

    /// Ctrl-Z: the shell gets its screen, and this one is drawn anew when it goes on.
    private mutating func suspend() {
        screen.leave()
        kill(getpid(), SIGSTOP)
        isDirty = true
        drawnSize = nil
    }

    // MARK: - What comes in

    private mutating func take(_ item: Mailbox.Item) -> Ending? {
        switch item {
        case .message(let message):
            guard let change = board.take(topic: message.topic, payload: message.payload) else { return nil }
            isDirty = true
            return take(change)
        case .pulse(let pulse): take(pulse)
        case .event(.connected):
            if connectedAt != nil { sayConnection("is back", true) }
            isConnected = true
            connectedAt = now
            mustDropStale = true
            isDirty = true
        case .event(.lost(let error)):
            let wasConnected = connectedAt != nil
            lastLoss = error
            if isConnected {
                board.connectionLost()
                sayConnection("is lost; trying again", false)
            }
            isConnected = false
            pulse = nil
            isDirty = true
            guard !wasConnected && task.timeLimit == nil else { return nil }
            return Ending(
                exit: .unreachable,
                text: error.text,
                hint: task.route.hint(for: error)
            )
        case .event(.refused(let error)):
            let isForbidden = error.code == .notAuthorized || error.code == .subscriptionRefused
            return Ending(
                exit: isForbidden ? .notAllowed : .unreachable,
                text: error.text,
                hint: error.code == .subscriptionRefused
                    ? "The broker's ACL needs for \(task.route.account): "
                        + Self.topics(task).map { "topic read \($0)" }.joined(separator: ", ")
                        + ". --sender limits what is asked for"
                    : "--username and --password-file say who you are"
            )
        case .event(.acknowledged), .event(.hasRoomAgain): break
        }
        return nil
    }

    private func sayConnection(_ words: String, _ isConnected: Bool) {
        say(
            "\(WallTime.now().iso8601)  the connection to the broker \(words)",
            ["event": "connection", "connected": .bool(isConnected)]
        )
    }

    /// What the broker keeps of an agent that hangs says that it is online.
    private mutating func take(_ new: AgentPulse) {
        let wasBroken = pulse?.isBroken == true
        pulse = new
        isDirty = true
        guard isConnected, new.isBroken != wasBroken, isAgentSaidToBeThere else { return }
        say(
            "\(WallTime.now().iso8601)  \(task.route.gateway) \(new.isBroken ? "does not answer" : "answers again")",
            ["event": "pulse", "answers": .bool(!new.isBroken)]
        )
    }

    private var isAgentSaidToBeThere: Bool { ["online", "degraded"].contains(board.agent?["state"]?.string) }

    private mutating func take(_ change: WatchBoard.Change) -> Ending? {
        switch change {
        case .state(let address):
            if isSought { return find(isReplayOver: false) }
            guard let entry = board.entries[address] else { return nil }
            if isMeant(entry) { say(entry.sentence, ["event": "state", "state": entry.document]) }
            return ending(of: entry)
        case .repeated(let address):
            guard case .json = mode, let entry = board.entries[address], isMeant(entry) else {
                return nil
            }
            say("", ["event": "state", "state": entry.document])
        case .forgotten(let address): return forgotten(address)
        case .progress(let address, let json):
            guard case .json = mode, let entry = board.entries[address], isMeant(entry) else {
                return nil
            }
            say(
                "",
                ["event": "progress", "sender": .string(address.sender.text), "progress": json]
            )
        case .event(let address, let json):
            guard address == task.address else { return nil }
            let seq = json["seq"]?.integer
            guard seq == nil || !events.contains(where: { $0["seq"]?.integer == seq && $0["event"] == json["event"] })
            else { return nil }
            events = (events + [json]).suffix(Self.eventsLimit)
        case .agent:
            let state = ColumnText.printable(board.agent?["state"]?.string ?? "")
            if state != saidAgentState {
                saidAgentState = state
                say("\(WallTime.now().iso8601)  \(task.route.gateway) is \(state)", nil)
            }
            if board.isPaused != saidPause {
                saidPause = board.isPaused
                let resume = task.route.followUp.attributed(task.route.followUp.command("resume"))
                let words =
                    saidPause ? "everything is paused; \(resume) lets all go on" : "nothing is paused for all any more"
                say("\(WallTime.now().iso8601)  \(words)", nil)
            }
            if case .json = mode { say("", ["event": "status", "status": board.agent ?? .null]) }
        }
        return nil
    }

    private var saidAgentState = ""
    private var saidPause = false

    private func isMeant(_ entry: WatchBoard.Entry) -> Bool {
        !isSought && task.address.map { $0 == entry.address } ?? true && task.filter.fits(entry.document)
    }

    /// Looks among what the broker keeps for the transfer that is watched: the whole address is found as soon as it is there,
    /// what else is typed may mean another one until all has come.
    private mutating func find(isReplayOver: Bool) -> Ending? {
        guard let reference = task.reference else { return nil }
        let found = board.entries.keys.filter { isReplayOver || $0.description == reference.text }
        guard isReplayOver || !found.isEmpty else { return nil }
        do throws(CommandClient.Failure) {
            let list = task.route.followUp.command("watch")
            let whose = "of which \(task.route.account) may read"
            let address = try reference.address(among: found, remedy: "\(list) shows those \(whose)")
            task.address = address
            guard let entry = board.entries[address] else { return nil }
            if isMeant(entry) { say(entry.sentence, ["event": "state", "state": entry.document]) }
            return ending(of: entry)
        } catch {
            return Ending(exit: error.exit, text: error.text, hint: error.hint)
        }
    }

    private mutating func forgotten(_ address: TransferAddress) -> Ending? {
        guard !isSought, task.address.map({ $0 == address }) ?? true else { return nil }
        say(
            "\(WallTime.now().iso8601)  \(address)  forgotten",
            ["event": "forgotten", "sender": .string(address.sender.text), "id": .string(address.id.text)]
        )
        guard address == task.address else { return nil }
        return Ending(
            exit: .failed,
            text: "The agent has forgotten \(address)",
            hint: "It was purged, or its time was over"
        )
    }

    /// Where one transfer is watched: whether it has come to its end.
    private func ending(of entry: WatchBoard.Entry) -> Ending? {
        guard entry.address == task.address, entry.status.state.isFinal else { return nil }
        let row = TransferTable.Row(state: entry.document, now: WallTime.now())
        let isDone = entry.status.state == .registered
        let id = entry.status.firmwareID.map { " as \(ColumnText.printable($0))" } ?? ""
        return Ending(
            exit: isDone ? .done : .failed,
            text: "\(entry.address) is \(entry.status.state.rawValue)"
                + (isDone ? id : row.reason.isEmpty ? "" : ": \(row.reason)"),
            hint: isDone ? "" : PushHints.hint(for: entry.status, address: entry.address, task.route.followUp),
            lastLines: remains(of: entry)
        )
    }

    private func remains(of entry: WatchBoard.Entry) -> [String] {
        guard case .screen(let terminal) = mode, drawnSize != nil else { return [] }
        var frame = WatchFrame(gateway: task.route.gateway, terminal: terminal, size: terminal.size)
        frame.isHistoryWhole = task.reference == nil
        return frame.remains(entry, events: events)
    }

    private var isOfAll: Bool { task.address == nil && task.reference == nil }

    private mutating func checkTimes() -> Ending? {
        if let limit = task.timeLimit, now >= limit {
            guard connectedAt != nil else {
                let (text, hint) = task.route.tooLate(after: lastLoss)
                return Ending(exit: .unreachable, text: text, hint: hint)
            }
            if board.agent == nil && board.entries.isEmpty { return noAgent() }
            return Ending(
                exit: isOfAll ? .done : .notYet,
                text: isOfAll ? "" : "The time limit came first",
                lastLines: lastLines()
            )
        }
        guard isConnected, let connectedAt else { return nil }
        if mustDropStale && now - connectedAt >= Self.replayLimit {
            mustDropStale = false
            for address in board.dropStale() {
                isDirty = true
                if let ending = forgotten(address) { return ending }
            }
        }
        if isSought, now - connectedAt >= Self.replayLimit, board.agent != nil || !board.entries.isEmpty {
            if let ending = find(isReplayOver: true) { return ending }
        }
        // Who may read states alone sees them without a word of the agent itself.
        guard board.agent == nil, board.entries.isEmpty, now - connectedAt >= Self.agentPatience, task.timeLimit == nil
        else { return nil }
        return noAgent()
    }

    private func noAgent() -> Ending {
        let failure = AgentPulse.nothingHeard(on: "\(task.route.root)/status", pulse, task.route)
        return Ending(exit: failure.exit, text: failure.text, hint: failure.hint)
    }

    // MARK: - What goes out

    private func say(_ line: String, _ object: [String: JSONValue]?) {
        switch mode {
        case .screen: break
        case .lines: if !line.isEmpty { Terminal.write(line + "\n") }
        case .json: if let object { Console.answer(.object(object)) }
        }
    }

    private mutating func draw(_ terminal: Terminal) {
        // Nothing to see yet: an error is better read on the screen that stays.
        guard !isSought, board.agent != nil || !board.entries.isEmpty else { return }
        let size = terminal.size
        let elapsed = now - drawnAt
        guard size != drawnSize || isDirty && elapsed >= Self.drawInterval || elapsed >= Self.clockInterval else {
            return
        }
        isDirty = false
        drawnAt = now
        drawnSize = size
        screen.enter()
        screen.draw(lines(terminal, size), size)
    }

    private func lines(_ terminal: Terminal, _ size: Terminal.Size) -> [String] {
        var frame = WatchFrame(gateway: task.route.gateway, terminal: terminal, size: size)
        frame.followUp = task.route.followUp
        frame.isHistoryWhole = task.reference == nil
        frame.isPausedForAll = board.isPaused
        frame.isConnected = isConnected
        frame.isAgentAway = board.agent?["state"]?.string == "offline"
        frame.isSilent = pulse?.isBroken == true && isAgentSaidToBeThere
        if let pulse { frame.silenceRemedy = pulse.remedy(task.route) }
        if !isConnected {
            frame.connectionNote = "The connection to the broker is lost; trying again. Below is what was heard last"
        }
        let now = WallTime.now()
        guard let address = task.address else { return frame.lines(board, shown, now: now) }
        return board.entries[address].map { frame.lines($0, events: events, now: now) } ?? ["No word of \(address) yet"]
    }

    private var shown: [WatchBoard.Entry] { board.sorted { task.filter.fits($0.document) } }

    /// The picture that stays when the screen is gone: what was seen last, without the empty rows.
    private func lastLines() -> [String] {
        guard case .screen(let terminal) = mode, drawnSize != nil else { return [] }
        var lines = lines(terminal, terminal.size)
        if lines.count > 3 { lines.removeLast() }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }
}
