import FerryCore

/// Every statement of the spool, prepared once.
final class Statements {
    private let database: Database
    private let beginTransaction: Statement
    private let commitTransaction: Statement
    private let rollbackTransaction: Statement

    private let insertTransfer: Statement
    private let updateTransfer: Statement
    private let deleteTransfer: Statement
    private let deleteEvents: Statement
    private let insertSegment: Statement
    private let segmentWriter: BlobWriter
    private let segmentAtOrBefore: Statement
    private let segmentBytes: Statement
    /// The page where SQLite's search for a segment begins; 0: the direct way is closed.
    private let segmentRoot: UInt32
    /// Why the transaction lacks pages or bytes, of which SQLite does not know. It must not be committed.
    private(set) var lost: SpoolError?
    private let segmentRanges: Statement
    private let segmentSizes: Statement
    private let deleteSegment: Statement
    private let insertEventStatement: Statement
    private let insertAnswerStatement: Statement

    init(_ database: Database) throws(SpoolError) {
        self.database = database
        beginTransaction = try Statement(database, "BEGIN IMMEDIATE")
        commitTransaction = try Statement(database, "COMMIT")
        rollbackTransaction = try Statement(database, "ROLLBACK")
        insertTransfer = try Statement(database, TransferRow.insert)
        updateTransfer = try Statement(database, TransferRow.update)
        deleteTransfer = try Statement(database, "DELETE FROM transfer WHERE key = ?1")
        deleteEvents = try Statement(database, "DELETE FROM event WHERE transfer = ?1")
        insertSegment = try Statement(
            database,
            "INSERT INTO segment (position, seq, at, crc64, bytes) VALUES (?1, ?2, ?3, ?4, zeroblob(?5))"
        )
        segmentWriter = BlobWriter(database, table: "segment", column: "bytes")
        segmentAtOrBefore = try Statement(
            database,
            "SELECT position, crc64, length(bytes) FROM segment WHERE position <= ?1 AND position >= ?2"
                + " ORDER BY position DESC LIMIT 1"
        )
        segmentBytes = try Statement(database, "SELECT bytes FROM segment WHERE position = ?1")
        // The direct way knows pages of this size only.
        let isUsual = try database.number("PRAGMA page_size") == 4_096
        let root = try database.number("SELECT rootpage FROM sqlite_master WHERE name = 'segment'")
        segmentRoot = isUsual ? UInt32(clamping: root) : 0
        segmentRanges = try Statement(
            database,
            "SELECT position, length(bytes), seq, at FROM segment WHERE position >= ?1 AND position < ?2"
        )
        segmentSizes = try Statement(
            database,
            "SELECT position, length(bytes) FROM segment WHERE position >= ?1 AND position < ?2"
                + " ORDER BY position DESC LIMIT ?3"
        )
        deleteSegment = try Statement(database, "DELETE FROM segment WHERE position = ?1")
        insertEventStatement = try Statement(
            database,
            "INSERT INTO event (number, transfer, seq, at, event, state, reason, told)"
                + " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        )
        insertAnswerStatement = try Statement(
            database,
            "INSERT OR REPLACE INTO answer (request, at, payload) VALUES (?1, ?2, ?3)"
        )
    }

    // MARK: - Transfers

    func saveTransfer(_ transfer: Transfer) throws(SpoolError) {
        try TransferRow.bind(transfer, to: updateTransfer, isNew: false)
        try updateTransfer.run()
        guard database.changedRows == 0 else { return }
        try TransferRow.bind(transfer, to: insertTransfer, isNew: true)
        try insertTransfer.run()
    }

    func removeTransfer(_ key: Int64) throws(SpoolError) {
        try deleteTransfer.bind(1, key)
        try deleteTransfer.run()
        try deleteEvents.bind(1, key)
        try deleteEvents.run()
    }

    func loadOpenTransfers() throws(SpoolError) -> [Transfer] {
        // A state of a newer version is among them: it is held, see TransferRow.
        try rows("WHERE state NOT IN (\(Self.finalStates)) ORDER BY key")
    }

    func transfer(at address: TransferAddress) throws(SpoolError) -> Transfer? {
        try rows("WHERE sender = ?1 AND id = ?2") { (statement) throws(SpoolError) in
            try statement.bind(1, address.sender.text)
            try statement.bind(2, address.id.text)
        }.first
    }

    func transfers(withID id: Name) throws(SpoolError) -> [Transfer] {
        try rows("WHERE id = ?1 ORDER BY key LIMIT 50") { (statement) throws(SpoolError) in
            try statement.bind(1, id.text)
        }
    }

    func registered(product: Name, version: Name?) throws(SpoolError) -> [Transfer] {
        // SQLite takes the index of final states only where its own words stand in the condition.
        let condition =
            "WHERE state IN (\(Self.finalStates)) AND state = 'registered' AND product = ?1"
            + (version == nil ? " LIMIT 1000" : " AND version = ?2")
        return try rows(condition) { (statement) throws(SpoolError) in
            try statement.bind(1, product.text)
            if let version { try statement.bind(2, version.text) }
        }
    }

    func finalTransfers(before moment: WallTime, limit: Int) throws(SpoolError) -> [Transfer] {
        try rows("WHERE state IN (\(Self.finalStates)) AND since < ?1 LIMIT ?2") { (statement) throws(SpoolError) in
            try statement.bind(1, moment.milliseconds)
            try statement.bind(2, Int64(limit))
        }
    }

    /// - Parameter known: a transfer that need not be read.
    func page(_ filter: TransferFilter, known: (Int64) -> Transfer?) throws(SpoolError) -> [Transfer] {
        var conditions = "WHERE key > ?1"
        if filter.state != nil { conditions += " AND state = ?2" }
        if filter.sender != nil { conditions += " AND sender = ?3" }
        let products = filter.products.indices.map { "?\(Self.firstProduct + Int32($0))" }
        if !products.isEmpty { conditions += " AND product IN (\(products.joined(separator: ", ")))" }
        let bind = { (statement: Statement) throws(SpoolError) in
            try statement.bind(1, filter.after)
            if let state = filter.state { try statement.bind(2, state.rawValue) }
            if let sender = filter.sender { try statement.bind(3, sender.text) }
            try statement.bind(4, Int64(filter.limit))
            for (index, product) in filter.products.enumerated() {
                try statement.bind(Self.firstProduct + Int32(index), product.text)
            }
        }
        return try rows(conditions + " ORDER BY key LIMIT ?4", bind, known: known)
    }

    /// Where the products of a filter are bound; as many as there are.
    private static let firstProduct: Int32 = 5

    /// As the index of final states has them, in its words.
    private static let finalStates = "'registered', 'failed', 'cancelled', 'expired'"

    /// How many transfers are in each final state.
    func finalCounts() throws(SpoolError) -> [TransferState: Int] {
        let statement = try Statement(
            database,
            "SELECT state, count(*) FROM transfer WHERE state IN (\(Self.finalStates)) GROUP BY state"
        )
        var counts: [TransferState: Int] = [:]
        while try statement.step() {
            guard let state = statement.text(0).flatMap(TransferState.init(rawValue:)) else { continue }
            counts[state] = Int(statement.integer(1))
        }
        return counts
    }

    private func rows(
        _ clause: String,
        _ bind: (Statement) throws(SpoolError) -> Void = { (_) throws(SpoolError) in },
        known: (Int64) -> Transfer? = { _ in nil }
    ) throws(SpoolError) -> [Transfer] {
        let statement = try Statement(database, "SELECT \(TransferRow.columns) FROM transfer " + clause)
        try bind(statement)
        var transfers: [Transfer] = []
        while try statement.step() {
            if let transfer = known(statement.integer(0)) {
                transfers.append(transfer)
            } else {
                transfers.append(try TransferRow.read(statement))
            }
        }
        return transfers
    }

    func begin() throws(SpoolError) {
        lost = nil
        try beginTransaction.run()
    }

    func commit() throws(SpoolError) {
        segmentWriter.close()
        try commitTransaction.run()
    }

    /// Does nothing where SQLite has rolled back by itself, for a full disk or an error of the device.
    func rollBack() {
        segmentWriter.close()
        try? rollbackTransaction.run()
    }

    // MARK: - Segments

    func insertSegment(position: Int64, seq: Int64, at now: WallTime, bytes: ArraySlice<UInt8>) throws(SpoolError) {
        try insertSegment.bind(1, position)
        try insertSegment.bind(2, seq)
        try insertSegment.bind(3, now.milliseconds)
        let statement = insertSegment
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
            try segmentWriter.write(bytes, to: position)
        } catch {
            lost = error
            throw error
        }
    }

    /// Reads bytes of the row that holds `position`, from there on, until the row or the buffer ends. Its checksum is
    /// compared.
    ///
    /// - Returns: how many, 0 where there is no such row, or it does not fit and has to; and their CRC-64 where they are
    ///   the whole row, whose checksum tells it.
    func readSegment(
        holding position: Int64,
        key: Int64,
        into buffer: UnsafeMutableRawBufferPointer,
        _ extent: Extent
    ) throws(SpoolError) -> (count: Int, sum: UInt64?) {
        let statement = segmentAtOrBefore
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
        return (count, SegmentChecksum.sumOfBytes(row.checksum, position: row.start, count: count))
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
        guard row.length >= Self.directBytes, segmentRoot != 0 else { return false }
        var register = SegmentChecksum.register(position: row.start)
        let found: Bool
        do throws(SpoolError) {
            found = try RowReader.read(database, root: segmentRoot, row: row.start, into: buffer, &register)
        } catch {
            lost = error
            throw error
        }
        return found && Int64(bitPattern: ~register) == row.checksum
    }

    /// Smaller rows are as fast through SQLite.
    private static let directBytes = 16 << 10

    private func copy(_ row: Row, from skip: Int, into buffer: UnsafeMutableRawBufferPointer) throws(SpoolError) {
        try segmentBytes.bind(1, row.start)
        defer { segmentBytes.reset() }
        let isThere = try segmentBytes.step()
        let isSound = segmentBytes.withBlob(0) { bytes -> Bool in
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

    func segmentRanges(of key: Int64) throws(SpoolError) -> (ranges: [Range<Int64>], seq: Int64, at: WallTime) {
        let positions = SegmentPosition.range(of: key)
        try segmentRanges.bind(1, positions.lowerBound)
        try segmentRanges.bind(2, positions.upperBound)
        defer { segmentRanges.reset() }
        var ranges: [Range<Int64>] = []
        var seq: Int64 = 0
        var at: Int64 = 0
        while try segmentRanges.step() {
            let offset = SegmentPosition.offset(of: segmentRanges.integer(0))
            ranges.append(offset..<(offset + segmentRanges.integer(1)))
            seq = max(seq, segmentRanges.integer(2))
            at = max(at, segmentRanges.integer(3))
        }
        return (ranges, seq, WallTime(milliseconds: at))
    }

    func firstSegmentKey(atOrAfter key: Int64) throws(SpoolError) -> Int64? {
        let position = SegmentPosition.range(of: key).lowerBound
        let statement = try Statement(database, "SELECT min(position) FROM segment WHERE position >= ?1")
        try statement.bind(1, position)
        guard try statement.step(), let found = statement.optionalInteger(0) else { return nil }
        return SegmentPosition.key(of: found)
    }

    func sumOfBytes(of key: Int64) throws(SpoolError) -> Int64 {
        try segmentRanges(of: key).ranges.reduce(0) { $0 + Int64($1.count) }
    }

    /// The bytes that the row of a transfer says are kept for it.
    func storedBytes(of key: Int64) throws(SpoolError) -> Int64 {
        let statement = try Statement(database, "SELECT bytes FROM transfer WHERE key = ?1")
        try statement.bind(1, key)
        return try statement.step() ? statement.integer(0) : 0
    }

    func deleteSegments(of key: Int64, limit: Int) throws(SpoolError) -> (rows: Int, bytes: Int64) {
        let found = try segmentSizes(of: key, limit: limit)
        return (found.count, try delete(found))
    }

    /// - Returns: the bytes that were deleted; nil where there are more rows than `limit`, and none was.
    func deleteAll(of key: Int64, limit: Int) throws(SpoolError) -> Int64? {
        let found = try segmentSizes(of: key, limit: limit + 1)
        return found.count > limit ? nil : try delete(found)
    }

    private func segmentSizes(of key: Int64, limit: Int) throws(SpoolError) -> [(position: Int64, size: Int64)] {
        let positions = SegmentPosition.range(of: key)
        try segmentSizes.bind(1, positions.lowerBound)
        try segmentSizes.bind(2, positions.upperBound)
        try segmentSizes.bind(3, Int64(limit))
        defer { segmentSizes.reset() }
        var found: [(position: Int64, size: Int64)] = []
        while try segmentSizes.step() { found.append((segmentSizes.integer(0), segmentSizes.integer(1))) }
        return found
    }

    private func delete(_ rows: [(position: Int64, size: Int64)]) throws(SpoolError) -> Int64 {
        for row in rows {
            try deleteSegment.bind(1, row.position)
            try deleteSegment.run()
        }
        return rows.reduce(0) { $0 + $1.size }
    }

    // MARK: - Events, answers, settings

    func insertEvent(_ event: TransferEvent, key: Int64, told: Int64) throws(SpoolError) {
        try insertEventStatement.bind(1, event.number)
        try insertEventStatement.bind(2, key)
        try insertEventStatement.bind(3, event.seq)
        try insertEventStatement.bind(4, event.at.milliseconds)
        try insertEventStatement.bind(5, event.kind.rawValue)
        try insertEventStatement.bind(6, event.state.rawValue)
        try insertEventStatement.bind(7, event.reason?.json.text)
        try insertEventStatement.bind(8, told)
        try insertEventStatement.run()
    }

    func events(of transfer: Transfer, limit: Int) throws(SpoolError) -> [TransferEvent] {
        let statement = try Statement(
            database,
            "SELECT number, seq, at, event, state, reason, ?3, ?4 FROM event WHERE transfer = ?1"
                + " ORDER BY number DESC LIMIT ?2"
        )
        try statement.bind(1, transfer.key)
        try statement.bind(2, Int64(limit))
        try statement.bind(3, transfer.address.sender.text)
        try statement.bind(4, transfer.address.id.text)
        return try events(statement).reversed()
    }

    func event(_ number: Int64, of key: Int64) throws(SpoolError) -> TransferEvent? {
        let statement = try Statement(
            database,
            "SELECT e.number, e.seq, e.at, e.event, e.state, e.reason, t.sender, t.id FROM event e"
                + " JOIN transfer t ON t.key = e.transfer WHERE e.transfer = ?1 AND e.number = ?2"
        )
        try statement.bind(1, key)
        try statement.bind(2, number)
        return try events(statement).first
    }

    /// Where each event is, and how far they had been told when the last one was written.
    func eventPlaces() throws(SpoolError) -> (entries: [Outbox.Entry], told: Int64) {
        let statement = try Statement(database, "SELECT number, transfer, told FROM event")
        var entries: [Outbox.Entry] = []
        var last: Int64 = 0
        var told: Int64 = 0
        while try statement.step() {
            let number = statement.integer(0)
            entries.append(Outbox.Entry(number: number, transfer: statement.integer(1)))
            if number > last { (last, told) = (number, statement.integer(2)) }
        }
        return (entries, told)
    }

    private func events(_ statement: Statement) throws(SpoolError) -> [TransferEvent] {
        var events: [TransferEvent] = []
        while try statement.step() {
            guard let kind = statement.text(3).flatMap(TransferEvent.Kind.init(rawValue:)),
                let sender = statement.text(6).flatMap({ Name($0) }), let id = statement.text(7).flatMap({ Name($0) })
            else { continue }
            events.append(
                TransferEvent(
                    number: statement.integer(0),
                    address: TransferAddress(sender: sender, id: id),
                    seq: statement.integer(1),
                    at: WallTime(milliseconds: statement.integer(2)),
                    kind: kind,
                    state: statement.text(4).flatMap(TransferState.init(rawValue:)) ?? .held,
                    reason: statement.text(5).flatMap { try? JSONValue(parsing: $0) }.flatMap { Reason(json: $0) }
                )
            )
        }
        return events
    }

    func insertClearance(_ address: TransferAddress) throws(SpoolError) {
        let statement = try Statement(database, "INSERT OR REPLACE INTO clearance (sender, id) VALUES (?1, ?2)")
        try statement.bind(1, address.sender.text)
        try statement.bind(2, address.id.text)
        try statement.run()
    }

    func clearances(limit: Int) throws(SpoolError) -> [TransferAddress] {
        let statement = try Statement(database, "SELECT sender, id FROM clearance LIMIT ?1")
        try statement.bind(1, Int64(limit))
        var addresses: [TransferAddress] = []
        while try statement.step() {
            guard let sender = statement.text(0).flatMap({ Name($0) }), let id = statement.text(1).flatMap({ Name($0) })
            else { continue }
            addresses.append(TransferAddress(sender: sender, id: id))
        }
        return addresses
    }

    func deleteClearance(_ address: TransferAddress) throws(SpoolError) {
        let statement = try Statement(database, "DELETE FROM clearance WHERE sender = ?1 AND id = ?2")
        try statement.bind(1, address.sender.text)
        try statement.bind(2, address.id.text)
        try statement.run()
    }

    func answer(to request: String) throws(SpoolError) -> String? {
        let statement = try Statement(database, "SELECT payload FROM answer WHERE request = ?1")
        try statement.bind(1, request)
        return try statement.step() ? statement.text(0) : nil
    }

    func insertAnswer(_ payload: String, to request: String, at now: WallTime) throws(SpoolError) {
        try insertAnswerStatement.bind(1, request)
        try insertAnswerStatement.bind(2, now.milliseconds)
        try insertAnswerStatement.bind(3, payload)
        try insertAnswerStatement.run()
    }

    func deleteAnswers(before moment: WallTime) throws(SpoolError) {
        let statement = try Statement(database, "DELETE FROM answer WHERE at < ?1")
        try statement.bind(1, moment.milliseconds)
        try statement.run()
    }

    func setting(_ name: String) throws(SpoolError) -> String? {
        let statement = try Statement(database, "SELECT value FROM setting WHERE name = ?1")
        try statement.bind(1, name)
        return try statement.step() ? statement.text(0) : nil
    }

    func setSetting(_ name: String, _ value: String?) throws(SpoolError) {
        let statement = try Statement(
            database,
            value == nil
                ? "DELETE FROM setting WHERE name = ?1"
                : "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)"
        )
        try statement.bind(1, name)
        if let value { try statement.bind(2, value) }
        try statement.run()
    }
}

/// The checksum of a segment row: over its position too, so that a row that turns up in the wrong place is noticed.
enum SegmentChecksum {
    static func value(position: Int64, bytes: UnsafeRawBufferPointer) -> Int64 {
        Int64(bitPattern: ~RowReader.sum(register(position: position), bytes))
    }

    /// The CRC-64 of the bytes alone, out of a checksum that was compared.
    static func sumOfBytes(_ checksum: Int64, position: Int64, count: Int) -> UInt64 {
        CRC64.second(of: UInt64(bitPattern: checksum), first: ~register(position: position), secondCount: Int64(count))
    }

    /// What the sum begins with: bytes of another place must not pass for these.
    static func register(position: Int64) -> UInt64 {
        withUnsafeBytes(of: position.littleEndian) { RowReader.sum(~0, $0) }
    }
}
