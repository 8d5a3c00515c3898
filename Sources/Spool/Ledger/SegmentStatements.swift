import FerryCore

/// The statements for rows of firmware, in the table `segment`.
final class SegmentStatements {
    private let database: Database
    private let insertRow: Statement
    private let writer: BlobWriter
    private let rowAtOrBefore: Statement
    private let bytesOfRow: Statement
    /// The page where SQLite's search for a row begins; 0: the direct way is closed.
    private let root: UInt32
    private let rowsFrom: Statement
    private let rowRanges: Statement
    private let rowSizes: Statement
    private let deleteRow: Statement
    private var combiner = CRC64.Combiner()
    /// The first reason why the transaction lacks pages or bytes, of which SQLite does not know. It must not be committed.
    private(set) var lost: SpoolError?

    init(_ database: Database) throws(SpoolError) {
        self.database = database
        insertRow = try Statement(
            database,
            "INSERT INTO segment (position, seq, at, crc64, bytes) VALUES (?1, ?2, ?3, ?4, zeroblob(?5))"
        )
        writer = BlobWriter(database, table: "segment", column: "bytes")
        rowAtOrBefore = try Statement(
            database,
            "SELECT position, crc64, length(bytes) FROM segment WHERE position <= ?1 AND position >= ?2"
                + " ORDER BY position DESC LIMIT 1"
        )
        bytesOfRow = try Statement(database, "SELECT bytes FROM segment WHERE position = ?1")
        // The direct way knows pages of this size only.
        let isUsual = try database.number("PRAGMA page_size") == 4_096
        let found = try database.number("SELECT rootpage FROM sqlite_master WHERE name = 'segment'")
        root = isUsual ? UInt32(clamping: found) : 0
        rowsFrom = try Statement(
            database,
            "SELECT position, crc64, length(bytes) FROM segment WHERE position >= ?1 AND position < ?2"
                + " ORDER BY position LIMIT ?3"
        )
        rowRanges = try Statement(
            database,
            "SELECT position, length(bytes), seq, at FROM segment WHERE position >= ?1 AND position < ?2"
        )
        rowSizes = try Statement(
            database,
            "SELECT position, length(bytes) FROM segment WHERE position >= ?1 AND position < ?2"
                + " ORDER BY position DESC LIMIT ?3"
        )
        deleteRow = try Statement(database, "DELETE FROM segment WHERE position = ?1")
    }

    /// Before a transaction.
    func begin() { lost = nil }

    /// Before the transaction is committed or rolled back.
    func end() { writer.close() }

    func insert(position: Int64, seq: Int64, at now: WallTime, bytes: ArraySlice<UInt8>) throws(SpoolError) {
        try insertRow.bind(1, position)
        try insertRow.bind(2, seq)
        try insertRow.bind(3, now.milliseconds)
        let statement = insertRow
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(SpoolError) in
                try statement.bind(4, SegmentChecksum.value(position: position, bytes: buffer))
                try statement.bind(5, Int64(buffer.count))
                try statement.run()
                try self.writeBytes(buffer, to: position)
            }
        }
        try result.get()
    }

    private func writeBytes(_ bytes: UnsafeRawBufferPointer, to position: Int64) throws(SpoolError) {
        do throws(SpoolError) {
            try writer.write(bytes, to: position)
        } catch {
            lost = lost ?? error
            throw error
        }
    }

    /// Reads bytes of the row that holds `position`, from there on, until the row or the buffer ends. Its checksum is
    /// compared.
    ///
    /// - Returns: how many, 0 where there is no such row, or it does not fit and has to; and their CRC-64 where they are
    ///   the whole row, whose checksum tells it.
    func read(
        holding position: Int64,
        key: Int64,
        into buffer: UnsafeMutableRawBufferPointer,
        _ extent: Extent
    ) throws(SpoolError) -> (count: Int, sum: UInt64?) {
        let statement = rowAtOrBefore
        try statement.bind(1, position)
        try statement.bind(2, SegmentPosition.range(of: key).lowerBound)
        // Until then SQLite holds its read lock.
        defer { statement.reset() }
        guard try statement.step() else { return (0, nil) }
        let row = Row(start: statement.integer(0), checksum: statement.integer(1), length: Int(statement.integer(2)))
        let skip = Int(position - row.start)
        guard skip < row.length, extent == .some || row.length - skip <= buffer.count else { return (0, nil) }
        let count = min(row.length - skip, buffer.count)
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        guard count == row.length else {
            try copy(row, from: skip, into: part)
            return (count, nil)
        }
        if try !isRead(row, into: part) { try copy(row, from: 0, into: part) }
        return (count, SegmentChecksum.sumOfBytes(row.checksum, position: row.start, count: count, &combiner))
    }

    /// The rows that begin at `position` and follow each other without a hole, so many at most, for reading them without
    /// SQLite. It ends before a row that is not where it is expected.
    func pieces(from position: Int64, key: Int64, limit: Int) throws(SpoolError) -> [RowPieces] {
        guard root != 0 else { return [] }
        let statement = rowsFrom
        try statement.bind(1, position)
        try statement.bind(2, SegmentPosition.range(of: key).upperBound)
        try statement.bind(3, Int64(limit))
        // Until then SQLite holds its read lock.
        defer { statement.reset() }
        var found: [RowPieces] = []
        var next = position
        while try statement.step(), statement.integer(0) == next {
            let count = Int(statement.integer(2))
            do throws(SpoolError) {
                let row = try RowPieces(
                    database,
                    root: root,
                    position: next,
                    count: count,
                    checksum: statement.integer(1),
                    &combiner
                )
                guard let row else { break }
                found.append(row)
            } catch {
                lost = lost ?? error
                throw error
            }
            next += Int64(count)
        }
        return found
    }

    /// Whether a row has to fit whole.
    enum Extent: Sendable {
        case whole
        case some
    }

    private struct Row {
        let start: Int64
        let checksum: Int64
        let length: Int
    }

    /// Reads a whole row past SQLite's cache; false where the file does not hold it as SQLite sees it.
    private func isRead(_ row: Row, into buffer: UnsafeMutableRawBufferPointer) throws(SpoolError) -> Bool {
        guard row.length >= Self.directBytes, root != 0 else { return false }
        var register = SegmentChecksum.register(position: row.start)
        let found: Bool
        do throws(SpoolError) {
            found = try RowReader.read(database, root: root, row: row.start, into: buffer, &register)
        } catch {
            lost = lost ?? error
            throw error
        }
        return found && Int64(bitPattern: ~register) == row.checksum
    }

    /// Smaller rows are as fast through SQLite.
    private static let directBytes = 16 << 10

    private func copy(_ row: Row, from skip: Int, into buffer: UnsafeMutableRawBufferPointer) throws(SpoolError) {
        try bytesOfRow.bind(1, row.start)
        defer { bytesOfRow.reset() }
        let isThere = try bytesOfRow.step()
        let isSound = bytesOfRow.withBlob(0) { bytes -> Bool in
            guard isThere, bytes.count == row.length,
                SegmentChecksum.value(position: row.start, bytes: bytes) == row.checksum
            else { return false }
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[skip..<skip + buffer.count]))
            return true
        }
        guard isSound else {
            let key = SegmentPosition.key(of: row.start)
            throw SpoolError(
                .damaged,
                operation: "read the bytes at \(SegmentPosition.offset(of: row.start)) of transfer \(key)",
                underlying: "they are not the bytes that were written"
            )
        }
    }

    func ranges(of key: Int64) throws(SpoolError) -> (ranges: [Range<Int64>], seq: Int64, at: WallTime) {
        let positions = SegmentPosition.range(of: key)
        try rowRanges.bind(1, positions.lowerBound)
        try rowRanges.bind(2, positions.upperBound)
        defer { rowRanges.reset() }
        var ranges: [Range<Int64>] = []
        var seq: Int64 = 0
        var at: Int64 = 0
        while try rowRanges.step() {
            let offset = SegmentPosition.offset(of: rowRanges.integer(0))
            ranges.append(offset..<(offset + rowRanges.integer(1)))
            seq = max(seq, rowRanges.integer(2))
            at = max(at, rowRanges.integer(3))
        }
        return (ranges, seq, WallTime(milliseconds: at))
    }

    func firstKey(atOrAfter key: Int64) throws(SpoolError) -> Int64? {
        let position = SegmentPosition.range(of: key).lowerBound
        let statement = try Statement(database, "SELECT min(position) FROM segment WHERE position >= ?1")
        try statement.bind(1, position)
        guard try statement.step(), let found = statement.optionalInteger(0) else { return nil }
        return SegmentPosition.key(of: found)
    }

    func sumOfBytes(of key: Int64) throws(SpoolError) -> Int64 {
        try ranges(of: key).ranges.reduce(0) { $0 + Int64($1.count) }
    }

    /// Deletes the last rows, so many at most. SQLite takes pages first that were freed last: the pages of a new firmware
    /// go up through the file then, and so does whoever reads it from a device.
    func delete(of key: Int64, limit: Int) throws(SpoolError) -> (rows: Int, bytes: Int64) {
        let found = try sizes(of: key, limit: limit)
        return (found.count, try delete(found))
    }

    /// - Returns: the bytes that were deleted; nil where there are more rows than `limit`, and none was.
    func deleteAll(of key: Int64, limit: Int) throws(SpoolError) -> Int64? {
        let found = try sizes(of: key, limit: limit + 1)
        return found.count > limit ? nil : try delete(found)
    }

    private func sizes(of key: Int64, limit: Int) throws(SpoolError) -> [(position: Int64, size: Int64)] {
        let positions = SegmentPosition.range(of: key)
        try rowSizes.bind(1, positions.lowerBound)
        try rowSizes.bind(2, positions.upperBound)
        try rowSizes.bind(3, Int64(limit))
        defer { rowSizes.reset() }
        var found: [(position: Int64, size: Int64)] = []
        while try rowSizes.step() { found.append((rowSizes.integer(0), rowSizes.integer(1))) }
        return found
    }

    /// So many rows are asked for before they are deleted: SQLite reads their pages one by one, from the end of a firmware
    /// to its beginning, and a device would be waited for with each.
    private static let rowsAhead = 4

    private func ask(_ position: Int64) throws(SpoolError) {
        guard root != 0 else { return }
        do throws(SpoolError) {
            try RowReader.ask(database, root: root, row: position)
        } catch {
            lost = lost ?? error
            throw error
        }
    }

    private func delete(_ rows: [(position: Int64, size: Int64)]) throws(SpoolError) -> Int64 {
        for (index, row) in rows.enumerated() {
            let ahead = index == 0 ? rows.prefix(Self.rowsAhead + 1) : rows.dropFirst(index + Self.rowsAhead).prefix(1)
            for next in ahead where next.size >= Self.directBytes { try ask(next.position) }
            try deleteRow.bind(1, row.position)
            try deleteRow.run()
        }
        return rows.reduce(0) { $0 + $1.size }
    }
}

/// The checksum of a segment row: over its position too, so that a row that turns up in the wrong place is noticed.
enum SegmentChecksum {
    static func value(position: Int64, bytes: UnsafeRawBufferPointer) -> Int64 {
        Int64(bitPattern: ~RowReader.sum(register(position: position), bytes))
    }

    /// The CRC-64 of the bytes alone, out of a checksum that was compared.
    static func sumOfBytes(
        _ checksum: Int64,
        position: Int64,
        count: Int,
        _ combiner: inout CRC64.Combiner
    ) -> UInt64 {
        // What comes before is taken away as it was added.
        combiner.combine(~register(position: position), UInt64(bitPattern: checksum), secondCount: Int64(count))
    }

    /// What the sum begins with: bytes of another place must not pass for these.
    static func register(position: Int64) -> UInt64 {
        withUnsafeBytes(of: position.littleEndian) { RowReader.sum(~0, $0) }
    }
}
