import CSQLite
import FerryCore

/// Reads out of a damaged file what can be read, row by row, into a new one.
///
/// A table is read from its beginning until a page cannot be read, and then from its end; what lies between two such pages
/// is asked for by its number where the table has one.
struct Salvage {
    let source: Database
    let target: Database
    /// Bytes of firmware that may be copied: the damaged file stays, so they have to fit beside it.
    let roomForBytes: Int64
    private(set) var transfers = 0
    private(set) var bytes: Int64 = 0

    /// What is copied at most in one transaction.
    private static let commitBytes: Int64 = 4 << 20
    /// Numbers of transfers that are asked for one by one.
    private static let gapMax: Int64 = 1_000_000

    init(source: Database, target: Database, roomForBytes: Int64) {
        self.source = source
        self.target = target
        self.roomForBytes = roomForBytes
    }

    /// Copies everything that can be read. What cannot be is left out; an error is one of the new file.
    mutating func run() throws(SpoolError) {
        // Else a file that is shorter than its header says cannot be read at all (btree.c, lockBtree).
        try? source.execute("PRAGMA writable_schema=ON", "read a damaged spool")
        try target.execute("BEGIN IMMEDIATE", "begin to save a damaged spool")
        let keys = try copyTransfers()
        transfers = keys.count
        for table in ["setting", "answer", "clearance"] { try copy(table) { _ in true } }
        for key in keys {
            try copy("event", where: "transfer = \(key)", order: "number") { _ in true }
        }
        try target.execute("COMMIT", "save a damaged spool")
        for key in keys where bytes < roomForBytes { try copySegments(of: key) }
    }

    private mutating func copyTransfers() throws(SpoolError) -> [Int64] {
        var keys: Set<Int64> = []
        let remember = { (row: Statement) in TransferRow.isSound(row) && keys.insert(row.integer(0)).inserted }
        let ends = try copy("transfer", order: "key", isWanted: remember)
        if let from = ends.forward, let to = ends.backward, to > from, to - from < Self.gapMax {
            for key in from...to {
                try copy("transfer", where: "key = \(key)", order: "key", isWanted: remember)
            }
        }
        return keys.sorted()
    }

    private mutating func copySegments(of key: Int64) throws(SpoolError) {
        let positions = SegmentPosition.range(of: key)
        var seen: Set<Int64> = []
        var open: Int64 = 0
        var total: Int64 = 0
        let room = roomForBytes - bytes
        try target.execute("BEGIN IMMEDIATE", "begin to save bytes of a damaged spool")
        let target = target
        var failure: SpoolError?
        try copy(
            "segment",
            where: "position >= \(positions.lowerBound) AND position < \(positions.upperBound)",
            order: "position"
        ) { row in
            let position = row.integer(0)
            guard failure == nil, total < room, seen.insert(position).inserted else { return false }
            let isSound = row.withBlob(4) { SegmentChecksum.value(position: position, bytes: $0) } == row.integer(3)
            guard isSound else { return false }
            let count = row.withBlob(4) { Int64($0.count) }
            total += count
            open += count
            if open >= Self.commitBytes {
                open = 0
                do throws(SpoolError) {
                    try target.execute("COMMIT; BEGIN IMMEDIATE", "save bytes of a damaged spool")
                } catch {
                    failure = error
                }
            }
            return true
        }
        if let failure { throw failure }
        try target.execute("COMMIT", "save bytes of a damaged spool")
        bytes += total
    }

    /// Where the reading of a table stopped from either side; nil where it went to the other end.
    private struct Ends {
        var forward: Int64?
        var backward: Int64?
    }

    @discardableResult
    private func copy(
        _ table: String,
        where condition: String = "1",
        order: String? = nil,
        isWanted: (Statement) -> Bool
    ) throws(SpoolError) -> Ends {
        var ends = Ends()
        ends.forward = try copy(table, condition, order.map { "ORDER BY \($0)" } ?? "", isWanted)
        guard ends.forward != nil, let order else { return ends }
        ends.backward = try copy(table, condition, "ORDER BY \(order) DESC", isWanted)
        return ends
    }

    /// - Returns: the first column of the last row before one that could not be read (0: none before it); nil when all
    ///   could.
    private func copy(
        _ table: String,
        _ condition: String,
        _ order: String,
        _ isWanted: (Statement) -> Bool
    ) throws(SpoolError) -> Int64? {
        var last: Int64 = 0
        let rows: Statement
        do throws(SpoolError) {
            rows = try Statement(source, "SELECT * FROM \(table) WHERE \(condition) \(order)")
        } catch {
            // Not even the table's definition can be read.
            return last
        }
        let places = (1...max(1, rows.columnCount)).map { "?\($0)" }.joined(separator: ", ")
        let insert = try Statement(target, "INSERT OR IGNORE INTO \(table) VALUES (\(places))")
        while true {
            do throws(SpoolError) {
                guard try rows.step() else { return nil }
            } catch {
                return last
            }
            last = rows.integer(0)
            guard isWanted(rows) else { continue }
            try insert.copy(rows)
            try insert.run()
        }
    }
}
