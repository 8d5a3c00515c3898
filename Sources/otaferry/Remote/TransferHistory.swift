import FerryCore

/// What happened to a transfer, for a person.
struct TransferHistory {
    let events: [JSONValue]

    /// The oldest first; broken between words at a terminal.
    ///
    /// - Parameter known: a reason that was said before, and is not said again at the end.
    func lines(terminal: Terminal, known: String? = nil) -> [String] {
        var told = told
        if let last = told.last, last.why == known { told[told.count - 1].why = "" }
        return told.flatMap { lines(of: $0, terminal) }
    }

    private struct Line {
        var event: JSONValue
        var why: String
    }

    /// What is worth a line: no event that says nothing new, and attempts that end as the one before are counted.
    private var told: [Line] {
        var lines: [Line] = []
        /// The attempt that runs, and the last that failed.
        var attempt: [Line] = []
        var failed: [String]?
        var repeats = 0
        var former: JSONValue?
        for event in events {
            defer { former = event }
            // An older agent told what an operator changed without saying what it was.
            let isReasonNew = former?.object?["reason"] != event.object?["reason"]
            let kind = event["event"]?.string
            let change = event["change"]?.string
            let isRepeated = kind == "state" && former?["state"] == event["state"] && !isReasonNew
            if isRepeated && change == nil { continue }
            // That it will be tried again was said with the state that it went back to.
            if kind == "retry", !isReasonNew, former?["seq"] == event["seq"], former?["event"]?.string == "state" {
                continue
            }
            attempt.append(Line(event: event, why: Self.why(event, isReasonNew: isReasonNew)))
            let state = event["state"]?.string.flatMap(TransferState.init(rawValue:))
            guard kind == "retry" || change != nil || state?.isPublishing != true else { continue }
            let pattern = attempt.map { Self.pattern(of: $0.event) }
            let isFailure = change == nil && kind != "gap" && !Self.text(of: event).isEmpty && !Self.isWait(event)
            // The first attempt to register has come from the upload.
            if isFailure, failed?.suffix(pattern.count).elementsEqual(pattern) == true, let last = attempt.last {
                repeats += 1
                if repeats > 1 { lines.removeLast() }
                let times = repeats == 1 ? "The next attempt ended so too" : "\(repeats) more attempts ended so"
                lines.append(Line(event: last.event, why: times))
            } else {
                lines += attempt
                repeats = 0
                failed = isFailure ? pattern : nil
            }
            attempt = []
        }
        return lines + attempt
    }

    /// Whether it waits for something without having tried.
    private static func isWait(_ event: JSONValue) -> Bool {
        let code = event["reason"]?["code"]?.string.map(ReasonCode.init(rawValue:))
        return [.packageIncomplete, .outsideWindow, .paused].contains(code)
    }

    /// The same for what differs by a figure only, such as the milliseconds that a connection took.
    private static func pattern(of event: JSONValue) -> String {
        var pattern = "\(event["event"]?.string ?? "") \(event["state"]?.string ?? "") "
        for character in text(of: event) {
            let shown: Character = character.isNumber ? "0" : character
            if shown != "0" || pattern.last != "0" { pattern.append(shown) }
        }
        return pattern
    }

    /// Wide enough for a moment, and for a state.
    private static let momentWidth = 24
    private static let stateWidth = 12
    private static let indent = 2
    /// What begins with more blanks than an event goes on with the one before.
    static let margin = String(repeating: " ", count: 2 * indent)

    private func lines(of line: Line, _ terminal: Terminal) -> [String] {
        let event = line.event
        let blank = String(repeating: " ", count: Self.indent)
        let at = ColumnText.padded(ColumnText.printable(event["at"]?.string ?? ""), to: Self.momentWidth)
        let kind = event["event"]?.string ?? ""
        let what = ColumnText.printable(kind == "state" ? event["state"]?.string ?? "" : kind)
        let head = blank + at + blank + ColumnText.padded(what, to: Self.stateWidth) + blank
        let columns = ColumnText.width(head)
        let why = ColumnText.printable(line.why)
        guard !why.isEmpty else { return [head.trimmingTrailingBlanks] }
        guard terminal.isInteractive, terminal.room(behind: columns) == nil else {
            return terminal.lines(of: why, behind: head, columns: columns)
        }
        // No room beside the moment: below it.
        let margin = 2 * Self.indent
        return [head.trimmingTrailingBlanks]
            + ColumnText.broken(why, to: max(1, terminal.width - margin)).map { blank + blank + $0 }
    }

    private static func text(of event: JSONValue) -> String {
        event["reason"]?.string ?? event["reason"]?["text"]?.string ?? ""
    }

    private static func why(_ event: JSONValue, isReasonNew: Bool) -> String {
        let text = text(of: event)
        guard let change = event["change"]?.string else { return text }
        let what =
            switch change {
            case "paused": "Paused by an operator"
            case "resumed": "Resumed by an operator"
            case "retried": "Tried again at the wish of an operator"
            case "described": "Described by an operator"
            case "prioritized": "Given another priority by an operator"
            case "restarted": "The agent was started again in the middle of it"
            default: change
            }
        // Most often the reason is that of the state, which was there before.
        return what + (isReasonNew && !text.isEmpty ? ": \(text)" : "")
    }
}
