import FerryCore
import Spool

// Files that are whole: those that come in one message, and small ones whose last byte has come.
extension IntakeTransaction {
    mutating func oneShot(_ address: TransferAddress, _ oneShot: Delivery.OneShot) throws(SpoolError) {
        if let transfer = try ledger.transfer(at: address) {
            guard mayBeginAnew(transfer) else {
                switch oneShot.request {
                case .success(let request) where transfer.request?.firmware == request.firmware:
                    return try answer(transfer)
                case .success:
                    return reply(
                        address,
                        .conflict,
                        "The same bytes came before with other metadata; use otaferry push for another product or version"
                    )
                case .failure(let problem): return reply(address, problem.code, problem.text)
                }
            }
        }
        let refusal: Admission.Refusal?
        switch oneShot.request {
        case .success(let request):
            if let problem = oneShot.problem {
                refusal = problem
            } else {
                refusal = try admit(request, address, existing: nil)
            }
        case .failure(let problem): refusal = problem
        }
        if let former = try ledger.transfer(at: address) { try forget(former) }
        var transfer = ledger.begin(address, door: .oneShot, at: now)
        if case .success(let request) = oneShot.request { try describe(&transfer, request) }
        if let refusal {
            let reason = Reason(refusal.code, .permanent, refusal.text, hint: refusal.remedy)
            transfer.refuse(because: reason, at: now)
            if !isFull { try saveChanged(transfer) }
            return reply(address, refusal.code, refusal.text)
        }
        transfer = try ledger.save(transfer)
        if case .bytes(let count) = try ledger.store(oneShot.bytes, at: 0, of: &transfer, now: now) {
            outcome.storedBytes += count
        }
        transfer.end = Transfer.FileEnd(size: Int64(oneShot.bytes.count), checksum: oneShot.sha256)
        outcome.arrived.insert(transfer.key)
        try saveChanged(transfer)
        reply(address, .ok)
    }

    /// So many bytes of whole files are compared in the transaction that stores the last of them. It saves a commit, which
    /// is much of what a small file costs; more would keep other senders waiting.
    static let verifiedAtOnce: Int64 = 2 << 20

    mutating func verifySmall() throws(SpoolError) {
        guard let verification, !isFull else { return }
        var room = Self.verifiedAtOnce
        for key in outcome.arrived.sorted() {
            guard let transfer = ledger.openTransfer(key: key), transfer.state == .receiving, transfer.isComplete,
                !transfer.hasWrongChecksum, let size = transfer.end?.size, size <= room
            else { continue }
            room -= size
            var digests = verification.begin()
            do throws(SpoolError) {
                while digests.position < size {
                    let rest = Int(size - digests.position)
                    let bytes = try ledger.readChunk(key: key, from: digests.position, atMost: rest)
                    guard !bytes.isEmpty else { break }
                    digests.update(bytes)
                }
            } catch {
                // The digester comes across a damaged row too, and says so. Anything else concerns the whole batch.
                guard error.code == .damaged else { throw error }
                continue
            }
            guard digests.position == size else { continue }
            let end = try verification.conclude(transfer, digests, in: ledger, at: now)
            outcome.arrived.remove(key)
            // After the `receiving` that it was in this batch: states are said in their order. What its package made of a
            // file is said before this batch.
            if transfer.firmware.package != nil { outcome.changed.removeAll { $0.key == key } }
            outcome.changed.append(end.transfer)
            outcome.concluded.append(end)
            let address = transfer.address
            pending.removeAll { $0.address == address && $0.reason == .ok }
            reply(address, end.reason, end.text)
        }
    }
}
