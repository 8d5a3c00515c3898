import FerryCore

/// One transfer with its history, for a person.
struct TransferReport {
    let state: JSONValue
    let events: [JSONValue]
    /// Whether publication rests for every transfer of the gateway.
    var isPausedForAll = false
    /// The commands that hints name.
    var followUp = FollowUp.plain

    private static let labelWidth = 14
    private static let standing: Set<String> = [
        "Transfer", "Product", "Version", "State", "Missing", "Paused", "Reason", "Hint", "Next attempt",
    ]

    /// The lines: broken between words at a terminal, elsewhere each as long as it is.
    func lines(terminal: Terminal) -> [String] {
        let history = history(terminal: terminal)
        return head(terminal: terminal) + (history.isEmpty ? [] : ["", "History"] + history)
    }

    /// How much is told.
    enum Extent {
        case all
        /// What it is, how it stands and why; for a small window.
        case standing
    }

    /// What is known of it now.
    ///
    /// - Parameters:
    ///   - newer: how far it is, where that is known better than from the state.
    ///   - count: how many bytes are here, where that is; which are missing is not known then.
    ///   - isReasonKnown: reason and hint are said elsewhere.
    func head(
        _ extent: Extent = .all,
        terminal: Terminal,
        progress newer: String? = nil,
        received count: Int64? = nil,
        isReasonKnown: Bool = false
    ) -> [String] {
        let row = TransferTable.Row(state: state, now: WallTime.now())
        let status = TransferStatus(json: state, followUp)
        var lines: [String] = []
        func add(_ label: String, _ value: String?) {
            guard let value, !value.isEmpty, extent == .all || Self.standing.contains(label) else { return }
            let head = ColumnText.padded(label, to: Self.labelWidth)
            let told = label == "Paused" || label == "Hint" ? followUp.attributed(value) : value
            lines += terminal.lines(of: ColumnText.printable(told), behind: head, columns: Self.labelWidth)
        }
        add("Transfer", row.id)
        add("File", state["file"]?.string)
        add("File ID", state["file_id"]?.string)
        add("Size", status?.size.map { "\(ByteCount(rawValue: $0)) (\($0) bytes)" })
        add("SHA-256", state["sha256"]?.string)
        for (label, member) in Self.firmwareMembers { add(label, Self.text(state["firmware"]?[member])) }
        add("Package", Self.packageText(state["firmware"]?["package"]))
        if state["firmware"]?["verify"]?.bool == false { add("Verification", "not asked for before it rolls out") }
        if let custom = state["firmware"]?["custom"], custom != .object([:]) { add("Custom data", custom.text) }
        let since = state["since"]?.string.map { " since \($0)" } ?? ""
        let done = newer ?? row.progress
        let progress = done.isEmpty ? "" : ", \(done) done"
        add("State", row.stateText.filter { $0 != "*" } + since + progress)
        if let color = row.color, let last = lines.popLast() { lines.append(terminal.colored(last, color)) }
        let received = ReceivedBytes(state: state)
        if count ?? 0 <= received.count { add("Missing", received.missingText) }
        if status?.state.isFinal == false {
            if status?.isPaused == true { add("Paused", "yes; \(followUp.command("resume", row.id)) lets it go on") }
            if isPausedForAll { add("Paused", "everything; \(followUp.command("resume")) lets all go on") }
        }
        if let reason = status?.reason, !isReasonKnown {
            add("Reason", "\(reason.text) (\(reason.code.rawValue))")
            add("Hint", hint(for: status, address: TransferAddress(parsing: row.id)) ?? reason.hint)
            add("Cloud's code", reason.cloudCode)
        }
        if let attempt = status?.attempt, attempt > 0 { add("Attempts", "\(attempt)") }
        add("Next attempt", state["cloud"]?["next_attempt"]?.string)
        add("Firmware ID", state["cloud"]?["firmware_id"]?.string)
        add("Request ID", state["cloud"]?["request_id"]?.string)
        return lines
    }

    private func hint(for status: TransferStatus?, address: TransferAddress?) -> String? {
        // The command that supplies what is missing ends the line, to be pasted.
        guard let status, let address, !(status.state == .held && status.needsMetadata) else { return nil }
        return PushHints.hint(for: status, address: address, followUp)
    }

    private static let firmwareMembers = [
        ("Product", "product"), ("ProductKey", "product_key"), ("Version", "version"), ("Name", "name"),
        ("Module", "module"), ("Type", "type"), ("From version", "source_version"), ("Description", "description"),
        ("Priority", "priority"),
    ]

    private static func text(_ value: JSONValue?) -> String? {
        guard let value else { return nil }
        if let number = value.integer { return number == 0 ? nil : "\(number)" }
        return value.string
    }

    private static func packageText(_ package: JSONValue?) -> String? {
        guard let id = package?["id"]?.string else { return nil }
        return id + (package?["files"]?.integer.map { ", \($0) \($0 == 1 ? "file" : "files")" } ?? "")
    }

    /// What happened, the oldest first. Where a person looks at it each is broken between words, at the terminal's width.
    ///
    /// - Parameter isReasonKnown: the reason that holds now was said before, and is not said again.
    func history(terminal: Terminal, isReasonKnown: Bool = false) -> [String] {
        let known = isReasonKnown ? state["reason"]?["text"]?.string : nil
        return TransferHistory(events: events).lines(terminal: terminal, known: known)
    }
}
