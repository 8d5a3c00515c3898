import FerryCore

/// What a person sees of a gateway: lines for a window.
struct WatchFrame {
    let gateway: Name
    let terminal: Terminal
    let size: Terminal.Size
    /// Said at the top while something is amiss with the connection.
    var connectionNote = ""
    var isConnected = true
    /// Whether an agent that said it is there does not answer.
    var isSilent = false
    /// What a person can do then.
    var silenceRemedy = AgentAway.remedy
    /// Whether it said that it goes, or the broker did in its place.
    var isAgentAway = false
    /// The commands that hints name.
    var followUp = FollowUp.plain
    /// Whether publication rests for every transfer, as one that is watched alone does not tell.
    var isPausedForAll = false
    /// Whether what happened before this was told too.
    var isHistoryWhole = true

    private static let hint = "q ends"
    private static let hintWhenPaused = "* paused   q ends"
    /// The line that moves, the hint, and empty ones beside them.
    private static let rowsBesideHead = 4
    /// Of notes there are as many lines in the smallest window.
    private static let leastNotes = 2
    /// A window with no more rows has no empty ones.
    private static let fewRows = 8
    /// Head, titles, two transfers and how many are not seen, the hint, and empty lines.
    private static let rowsBesideNotes = 8

    // MARK: - All transfers

    /// The whole gateway.
    func lines(_ board: WatchBoard, _ entries: [WatchBoard.Entry], now: WallTime) -> [String] {
        var lines = header(board)
        if size.rows > Self.fewRows { lines.append("") }
        let room = max(1, size.rows - lines.count - 2)
        if entries.isEmpty {
            lines.append(fitted("No transfers"))
        } else {
            // One line is for the titles, one for how many are not seen; a transfer is worth more than these.
            let isCut = entries.count > room - 1
            let shown = entries.prefix(max(1, isCut ? room - 2 : room - 1))
            let table = TransferTable(rows: shown.map { $0.row(now: now) }, style: .watch)
            let isCounted = isCut && room > 1
            lines += table.lines(columns: size.columns, terminal: terminal).suffix(isCounted ? room - 1 : room)
            if isCounted {
                lines.append(terminal.faint(fitted("\(terminal.ellipsis) \(entries.count - shown.count) more")))
            }
        }
        let isPaused = entries.contains { $0.status.isPaused && !$0.status.state.isFinal }
        return withFooter(lines, isPaused ? Self.hintWhenPaused : Self.hint)
    }

    /// How the agent is, and what hinders it.
    private func header(_ board: WatchBoard) -> [String] {
        let agent = board.agent
        let said = ColumnText.printable(agent?["state"]?.string ?? "not heard of")
        let state = !isConnected ? "not connected" : isSilent ? "not answering" : said
        var parts: [String] = []
        func count(_ member: String, _ word: String) {
            guard let number = agent?["queue"]?[member]?.count, number > 0 else { return }
            parts.append("\(number) \(word)")
        }
        count("receiving", "receiving")
        count("publishing", "publishing")
        count("stored", "stored")
        if let used = agent?["spool"]?["used"]?.count, let quota = agent?["spool"]?["quota"]?.count {
            parts.append("spool \(ByteCount(rawValue: used)) of \(ByteCount(rawValue: quota))")
        }
        var text = "\(gateway)  \(state)"
        for part in parts where ColumnText.width(text) + ColumnText.width(part) + 3 <= size.columns {
            text += "   \(part)"
        }
        text = fitted(text)
        // Colors come last: what has one is not cut.
        let name = "\(gateway)  \(state)"
        if text.hasPrefix(name) {
            let color: Terminal.Color = state == "online" ? .green : state == "degraded" ? .yellow : .red
            text = terminal.strong("\(gateway)") + "  " + terminal.colored(state, color) + text.dropFirst(name.count)
        }
        // Transfers have the greater part of the window.
        let least = size.rows > Self.fewRows ? Self.leastNotes : 1
        let limit = max(least, min(size.rows / 2 - 1, size.rows - Self.rowsBesideNotes))
        let notes = notes(board)
        guard notes.count > limit else { return [text] + notes.map(colored) }
        return [text] + notes.prefix(limit - 1).map(colored) + [colored(last(notes[limit - 1], before: notes[limit]))]
    }

    /// The last line of a note that has room; that it goes on shows, unless a sentence ends there.
    private func last(_ line: String, before next: String) -> String {
        guard next.hasPrefix(Self.noteMargin), line.last != "." else { return line }
        var words = line.split(separator: " ", omittingEmptySubsequences: false)
        while words.count > 1,
            ColumnText.width((words + [""]).joined(separator: " ") + terminal.ellipsis) > size.columns
        {
            words.removeLast()
        }
        return fitted(words.joined(separator: " ") + " " + terminal.ellipsis)
    }

    /// Before what begins a note, and before what goes on.
    private static let noteMark = "! "
    private static let noteMargin = "  "

    /// Why nothing new may come, or empty.
    private var agentNote: String {
        // As it goes down, the broker says that the agent does.
        guard isConnected else { return connectionNote }
        if isSilent { return "The agent does not answer. " + silenceRemedy }
        return isAgentAway ? "The agent is away. " + AgentAway.remedy : ""
    }

    private func colored(_ note: String) -> String { terminal.colored(note, .yellow) }

    /// What a person should know, and what to do about it, what matters most first. Nothing of it is cut in a narrow
    /// window: it takes more lines.
    private func notes(_ board: WatchBoard) -> [String] {
        var notes = [agentNote]
        let counts = [(TransferState.held, "held"), (.failed, "failed")].compactMap { state, word in
            // What is said of an agent that is away does not count its transfers.
            let count =
                board.agent?["queue"]?[word]?.count
                ?? Int64(board.entries.values.count { $0.status.state == state })
            return count > 0 ? "\(count) \(word)" : nil
        }
        if !counts.isEmpty {
            notes.append(counts.joined(separator: ", ") + ": \(followUp.command("show", "ID")) tells what to do")
        }
        for problem in board.agent?["problems"]?.array ?? [] {
            let words = [problem["text"]?.string ?? "", followUp.completed(problem["hint"]?.string ?? "")].map(
                ColumnText.printable
            )
            notes.append(words.filter { !$0.isEmpty }.joined(separator: ": "))
        }
        return notes.filter { !$0.isEmpty }.flatMap { noteLines($0) }
    }

    /// A note in as many lines as it takes.
    private func noteLines(_ note: String) -> [String] {
        ColumnText.broken(note, to: max(1, size.columns - 2)).enumerated().map { index, piece in
            fitted((index == 0 ? Self.noteMark : Self.noteMargin) + piece)
        }
    }

    // MARK: - One transfer

    /// One transfer: what is known, how it moves, what happened.
    func lines(_ entry: WatchBoard.Entry, events: [JSONValue], now: WallTime) -> [String] {
        var report = TransferReport(state: entry.document, events: events)
        report.followUp = followUp
        report.isPausedForAll = isPausedForAll
        let row = entry.row(now: now)
        func head(_ extent: TransferReport.Extent) -> [String] {
            report.head(extent, terminal: plain, progress: row.progress, received: entry.movement?.done).map(fitted)
        }
        var lines = head(.all)
        // How it stands and what to do comes before what never changes.
        if lines.count > size.rows - Self.rowsBesideHead { lines = head(.standing) }
        if !agentNote.isEmpty { lines.insert(contentsOf: noteLines(agentNote).map(colored), at: 0) }
        lines.append("")
        if let share = row.share, let total = entry.status.size {
            let bar = ProgressLine(
                phase: entry.status.state.rawValue,
                done: Int64(share * Double(total)),
                total: total,
                rate: entry.movement?.rate,
                remaining: entry.movement?.remaining
            )
            lines.append(terminal.colored(bar.text(columns: size.columns, isUnicode: terminal.isUnicode), .cyan))
        } else if let next = entry.status.nextAttempt, next > now, !entry.status.state.isFinal {
            // Why it waits stands above.
            let line = ProgressLine(phase: row.stateText, note: "next attempt in \(ColumnText.clock(next - now))")
            let text = line.text(columns: size.columns, isUnicode: terminal.isUnicode)
            lines.append(terminal.colored(text, row.color ?? .cyan))
        } else {
            lines.removeLast()
        }
        let history = report.history(terminal: plain, isReasonKnown: true)
        let room = size.rows - lines.count - 3
        if isHistoryShown(history) && room > 1 {
            lines += ["", fitted(historyTitle)] + Self.newest(history, room - 1).map(fitted)
        }
        return withFooter(lines, Self.hint)
    }

    /// What stays of one that has ended: what it was and what happened. Why it has ended is said below.
    func remains(_ entry: WatchBoard.Entry, events: [JSONValue]) -> [String] {
        let report = TransferReport(state: entry.document, events: events)
        func head(_ extent: TransferReport.Extent) -> [String] {
            report.head(extent, terminal: plain, isReasonKnown: true)
        }
        let room = size.rows - Self.rowsOfEnding
        var lines = head(.all)
        if lines.count > room { lines = head(.standing) }
        let history = report.history(terminal: plain, isReasonKnown: true)
        // One for the title, and an empty one.
        if isHistoryShown(history), room - lines.count > 2 {
            lines += ["", fitted(historyTitle)] + Self.newest(history, room - lines.count - 2)
        }
        return lines
    }

    private func isHistoryShown(_ history: [String]) -> Bool { !history.isEmpty || !isHistoryWhole }

    private var historyTitle: String {
        isHistoryWhole ? "History" : "History from now on; what was before is told to operators"
    }

    /// The last lines of a history, without the end of what does not begin in them.
    private static func newest(_ history: [String], _ count: Int) -> [String] {
        Array(history.suffix(count).drop { $0.hasPrefix(TransferHistory.margin) })
    }

    /// The sentence that says how it ended, with the hint and what the shell writes next.
    private static let rowsOfEnding = 7

    /// Colors would be cut in the middle.
    private var plain: Terminal {
        var terminal = terminal
        terminal.hasColor = false
        terminal.fixedWidth = size.columns
        return terminal
    }

    // MARK: - Lines

    private func fitted(_ text: String) -> String {
        ColumnText.fitted(text, to: size.columns, ellipsis: terminal.ellipsis)
    }

    /// The lines, and the hint in the last row of the window.
    private func withFooter(_ lines: [String], _ hint: String) -> [String] {
        guard size.rows > 3 else { return Array(lines.prefix(size.rows)) }
        var lines = Array(lines.prefix(size.rows - 2))
        lines += Array(repeating: "", count: size.rows - 1 - lines.count)
        return lines + [terminal.faint(fitted(hint))]
    }
}
