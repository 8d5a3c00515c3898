import FerryCore

/// One file on its way: what the agent said of it, and what is sent next.
struct Delivery {
    let file: PushFile
    let topics: PushTopics
    private let segment: Int64

    var machine: SendingMachine
    /// The newest state that is known.
    var latest: TransferStatus?
    /// The `seq` of the agent's last answer. States come on another way, and an older one may come later.
    private var answeredSeq: Int64 = 0
    /// The state that the person was told of last.
    var announced: TransferStatus?
    /// What the agent says of the running upload.
    private(set) var upload: Upload?
    /// When its first message went out.
    var begunAt: Duration?
    /// When the upload that is under way, or was last, was first seen.
    private(set) var uploadBegunAt: Duration?
    /// Whether it was seen to begin: how long it took is known then.
    private(set) var isUploadWhole = false
    /// Whether it was not yet at its end when the agent first told of it.
    private(set) var wasSeenOpen = false
    /// Whether a byte of it was sent by this push.
    var hasSent = false
    /// Whether the broker lets us read its state.
    var hasSeenState = false
    /// Whether the agent was asked over this connection what it has of the file.
    var isAsked = false
    /// Whether it had something before this push; nil until it said so.
    var wasThere: Bool?
    /// Whether `init` went out.
    var isBegun = false
    /// Whether the agent takes the file, or has it.
    var isAdmitted = false
    /// Whether the agent has forgotten it, as this push asked.
    var isTakenBack = false
    /// The file as it was when its content was last known to be what is sent.
    var stamp: FirmwareSource.Stamp
    /// Whether the agent has found other bytes than were announced, or than came before.
    var isDoubted = false
    /// When the agent refused it for now.
    var refusedAt: Duration?
    /// Why it did, until it takes the file.
    var refusedWords: String?
    /// When it came to an end whose reason is not known yet.
    var endedAt: Duration?
    /// When the agent was last asked how it is.
    var askedAt = Duration.zero

    /// How far an upload is.
    struct Upload {
        var sent: Int64
        /// Bytes a second.
        var rate: Double?
        var remaining: Duration?
    }

    init(_ file: PushFile, root: String, segment: Int64) {
        self.file = file
        self.segment = segment
        topics = PushTopics(root: root, address: file.address)
        machine = Self.machine(file, segment)
        stamp = file.source.stamp
    }

    private static func machine(_ file: PushFile, _ segment: Int64) -> SendingMachine {
        var limits = SendingMachine.Limits()
        limits.segment = segment
        return SendingMachine(size: file.source.size, limits: limits)
    }

    /// Forgets what was sent and what was answered.
    mutating func beginAnew() { machine = Self.machine(file, segment) }

    var size: Int64 { file.source.size }

    /// Whether the agent has every byte.
    var isDelivered: Bool { if case .delivered = machine.phase { true } else { false } }

    /// Whether nothing more is to be sent, for better or worse.
    var isSettled: Bool {
        switch machine.phase {
        case .delivered, .refused: true
        case .away, .opening, .open: false
        }
    }

    /// Where it stands once it is delivered.
    var state: TransferState? {
        guard case .delivered(let told) = machine.phase else { return nil }
        return latest?.state ?? told
    }

    /// Whether all that the agent has of it is what the `init` of this push has opened.
    var isForgettable: Bool {
        if case .refused = machine.phase, !isAdmitted { return false }
        return wasThere == false && isBegun && !isDelivered && machine.received == 0
    }

    /// What became of it, for programs.
    var outcome: JSONValue {
        let isReceiving = isAdmitted && isBegun && !isTakenBack && machine.phase != .away
        let state = state ?? (isReceiving ? .receiving : nil)
        return [
            "id": .string(file.address.id.text), "sender": .string(file.address.sender.text),
            "file": .string(file.source.name), "state": .text(state?.rawValue),
            "firmware_id": .text(state == .registered ? latest?.firmwareID : nil),
        ]
    }

    /// Bytes that the cloud has of it.
    var uploaded: Int64 {
        switch state {
        case .registering, .registered: size
        case .uploading: min(size, max(upload?.sent ?? 0, latest?.sent ?? 0))
        default: 0
        }
    }

    /// A `state` message came, in the order in which the agent said it. What the broker kept of another spool comes first,
    /// and the agent's own answer corrects it.
    mutating func take(_ status: TransferStatus, at now: Duration) {
        hasSeenState = true
        guard !isDelivered || status.seq >= answeredSeq else { return }
        let former = latest?.state
        latest = status
        if !status.state.isFinal { wasSeenOpen = true }
        if status.state == .uploading {
            // One that begins anew after a pause, or a restart of the agent, counts from then.
            let isBeginning = former != nil && former != .uploading
            if isBeginning || uploadBegunAt == nil { (uploadBegunAt, isUploadWhole) = (now, isBeginning) }
        } else {
            upload = nil
        }
    }

    /// A `progress` message came.
    mutating func take(progress json: JSONValue) {
        guard json["state"]?.string == TransferState.uploading.rawValue, let sent = json["sent"]?.fileBytes else {
            return
        }
        let remaining = json["eta"]?.count
        upload = Upload(
            sent: sent,
            rate: json["rate"]?.count.map { Double($0) },
            remaining: remaining.map { .seconds($0) }
        )
    }

    /// An acknowledgement came.
    mutating func take(_ ack: Acknowledgement, at now: Duration) {
        machine.acknowledged(ack, at: now)
        switch machine.phase {
        case .open, .delivered: (refusedWords, isAdmitted) = (nil, true)
        case .away, .opening, .refused: break
        }
        if hasSent, [.checksumMismatch, .conflict].contains(ack.reason) { isDoubted = true }
        if ack.state != nil { answeredSeq = ack.seq }
        if case .delivered(let told) = machine.phase, latest?.state != told || !hasSeenState {
            latest = TransferStatus(state: told, seq: ack.seq, told: ack.text)
            if !told.isFinal { wasSeenOpen = true }
        }
    }
}
