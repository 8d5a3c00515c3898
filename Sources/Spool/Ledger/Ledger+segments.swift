package import FerryCore

/// Bytes of one transfer that follow each other and are not a row yet.
struct PendingRow {
    var offset: Int64
    var bytes: [UInt8]
    var end: Int64 { offset + Int64(bytes.count) }
}

extension Ledger {
    /// Rows are at most this large: small rows cost a multiple of their size on flash, larger ones memory.
    package static let rowBytes = 512 << 10
    /// A transfer has at most so many separate ranges of bytes, so that what is kept of it in memory is bounded.
    package static let rangesMax = 4_096

    /// What became of a segment.
    package enum Stored: Sendable, Equatable {
        /// So many bytes are new; 0: all were there, and the same.
        case bytes(Int64)
        /// Some bytes are there already and differ; nothing was stored.
        case conflict
        /// The transfer has too many holes; nothing was stored.
        case tooManyRanges
    }

    /// Stores the bytes of a segment that are not there yet. `transfer` is changed and noted, not saved: after a restart
    /// the rows tell the same.
    package func store(
        _ bytes: [UInt8],
        at offset: Int64,
        of transfer: inout Transfer,
        now: WallTime
    ) throws(SpoolError) -> Stored {
        let range = offset..<(offset + Int64(bytes.count))
        precondition(
            range.upperBound <= CloudLimits.fileBytes,
            "A segment beyond the largest file is refused before it is stored"
        )
        for part in transfer.received.overlap(with: range) {
            let slice = bytes[Int(part.lowerBound - offset)..<Int(part.upperBound - offset)]
            guard try isStored(slice, at: part.lowerBound, key: transfer.key) else { return .conflict }
        }
        let missing = transfer.received.missing(in: range)
        guard !missing.isEmpty else { return .bytes(0) }
        guard transfer.received.ranges.count + missing.count <= Self.rangesMax else { return .tooManyRanges }
        transfer.seq = nextSeq()
        transfer.lastByte = now
        var count: Int64 = 0
        for part in missing {
            let slice = bytes[Int(part.lowerBound - offset)..<Int(part.upperBound - offset)]
            try append(slice, at: part.lowerBound, transfer: transfer)
            transfer.received.insert(part)
            count += part.upperBound - part.lowerBound
        }
        counters.usedBytes += count
        touch(transfer)
        return .bytes(count)
    }

    /// Slices of this size become rows as they are: gathering them would copy every byte for little.
    private static var wholeRowBytes: Int { 128 << 10 }

    /// Adds bytes to the row that is being gathered, or makes rows of them.
    private func append(_ slice: ArraySlice<UInt8>, at offset: Int64, transfer: Transfer) throws(SpoolError) {
        var rest = slice
        var position = offset
        while !rest.isEmpty {
            if let pending = pendingRows[transfer.key],
                pending.end != position || pending.bytes.count >= Self.rowBytes || rest.count >= Self.wholeRowBytes
            {
                try flushRow(of: transfer.key, pending, seq: transfer.seq, at: transfer.lastByte)
            }
            let part: ArraySlice<UInt8>
            if rest.count >= Self.wholeRowBytes {
                part = rest.prefix(Self.rowBytes)
                try insertRow(part, at: position, key: transfer.key, seq: transfer.seq, now: transfer.lastByte)
            } else {
                var pending = pendingRows.removeValue(forKey: transfer.key) ?? PendingRow(offset: position, bytes: [])
                part = rest.prefix(Self.rowBytes - pending.bytes.count)
                pending.bytes.append(contentsOf: part)
                pendingRows[transfer.key] = pending
            }
            rest = rest.dropFirst(part.count)
            position += Int64(part.count)
        }
    }

    /// Writes what was gathered. Part of every commit.
    func flushRows() throws(SpoolError) {
        for (key, pending) in pendingRows {
            guard let transfer = openTransfer(key: key) else { continue }
            try flushRow(of: key, pending, seq: transfer.seq, at: transfer.lastByte)
        }
        pendingRows = [:]
    }

    private func flushRow(of key: Int64, _ row: PendingRow, seq: Int64, at now: WallTime) throws(SpoolError) {
        try insertRow(row.bytes[...], at: row.offset, key: key, seq: seq, now: now)
        pendingRows[key] = nil
    }

    private func insertRow(
        _ bytes: ArraySlice<UInt8>,
        at offset: Int64,
        key: Int64,
        seq: Int64,
        now: WallTime
    ) throws(SpoolError) {
        try statements.segments.insert(
            position: SegmentPosition.position(key: key, offset: offset),
            seq: seq,
            at: now,
            bytes: bytes
        )
    }

    /// Whether the bytes of a late segment are those of a file that is stored whole.
    package func agrees(_ bytes: [UInt8], at offset: Int64, with transfer: Transfer) throws(SpoolError) -> Bool {
        guard offset + Int64(bytes.count) <= transfer.size ?? 0 else { return bytes.isEmpty }
        return try isStored(bytes[...], at: offset, key: transfer.key)
    }

    /// Whether exactly these bytes are stored there.
    private func isStored(_ slice: ArraySlice<UInt8>, at offset: Int64, key: Int64) throws(SpoolError) -> Bool {
        if let pending = pendingRows[key] {
            // Rare: a segment repeated within one batch. Written rows are simpler to compare with.
            let transfer = openTransfer(key: key)
            try flushRow(of: key, pending, seq: transfer?.seq ?? 0, at: transfer?.lastByte ?? .now())
        }
        var position = offset
        var rest = slice
        while !rest.isEmpty {
            let stored = try readChunk(key: key, from: position, atMost: rest.count)
            guard !stored.isEmpty, rest.prefix(stored.count).elementsEqual(stored) else { return false }
            rest = rest.dropFirst(stored.count)
            position += Int64(stored.count)
        }
        return true
    }

    /// Reads bytes of a file from the row that holds the first of them, and from rows that follow it without a hole, up to
    /// `limit` bytes; fewer where a row ends. Each row's checksum is compared.
    ///
    /// - Returns: empty where the byte at `offset` is not stored.
    /// - Throws: `damaged` when a row is not what was written.
    package func readChunk(key: Int64, from offset: Int64, atMost limit: Int) throws(SpoolError) -> [UInt8] {
        // A reader within a transaction finds what it has stored.
        try flushRows()
        return try readRows(key: key, from: offset, atMost: limit) { _, _ in }
    }

    /// Reads like `readChunk`, and tells the CRC-64 of the bytes: of whole rows for nothing, since their checksums were
    /// compared.
    package func readSummedChunk(
        key: Int64,
        from offset: Int64,
        atMost limit: Int
    ) throws(SpoolError) -> (bytes: [UInt8], crc64: UInt64) {
        var crc64: UInt64 = 0
        let bytes = try readRows(key: key, from: offset, atMost: limit) { part, known in
            var sum = CRC64()
            if known == nil { sum.update(part) }
            crc64 = CRC64.combine(crc64, known ?? sum.value, secondCount: Int64(part.count))
        }
        return (bytes, crc64)
    }

    /// The committed rows of a file from the one that begins at `offset`, so many at most, for reading them in pieces
    /// without the spool's thread, see `RowPieces`. It ends early where that is not possible.
    package func rows(key: Int64, from offset: Int64, atMost limit: Int) throws(SpoolError) -> [RowPieces] {
        try statements.segments.pieces(
            from: SegmentPosition.position(key: key, offset: offset),
            key: key,
            limit: limit
        )
    }

    /// - Parameter each: told the bytes of each row, and their CRC-64 where they are all of the row.
    private func readRows(
        key: Int64,
        from offset: Int64,
        atMost limit: Int,
        each: (UnsafeRawBufferPointer, UInt64?) -> Void
    ) throws(SpoolError) -> [UInt8] {
        var failure: SpoolError?
        let result = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            do throws(SpoolError) {
                while count < limit {
                    let rest = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(buffer)[count...]
                    )
                    let added = try statements.segments.read(
                        holding: SegmentPosition.position(key: key, offset: offset + Int64(count)),
                        key: key,
                        into: rest,
                        // A part of a row would cost a look at the whole of it, now and again for the rest.
                        count == 0 ? .some : .whole
                    )
                    guard added.count > 0 else { return }
                    each(UnsafeRawBufferPointer(rebasing: rest[..<added.count]), added.sum)
                    count += added.count
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    func loadReceived(of transfer: inout Transfer) throws(SpoolError) {
        let rows = try statements.segments.ranges(of: transfer.key)
        for row in rows.ranges { transfer.received.insert(row) }
        transfer.seq = max(transfer.seq, rows.seq)
        transfer.lastByte = max(transfer.lastByte, rows.at)
    }

    /// After a damage: transfers whose bytes are not all there any more, and are still needed, have failed.
    func giveUpIncomplete() throws(SpoolError) {
        let now = WallTime.now()
        try transact { (ledger) throws(SpoolError) in
            for var transfer in ledger.openTransfers where transfer.state != .receiving && transfer.needsUpload {
                var stored = ByteRanges()
                for range in try ledger.statements.segments.ranges(of: transfer.key).ranges { stored.insert(range) }
                guard let size = transfer.size, !stored.contains(0..<size) else { continue }
                transfer.lostBytes(at: now)
                let saved = try ledger.save(transfer)
                try ledger.note(.state, of: saved, at: now)
            }
        }
    }

    /// Whether rows wait to be deleted.
    package var hasReclaimable: Bool { !counters.doomed.isEmpty }

    /// Deletes rows of transfers that no longer need them, a step at a time so that nobody waits long.
    ///
    /// - Returns: whether rows are left.
    package func reclaimStep() throws(SpoolError) -> Bool {
        guard let key = counters.doomed.first else { return false }
        let deleted = try statements.segments.delete(of: key, limit: Self.reclaimRows)
        counters.usedBytes -= deleted.bytes
        if deleted.rows < Self.reclaimRows { counters.doomed.removeFirst() }
        return !counters.doomed.isEmpty
    }

    private static var reclaimRows: Int { 64 }
    private static var fewRows: Int { 4 }

    /// Deletes the rows of a transfer where they are few.
    ///
    /// - Returns: false where they are more; nothing is deleted then.
    func deleteFew(of key: Int64) throws(SpoolError) -> Bool {
        guard !counters.doomed.contains(key),
            let bytes = try statements.segments.deleteAll(of: key, limit: Self.fewRows)
        else {
            return false
        }
        counters.usedBytes -= bytes
        return true
    }
}
