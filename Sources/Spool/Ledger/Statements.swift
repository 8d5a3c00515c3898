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
    let segments: SegmentStatements
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
        segments = try SegmentStatements(database)
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
        var conditions = filter.isNewestFirst ? "WHERE key < ?1" : "WHERE key > ?1"
        if filter.state != nil { conditions += " AND state = ?2" }
        if filter.sender != nil { conditions += " AND sender = ?3" }
        let products = filter.products.indices.map { "?\(Self.firstProduct + Int32($0))" }
        if !products.isEmpty { conditions += " AND product IN (\(products.joined(separator: ", ")))" }
        let bind = { (statement: Statement) throws(SpoolError) in
            try statement.bind(1, filter.after ?? (filter.isNewestFirst ? .max : 0))
            if let state = filter.state { try statement.bind(2, state.rawValue) }
            if let sender = filter.sender { try statement.bind(3, sender.text) }
            try statement.bind(4, Int64(filter.limit))
            for (index, product) in filter.products.enumerated() {
                try statement.bind(Self.firstProduct + Int32(index), product.text)
            }
        }
        let order = filter.isNewestFirst ? " ORDER BY key DESC" : " ORDER BY key"
        return try rows(conditions + order + " LIMIT ?4", bind, known: known)
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
        segments.begin()
        try beginTransaction.run()
    }

    func commit() throws(SpoolError) {
        segments.end()
        try commitTransaction.run()
    }

    /// Does nothing where SQLite has rolled back by itself, for a full disk or an error of the device.
    func rollBack() {
        segments.end()
        try? rollbackTransaction.run()
    }

    /// The bytes that the row of a transfer says are kept for it.
    func storedBytes(of key: Int64) throws(SpoolError) -> Int64 {
        let statement = try Statement(database, "SELECT bytes FROM transfer WHERE key = ?1")
        try statement.bind(1, key)
        return try statement.step() ? statement.integer(0) : 0
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
            guard let sender = statement.text(6).flatMap({ Name($0) }), let id = statement.text(7).flatMap({ Name($0) })
            else { continue }
            events.append(
                TransferEvent(
                    number: statement.integer(0),
                    address: TransferAddress(sender: sender, id: id),
                    seq: statement.integer(1),
                    at: WallTime(milliseconds: statement.integer(2)),
                    // A newer version knows more kinds.
                    kind: statement.text(3).flatMap(TransferEvent.Kind.init(rawValue:)) ?? .state,
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
