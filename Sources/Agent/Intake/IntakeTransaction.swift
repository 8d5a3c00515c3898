import FerryCore
import Spool

/// Applies the deliveries of one batch in one transaction and gathers what has to be said afterwards.
struct IntakeTransaction {
    let ledger: Ledger
    let rules: IntakeRules
    let now: WallTime
    /// The disk is full: nothing that needs room is stored.
    let isFull: Bool
    /// Ends deliveries of small files at once; nil: all are left to the digester.
    let verification: Verification?
    let refusedInits: RefusedInits

    var outcome = IntakeOutcome()
    /// Transfers that get one acknowledgement at the end, in order, with what it is to say.
    var pending: [(address: TransferAddress, reason: ReasonCode, text: String)] = []
    var usage: SpoolUsage
    /// What the delivery that is being applied came to.
    private var result: (reason: ReasonCode, text: String) = (.ok, "")

    init(
        ledger: Ledger,
        rules: IntakeRules,
        now: WallTime,
        isFull: Bool = false,
        verification: Verification? = nil,
        refusedInits: RefusedInits = RefusedInits()
    ) {
        self.ledger = ledger
        self.rules = rules
        self.now = now
        self.isFull = isFull
        self.verification = verification
        self.refusedInits = refusedInits
        usage = ledger.usage
    }

    mutating func apply(_ delivery: Delivery) throws(SpoolError) {
        result = (.ok, "")
        let door: Transfer.Door = delivery.fileCommand == nil ? .segments : .fileTransfer
        // Whom `init` named is not known any more after an abort.
        let client =
            delivery.fileCommand == nil
            ? nil
            : try delivery.content.address.flatMap { (address) throws(SpoolError) in
                try ledger.transfer(at: address)?.request?.clientID
            }
        try apply(delivery.content, door)
        if let command = delivery.fileCommand { try answer(command, delivery.content, namedBefore: client) }
    }

    private mutating func apply(_ content: Delivery.Content, _ door: Transfer.Door) throws(SpoolError) {
        switch content {
        case .initialize(let address, .success(let request)): try initialize(address, request, door)
        case .initialize(let address, .failure(let problem)):
            if try ledger.transfer(at: address) == nil { refusedInits.note(address, problem.code, problem.text) }
            reply(address, problem.code, problem.text)
        case .segment(let address, let offset, let bytes, let isJump):
            try segment(address, offset: offset, bytes: bytes, isJump: isJump, door)
        case .finish(let address, let end): try finish(address, end)
        case .abort(let address): try abort(address)
        case .query(let address): try query(address)
        case .oneShot(let address, let oneShot): try self.oneShot(address, oneShot)
        case .refused(let address, let reason, let text):
            result = (reason, text)
            // It was logged when it was read, with its topic.
            if let address { reply(address, reason, text, isLogged: true) }
        }
    }

    /// Answers a client of EMQX's file transfer. A `fin` with every byte there is answered after the digest is compared.
    mutating func answer(
        _ command: FileCommand,
        _ content: Delivery.Content,
        namedBefore client: String?
    ) throws(SpoolError) {
        var clientID: String?
        if case .initialize(_, .success(let request)) = content { clientID = request.clientID }
        if let address = content.address, let transfer = try ledger.transfer(at: address) {
            if case .finish = content, transfer.completeness == .unverified, !transfer.hasWrongChecksum,
                transfer.state == .receiving
            {
                return outcome.fileEnds.append((transfer.key, command))
            }
            clientID = clientID ?? transfer.request?.clientID
        }
        if let address = content.address {
            if let named = command.namedClient { refusedInits.note(clientID: named, of: address) }
            clientID = clientID ?? client ?? refusedInits.clientID(of: address)
        }
        // A pause is of no use to a file that never fits.
        let refusedSize = content.address.flatMap { refusedInits.size(of: $0) }
        let neverFits = result.reason == .noRoom && max(content.fileSize ?? 0, refusedSize ?? 0) > ledger.usage.quota
        let answer = FileTransferResult(reason: neverFits ? .tooLarge : result.reason, text: result.text)
        if let message = command.answer(answer, clientID: clientID) { outcome.fileAnswers.append(message) }
    }

    /// Ends the batch: the acknowledgements tell what will be committed.
    mutating func finish() throws(SpoolError) -> IntakeOutcome {
        try verifySmall()
        usage = ledger.usage
        outcome.hasRoom = usage.room >= rules.segment()
        let active = ledger.countReceiving { $0.waitsForSender && now - $0.lastByte < IntakeRules.activeFor }
        for entry in pending {
            var payload: JSONValue
            if let transfer = try ledger.transfer(at: entry.address) {
                // Bytes that came later in the batch may have filled the holes.
                let isFilled = entry.reason == .incomplete && transfer.isComplete
                let reason: ReasonCode = isFilled ? .ok : entry.reason
                let text = isFilled ? "" : entry.text
                let room = isFull ? 0 : usage.free + transfer.reservedBytes - transfer.received.count
                payload = transfer.acknowledgement(
                    credit: rules.credit(active: active, room: room),
                    segment: rules.segment(),
                    reason: reason,
                    text: reason == .ok && text.isEmpty
                        ? transfer.whyItWaits(isAllPaused: rules.isPaused()) : text
                )
            } else {
                // Bytes of a file that does not fit are not asked for, even where some of them would.
                payload = Transfer.acknowledgement(
                    ofUnknown: entry.address.id.text,
                    seq: 0,
                    credit: rules.credit(active: active + 1, room: isFull || entry.reason == .noRoom ? 0 : usage.free),
                    segment: rules.segment(),
                    reason: entry.reason,
                    text: entry.text
                )
            }
            // So that a sender knows whether room for its file may come at all.
            if entry.reason == .noRoom {
                let limits: [String: JSONValue] = [
                    "quota": .integer(usage.quota), "capacity": .integer(usage.capacity),
                ]
                payload = .object((payload.object ?? [:]).merging(limits) { $1 })
            }
            // Less than a segment is no credit to go on with.
            let isStuck = (payload["credit"]?.integer ?? 0) < rules.segment()
            if entry.reason == .noRoom || isStuck && payload["state"]?.string == TransferState.receiving.rawValue {
                outcome.isCreditDenied = true
            }
            outcome.replies.append(IntakeOutcome.Reply(address: entry.address, payload: payload))
        }
        // Its package may have made something newer of a transfer since.
        for (index, transfer) in outcome.changed.enumerated() {
            guard outcome.changed.lastIndex(where: { $0.key == transfer.key }) == index else { continue }
            outcome.changed[index] = ledger.openTransfer(key: transfer.key) ?? transfer
        }
        // One that was aborted in the same batch has no digest to wait for.
        outcome.fileEnds.removeAll { end in
            !outcome.concluded.contains { $0.transfer.key == end.key }
                && ledger.openTransfer(key: end.key)?.state != .receiving
        }
        for key in outcome.arrived {
            if let transfer = ledger.openTransfer(key: key) { outcome.moved.append(transfer) }
        }
        return outcome
    }

    // MARK: - init

    private mutating func initialize(
        _ address: TransferAddress,
        _ request: TransferRequest,
        _ door: Transfer.Door
    ) throws(SpoolError) {
        guard var transfer = try ledger.transfer(at: address), !mayBeginAnew(transfer) else {
            if let refusal = try admit(request, address, existing: nil) {
                refusedInits.note(address, refusal.code, refusal.text, size: request.size)
                return reply(address, refusal.code, refusal.text)
            }
            refusedInits.forget(address)
            if let former = try ledger.transfer(at: address) { try forget(former) }
            var transfer = ledger.begin(address, door: door, at: now)
            try describe(&transfer, request)
            try saveChanged(transfer)
            return reply(address, .ok)
        }
        if let known = transfer.request {
            guard known.saysTheSame(as: request) else {
                return reply(address, .conflict, "An init with other contents came before; use another transfer id")
            }
            if transfer.state == .receiving, known.firmware.signature != request.firmware.signature {
                if let refusal = rules.signatureRefusal(of: request, address.sender, now) {
                    return reply(address, refusal.code, refusal.text)
                }
                // The newest one is checked once the bytes are here.
                transfer.request = request
                transfer.firmware.signature = request.firmware.signature
                try saveChanged(transfer, isNewState: false)
            }
            return try answer(transfer)
        }
        // Segments came first.
        if let refusal = try admit(request, address, existing: transfer) {
            try ledger.remove(transfer)
            refusedInits.note(address, refusal.code, refusal.text, size: request.size)
            return reply(address, refusal.code, refusal.text)
        }
        try describe(&transfer, request)
        outcome.arrived.insert(transfer.key)
        try saveChanged(transfer)
        reply(address, .ok)
    }

    /// Whether nothing is left of the transfer, so that its id may begin anew.
    func mayBeginAnew(_ transfer: Transfer) -> Bool {
        switch transfer.state {
        case .cancelled, .expired: true
        case .failed: !transfer.hasBytes
        default: false
        }
    }

    // MARK: - Segments

    private mutating func segment(
        _ address: TransferAddress,
        offset: Int64,
        bytes: [UInt8],
        isJump: Bool,
        _ door: Transfer.Door
    ) throws(SpoolError) {
        let known: Transfer?
        if let found = try ledger.transfer(at: address) {
            known = found
        } else if let (reason, text) = refusedInits.refusal(of: address) {
            return reply(address, reason, text, isLogged: true)
        } else {
            known = try beginOrphan(address, bytes, door)
        }
        guard var transfer = known else { return }
        guard transfer.state == .receiving else {
            // Bytes that are not those of the file must not look as if they had arrived.
            if let size = transfer.size, offset + Int64(bytes.count) > size {
                return reply(address, .conflict, "The file has \(size) bytes; the segment ends behind them")
            }
            if transfer.hasBytes, try !ledger.agrees(bytes, at: offset, with: transfer) {
                return reply(address, .conflict, Self.differing(bytes, at: offset))
            }
            return try answer(transfer)
        }
        if let refusal = refusal(of: offset..<(offset + Int64(bytes.count)), transfer) {
            return reply(address, refusal.code, refusal.text)
        }
        let former = transfer.received.upperBound
        let stored: Ledger.Stored
        do throws(SpoolError) {
            stored = try ledger.store(bytes, at: offset, of: &transfer, now: now)
        } catch {
            guard error.code == .damaged else { throw error }
            // The rest of the batch is sound.
            return try giveUp(transfer, error)
        }
        switch stored {
        case .bytes(let count):
            usage.free -= count
            outcome.storedBytes += count
            outcome.arrived.insert(transfer.key)
            let isGap = isJump && offset > former
            if isGap {
                try ledger.note(.gap, of: transfer, at: now)
                reply(address, .gap, "Bytes \(former) to \(offset) have not come; send them again")
            } else if count > 0 {
                progressReply(transfer)
            } else {
                try answer(transfer)
            }
        case .conflict:
            reply(address, .conflict, Self.differing(bytes, at: offset))
        case .tooManyRanges:
            reply(address, .gap, "The file has too many holes; fill the missing ranges first")
        }
    }

    private static func differing(_ bytes: [UInt8], at offset: Int64) -> String {
        "Bytes from \(offset) to \(offset + Int64(bytes.count)) are stored already, and some differ; the stored ones stay"
    }

    /// What is stored of a transfer cannot be read back: its sender has to begin anew.
    private mutating func giveUp(_ transfer: Transfer, _ error: SpoolError) throws(SpoolError) {
        var transfer = transfer
        let hint = "The disk is failing or was written to by somebody else; send the file again"
        transfer.refuse(because: Reason(.spoolDamaged, .permanent, error.description, hint: hint), at: now)
        try saveChanged(transfer)
        try answer(transfer)
    }

    private func refusal(of range: Range<Int64>, _ transfer: Transfer) -> Admission.Refusal? {
        if isFull { return Admission.Refusal("The disk of the gateway is full", code: .noRoom) }
        if let end = transfer.end, range.upperBound > end.size {
            return Admission.Refusal("The segment ends behind the end of the file, \(end.size)", code: .tooLarge)
        }
        let new = transfer.received.missing(in: range).reduce(0) { $0 + Int64($1.count) }
        if transfer.request == nil && transfer.received.count + new > rules.orphanMax.rawValue {
            return Admission.Refusal("Only \(rules.orphanMax) may come before init", code: .unknownTransfer)
        }
        let room = max(0, usage.free) + transfer.reservedBytes - transfer.received.count
        if new > room { return Admission.Refusal("The spool has no room for the segment", code: .noRoom) }
        return nil
    }

    /// A segment may come before `init`. Nil when it is refused; the refusal is noted.
    private mutating func beginOrphan(
        _ address: TransferAddress,
        _ bytes: [UInt8],
        _ door: Transfer.Door
    ) throws(SpoolError) -> Transfer? {
        let limit = rules.admission.openTransfersMax
        if isFull || usage.free < Int64(bytes.count) {
            reply(address, .noRoom, "The spool has no room for the segment")
        } else if openCount(without: nil) >= limit {
            reply(address, .tooManyTransfers, "The limit of \(limit) transfers that wait for their sender is reached")
        } else if bytes.count > Int(rules.orphanMax.rawValue) {
            reply(address, .unknownTransfer, "Only \(rules.orphanMax) may come before init")
        } else {
            return try ledger.save(ledger.begin(address, door: door, at: now))
        }
        return nil
    }

    // MARK: - fin, abort, query

    private mutating func finish(_ address: TransferAddress, _ end: Transfer.FileEnd) throws(SpoolError) {
        guard var transfer = try ledger.transfer(at: address), transfer.request != nil else {
            if let (reason, text) = refusedInits.refusal(of: address) {
                return reply(address, reason, text, isLogged: true)
            }
            return reply(address, .unknownTransfer, "Send init first")
        }
        guard transfer.state == .receiving else {
            let isOther = end.size != transfer.size || end.checksum.map { $0 != transfer.digests?.sha256 } ?? false
            if transfer.digests != nil, isOther {
                return reply(address, .conflict, "Another file is \(transfer.state.rawValue) under this transfer id")
            }
            return try answer(transfer)
        }
        if let known = transfer.end {
            guard known.size == end.size, end.checksum == nil || known.checksum ?? end.checksum == end.checksum else {
                return reply(address, .conflict, "A fin with another size or checksum came before; send abort first")
            }
            if known.checksum == nil && end.checksum != nil { try checkAgain(&transfer, end) }
            return try answer(transfer)
        }
        if end.size > CloudLimits.fileBytes {
            let refusal = Admission.tooLarge(end.size)
            return reply(address, refusal.code, refusal.text)
        }
        guard end.size > 0 else {
            return reply(address, .badMetadata, "The file is empty; the cloud takes no empty firmware")
        }
        guard transfer.received.upperBound <= end.size else {
            return reply(
                address,
                .conflict,
                "Bytes behind the end of the file, \(end.size), are stored; send abort first"
            )
        }
        if isFull { return reply(address, .noRoom, "The disk of the gateway is full") }
        usage = ledger.usage
        // Room is kept for the size of fin from now on; init was asked about its own.
        guard end.size <= usage.quota else {
            let refusal = Admission.overQuota(end.size, usage.quota)
            return reply(address, refusal.code, refusal.text)
        }
        guard end.size - transfer.reservedBytes <= max(0, usage.free) else {
            guard end.size <= usage.capacity else {
                let refusal = Admission.overDisk(end.size, usage.capacity)
                return reply(address, refusal.code, refusal.text)
            }
            return reply(address, .noRoom, "The spool has no room for a file of \(ByteCount(rawValue: end.size))")
        }
        transfer.end = end
        outcome.arrived.insert(transfer.key)
        try saveChanged(transfer, isNewState: false)
        try answer(transfer)
    }

    /// A repeated `fin` brings the checksum that the first did not have; it beats the one of `init`.
    private mutating func checkAgain(_ transfer: inout Transfer, _ end: Transfer.FileEnd) throws(SpoolError) {
        transfer.end = end
        transfer.reason = nil
        outcome.arrived.insert(transfer.key)
        try saveChanged(transfer, isNewState: false)
    }

    private mutating func abort(_ address: TransferAddress) throws(SpoolError) {
        refusedInits.forget(address)
        guard let transfer = try ledger.transfer(at: address) else { return reply(address, .ok) }
        switch transfer.state {
        case .receiving, .held, .failed, .cancelled, .expired: break
        case .stored, .ticketing, .uploading, .registering:
            return reply(address, .notAllowed, "The firmware is \(transfer.state.rawValue); an operator can cancel it")
        case .registered:
            return reply(address, .notAllowed, "The firmware is registered; an operator can purge the transfer")
        }
        try forget(transfer)
        reply(address, .ok)
    }

    private mutating func query(_ address: TransferAddress) throws(SpoolError) {
        guard let transfer = try ledger.transfer(at: address) else {
            return reply(address, .unknownTransfer, "This gateway has no such transfer; begin with init")
        }
        try answer(transfer)
    }

    mutating func forget(_ transfer: Transfer) throws(SpoolError) {
        try ledger.remove(transfer)
        outcome.removed.append(transfer.address)
        outcome.changed.removeAll { $0.address == transfer.address }
    }

    // MARK: - What is said afterwards

    mutating func saveChanged(_ transfer: Transfer, isNewState: Bool = true) throws(SpoolError) {
        let saved = try ledger.save(transfer)
        outcome.changed.removeAll { $0.key == saved.key }
        outcome.changed.append(saved)
        guard isNewState else { return }
        try ledger.note(.state, of: saved, at: now)
    }

    /// Reasons that belong to the way of a delivery that goes well.
    private static let usualReasons: Set<ReasonCode> = [.ok, .gap, .incomplete]

    mutating func reply(
        _ address: TransferAddress,
        _ reason: ReasonCode,
        _ text: String = "",
        isLogged: Bool = false
    ) {
        result = (reason, text)
        // A refusal is said even when more is said of the same transfer afterwards.
        pending.removeAll { $0.address == address && $0.reason == .ok }
        pending.append((address, reason, text))
        if !isLogged && !Self.usualReasons.contains(reason) {
            outcome.refusals.append(.init(address: address, reason: reason, text: text))
        }
    }

    /// One acknowledgement for all bytes of a batch.
    mutating func progressReply(_ transfer: Transfer) {
        guard !pending.contains(where: { $0.address == transfer.address }) else { return }
        if transfer.end != nil && !transfer.isComplete {
            pending.append((transfer.address, .incomplete, "Bytes are missing"))
        } else {
            pending.append((transfer.address, .ok, ""))
        }
    }

    /// Says where a transfer stands, as the answer to `fin`, `query`, a repeated `init` or a late segment.
    mutating func answer(_ transfer: Transfer) throws(SpoolError) {
        switch transfer.state {
        case .receiving:
            if let reason = transfer.reason, transfer.hasWrongChecksum {
                reply(transfer.address, .checksumMismatch, reason.text + ". " + reason.hint)
            } else if transfer.end != nil && !transfer.isComplete {
                reply(transfer.address, .incomplete, "Bytes are missing")
            } else {
                reply(
                    transfer.address,
                    .ok,
                    transfer.isComplete ? "All bytes are here; their SHA-256 is being compared" : ""
                )
            }
        case .expired: reply(transfer.address, .expired, transfer.reason?.text ?? "")
        case .cancelled: reply(transfer.address, .notAllowed, transfer.reason?.text ?? "")
        case .failed: reply(transfer.address, transfer.reason?.code.forSenders ?? .ok, transfer.reason?.text ?? "")
        case .stored, .ticketing, .uploading, .registering, .registered, .held:
            reply(transfer.address, .ok)
        }
    }
}
