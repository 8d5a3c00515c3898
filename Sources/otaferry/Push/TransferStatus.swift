import FerryCore

/// What a message tells of a transfer, of all that is in a `state` message.
struct TransferStatus: Sendable, Equatable {
    var state: TransferState
    var seq: Int64
    var size: Int64?
    var reason: Reason?
    var sent: Int64 = 0
    var attempt: Int64 = 0
    var nextAttempt: WallTime?
    var isPaused = false
    var firmwareID: String?
    /// Whether a `state` message said so.
    var isWhole = false

    /// What an acknowledgement says of it, where that is all we may read.
    var told = ""

    /// What an acknowledgement tells: less.
    init(state: TransferState, seq: Int64, told: String = "") {
        self.state = state
        self.seq = seq
        self.told = told
    }

    /// Reads the payload of a `state` message; nil when it is none.
    init?(payload: [UInt8], _ followUp: FollowUp = .plain) {
        guard let json = try? JSONValue(parsing: payload) else { return nil }
        self.init(json: json, followUp)
    }

    /// Reads the document of a `state` message; nil when it is none.
    init?(json: JSONValue, _ followUp: FollowUp = .plain) {
        guard let state = json["state"]?.string.flatMap(TransferState.init(rawValue:)) else { return nil }
        self.init(state: state, seq: json["seq"]?.integer ?? 0)
        size = json["size"]?.fileBytes
        reason = json["reason"].flatMap(Reason.init(json:))
        let names = [json["sender"], json["id"]].compactMap { $0?.string.flatMap { Name($0) } }
        if let reason, names.count == 2 {
            let address = TransferAddress(sender: names[0], id: names[1])
            self.reason?.hint = DescribeHint.hint(
                for: reason,
                firmware: json["firmware"],
                address: address,
                followUp
            )
        }
        sent = json["cloud"]?["sent"]?.fileBytes ?? 0
        attempt = json["cloud"]?["attempt"]?.count ?? 0
        nextAttempt = json["cloud"]?["next_attempt"]?.string.flatMap(WallTime.init(iso8601:))
        isPaused = json["paused"]?.bool ?? false
        firmwareID = json["cloud"]?["firmware_id"]?.string
        isWhole = true
    }

    /// Whether an attempt is under way, and the reason is that of the one before.
    var isTriedAgain: Bool { state == .registering && reason != nil && nextAttempt == nil && !isPaused }

    /// Whether product or version are not known.
    var needsMetadata: Bool { reason?.code == .needsMetadata && reason?.cloudCode == nil }

    /// Whether a failed one can only be sent again: the bytes of what the gateway refused are not kept, nor those that
    /// cannot be read back as they were written. The cloud has some reasons of the same name.
    var areBytesGone: Bool {
        guard state == .failed, let reason else { return false }
        let isDamaged = reason.code == .spoolDamaged && reason.kind == .permanent
        return isDamaged || attempt == 0 && ReasonCode.inAcknowledgements.contains(reason.code)
    }

    /// What a person should know while it waits, or empty.
    ///
    /// - Parameter isLive: shown until the next one comes, so the time that is left may be counted down.
    func waitingNote(
        of address: TransferAddress,
        now: WallTime,
        isLive: Bool = true,
        _ followUp: FollowUp = .plain
    ) -> String {
        guard !state.isFinal else { return "" }
        if isPaused { return "publication is paused; \(followUp.command("resume", address)) lets it go on" }
        guard state == .stored || state == .held || state == .registering else { return "" }
        guard let reason else { return ColumnText.printable(told) }
        let text = ColumnText.printable(reason.text)
        guard let nextAttempt else { return text }
        // Said once for each attempt.
        guard isLive else { return text + "; next attempt at \(nextAttempt.iso8601Seconds)" }
        // First what moves: in a narrow window the end is cut.
        guard nextAttempt > now else { return "next attempt when its turn comes: " + text }
        return "next attempt in \(ColumnText.clock(nextAttempt - now + .milliseconds(999))): " + text
    }
}
