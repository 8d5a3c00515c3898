import AliyunOTA
import FerryCore
import Spool
import Synchronization

/// Gives a file out of the spool, in order. Each row's checksum is compared; a damaged file ends the upload before its last
/// byte, so that OSS never has it whole.
///
/// What the kernel has in memory is read by the thread that sends, in pieces. Everything else comes in chunks from the
/// spool's thread, which may wait for the device and reads ahead.
final class SpoolReader: Sendable {
    fileprivate struct State {
        var position: Int64 = 0
        /// The CRC-64 of the rows that were given.
        var sum: UInt64 = 0
        var combiner = CRC64.Combiner()
        /// The row that is being read in pieces.
        var row: RowPieces?
        /// The one that was read so before it.
        var former: RowPieces?
        /// Rows to come.
        var rows: ArraySlice<RowPieces> = []
        /// Bytes that were read and not given: there was less room than a piece needs.
        var spare: ArraySlice<UInt8> = []
        /// Whether there were any rows when they were looked for.
        var hasRows = true
        var isImmediateClosed = false
        /// Chunks that were wanted when a row was not in memory, and bytes that were read at once since then.
        var chunksWanted = 0
        var atOnce: Int64 = 0
        /// Chunks that are still to come before bytes are wanted at once again.
        var chunksLeft = 0
        var damage: PublicationFailure?
    }

    private let spool: Spool
    private let key: Int64
    private let size: Int64
    private let state = Mutex(State())

    private static let chunkBytes: Int64 = 1 << 20
    private static let spareBytes = 32 << 10
    /// Rows that are looked for at once: what is sent between two questions to the spool's thread.
    private static let rowsAtOnce = 64
    /// They are worth it only where they have so many bytes.
    fileprivate static let bytesAtOnce: Int64 = 4 << 20
    /// Chunks from the spool's thread after a row that is not in memory: its neighbors will not be either. Each time that
    /// this is so again they are twice as many.
    private static let chunksFromDevice = 16...1_024

    init(spool: Spool, key: Int64, size: Int64) {
        self.spool = spool
        self.key = key
        self.size = size
    }

    /// The CRC-64 of what was given, once all of it was.
    var sum: UInt64 { state.withLock { $0.sum } }

    /// Why the file could not be read, if it could not.
    var damage: PublicationFailure? { state.withLock { $0.damage } }

    /// The file as a body.
    var source: BodySource {
        BodySource(next: { try await self.next() }, immediate: { self.readImmediately(into: $0) })
    }

    /// The next bytes that the kernel has.
    private func readImmediately(into buffer: UnsafeMutableRawBufferPointer) -> BodySource.Immediate {
        state.withLock { state in
            if state.spare.isEmpty {
                guard buffer.count < RowPieces.leastRoom else { return readRows(into: buffer, &state) }
                // libcurl since 8.7 asks for what fits behind bytes that are not sent yet.
                var given = BodySource.Immediate.later(chunks: 1)
                state.spare =
                    [UInt8](unsafeUninitializedCapacity: Self.spareBytes) { spare, count in
                        given = readRows(into: UnsafeMutableRawBufferPointer(spare), &state)
                        if case .bytes(let read) = given { count = read }
                    }[...]
                guard case .bytes = given else { return given }
            }
            let part = state.spare.prefix(buffer.count)
            buffer.copyBytes(from: part)
            state.spare = state.spare.dropFirst(part.count)
            return .bytes(part.count)
        }
    }

    /// Of several rows where they fit: whatever comes in one piece is sent in one.
    private func readRows(into buffer: UnsafeMutableRawBufferPointer, _ state: inout State) -> BodySource.Immediate {
        guard !state.isImmediateClosed else { return state.later(.max) }
        var count = 0
        while state.position < size, buffer.count - count >= RowPieces.leastRoom, var row = state.takeRow() {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let piece = spool.read(&row, into: rest, waits: false)
            state.row = row
            switch piece {
            case .bytes(let more):
                count += more
                state.position += Int64(more)
                state.atOnce += Int64(more)
                if row.isDone { state.finish(row) }
            case _ where count > 0: return .bytes(count)
            case .absent: return state.later(state.chunksForAbsent(Self.chunksFromDevice))
            case .closed, .different:
                // `next` finds out what is the matter.
                state.isImmediateClosed = true
                return state.later(.max)
            }
        }
        guard count == 0 else { return .bytes(count) }
        return state.later(state.position == size || state.hasRows ? 1 : Self.chunksFromDevice.lowerBound)
    }

    /// The next chunk; nil at the end.
    private func next() async throws(SpoolError) -> [UInt8]? {
        let (position, row, needsRows) = state.withLock { state in
            state.chunksLeft -= 1
            // To look for rows now would bring the device away from what it reads.
            return (state.position, state.takeBegunRow(), state.rows.isEmpty && state.chunksLeft <= 0)
        }
        guard position < size else { return nil }
        let (spool, key) = (spool, key)
        let limit = Int(min(Self.chunkBytes, size - position))
        do throws(SpoolError) {
            let (bytes, sum, rows) = try await spool.read { (ledger) throws(SpoolError) in
                let chunk =
                    if let row { (bytes: try Self.rest(of: row, key, spool, ledger), crc64: UInt64(0)) } else {
                        try ledger.readSummedChunk(key: key, from: position, atMost: limit)
                    }
                guard !chunk.bytes.isEmpty else {
                    throw Self.error("they are not in the spool", .damaged, position, key)
                }
                let next = position + Int64(chunk.bytes.count)
                return (
                    chunk.bytes, chunk.crc64,
                    needsRows ? try ledger.rows(key: key, from: next, atMost: Self.rowsAtOnce) : nil
                )
            }
            state.withLock { state in
                state.position += Int64(bytes.count)
                if let row { state.finish(row) } else { state.add(sum, of: bytes.count) }
                if let rows { state.take(rows) }
            }
            return bytes
        } catch {
            state.withLock { $0.damage = Self.failure(error) }
            throw error
        }
    }

    /// What is left of a row whose first pieces were given. On the spool's thread.
    private static func rest(
        of row: RowPieces,
        _ key: Int64,
        _ spool: Spool,
        _ ledger: Ledger
    ) throws(SpoolError) -> [UInt8] {
        var row = row
        let count = row.count - row.given
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            _ = spool.read(&row, into: UnsafeMutableRawBufferPointer(buffer), waits: true)
            filled = row.isDone ? count : 0
        }
        guard bytes.isEmpty else { return bytes }
        // SQLite decides. Where the row is what was written, what was given of it was not.
        let stored = try ledger.readSummedChunk(key: key, from: row.offset, atMost: row.count)
        guard stored.bytes.count == row.count else {
            throw error("they are not in the spool", .damaged, row.offset, key)
        }
        spool.closeStream()
        throw error("they were not the same twice", .inputOutput, row.offset, key)
    }

    private static func error(_ text: String, _ code: SpoolError.Code, _ position: Int64, _ key: Int64) -> SpoolError {
        SpoolError(code, operation: "read the bytes at \(position) of transfer \(key)", underlying: text)
    }

    private static func failure(_ error: SpoolError) -> PublicationFailure {
        // With a result code it is the file that is damaged, which is looked at as a whole.
        guard error.code == .damaged, error.resultCode == 0 else { return Attempt.failure(error) }
        let hint = "The disk is failing or was written to by somebody else; send the file again"
        return PublicationFailure(
            reason: Reason(.spoolDamaged, .permanent, error.description, hint: hint),
            remedy: .fail
        )
    }
}

extension SpoolReader.State {
    /// The row at the position: the one that was begun, or the next one. Chunks may have gone past some.
    fileprivate mutating func takeRow() -> RowPieces? {
        defer { row = nil }
        if let row { return row }
        let position = position
        rows = rows.drop { $0.offset < position }
        guard rows.first?.offset == position else { return nil }
        var next = rows.removeFirst()
        if let former { next.follow(former) }
        return next
    }

    /// The row of which some pieces were given; one of which none was is read as a chunk.
    fileprivate mutating func takeBegunRow() -> RowPieces? {
        defer { row = nil }
        let position = position
        rows = rows.drop { $0.offset < position }
        return row.flatMap { $0.given > 0 ? $0 : nil }
    }

    fileprivate mutating func later(_ chunks: Int) -> BodySource.Immediate {
        chunksLeft = chunks
        return .later(chunks: chunks)
    }

    fileprivate mutating func chunksForAbsent(_ bounds: ClosedRange<Int>) -> Int {
        let isAgain = atOnce < Int64(chunksWanted) << 20
        chunksWanted = isAgain ? min(chunksWanted * 2, bounds.upperBound) : bounds.lowerBound
        atOnce = 0
        return chunksWanted
    }

    /// Few bytes would be sent before the next question: chunks hold as many.
    fileprivate mutating func take(_ found: [RowPieces]) {
        hasRows = found.reduce(0) { $0 + Int64($1.count) } >= SpoolReader.bytesAtOnce
        rows = hasRows ? found[...] : []
    }

    fileprivate mutating func finish(_ done: RowPieces) {
        (row, former) = (nil, done)
        add(done.sum, of: done.count)
    }

    fileprivate mutating func add(_ more: UInt64, of count: Int) {
        sum = combiner.combine(sum, more, secondCount: Int64(count))
    }
}
