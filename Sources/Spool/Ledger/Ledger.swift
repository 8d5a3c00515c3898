package import FerryCore

/// What the spool holds, as the body of a transaction sees and changes it. It never leaves the spool's thread.
///
/// Transfers that are not final are kept in memory as well; a transaction that fails leaves them as they were.
package final class Ledger {
    let database: Database
    let settings: Spool.Settings
    let statements: Statements

    /// Transfers that are not final, as committed.
    private var committed: [Int64: Transfer] = [:]
    private var keys: [TransferAddress: Int64] = [:]
    /// Those of them in `receiving`: few, while the others may be many.
    private var receivingKeys: Set<Int64> = []
    /// Changes of the running transaction; nil: no longer among those that are not final.
    private var changed: [Int64: Transfer?] = [:]
    private var afterwards: [() -> Void] = []
    /// Bytes that wait for their neighbours before they become a row.
    var pendingRows: [Int64: PendingRow] = [:]

    var counters = Counters()
    private var countersBefore = Counters()
    private var isInTransaction = false
    /// Whether the last transaction that failed had stored bytes of firmware.
    private(set) var hasFailedStoring = false
    /// A commit failed so late that it may stand in the file, and may yet be gone after a power cut: an error of a sync
    /// leaves the kernel with pages that it takes for written. Until the next commit has succeeded nobody is told of it.
    package private(set) var isSuspect = false
    private(set) var outbox: OutboxWatch?
    var untold = Outbox()
    /// Told that everything was read from the file again, with the transfers in `receiving`.
    var reloaded: (Set<Int64>) -> Void = { _ in }
    /// Events of the running transaction.
    var noted: [Outbox.Entry] = []

    /// Numbers that every transaction may move on, and that fall back with it.
    struct Counters {
        /// The last `seq` that was given.
        var seq: Int64 = 0
        /// The last key that was given.
        var key: Int64 = 0
        /// The last event's number.
        var event: Int64 = 0
        /// Bytes in segment rows, those that wait to be deleted too.
        var usedBytes: Int64 = 0
        /// Transfers whose rows are to be deleted, in order.
        var doomed: [Int64] = []
    }

    init(database: Database, settings: Spool.Settings) throws(SpoolError) {
        self.database = database
        self.settings = settings
        statements = try Statements(database)
        try load()
    }

    /// Runs the body in one transaction.
    func transact<Result>(_ body: (Ledger) throws(SpoolError) -> Result) throws(SpoolError) -> Result {
        precondition(!isInTransaction, "Transactions do not nest")
        isInTransaction = true
        defer { isInTransaction = false }
        let former = isSuspect ? try reload() : nil
        countersBefore = counters
        var isCommitting = false
        let result: Result
        do throws(SpoolError) {
            try database.checkJournal()
            try statements.begin()
            if isSuspect { try writeSomething() }
            result = try body(self)
            try flushRows()
            // Whoever met the error may have taken it for one of its own work alone.
            if let lost = statements.segments.lost { throw lost }
            isCommitting = true
            try statements.commit()
            database.noteJournal()
        } catch {
            // A commit that failed at its very end may stand all the same: what the file says counts.
            isSuspect = isSuspect || isCommitting
            hasFailedStoring = counters.usedBytes > countersBefore.usedBytes
            rollBack()
            if let former { memory = former }
            // What failed first counts, though the body may have gone on and failed for another reason.
            throw statements.segments.lost ?? error
        }
        for (key, transfer) in changed { settle(key, transfer) }
        changed = [:]
        untold.append(noted)
        noted = []
        if let outbox { untold.forget(upTo: outbox.position()) }
        let actions = afterwards
        afterwards = []
        for action in actions { action() }
        if let outbox, counters.event != countersBefore.event { outbox.committed(self) }
        if isSuspect {
            isSuspect = false
            // What was to be done after a commit that stood all the same was not done.
            reloaded(receivingKeys)
        }
        return result
    }

    /// What is kept of the file.
    private struct Memory {
        var committed: [Int64: Transfer] = [:]
        var keys: [TransferAddress: Int64] = [:]
        var receivingKeys: Set<Int64> = []
        var counters = Counters()
        var untold = Outbox()
    }

    private var memory: Memory {
        get {
            Memory(
                committed: committed,
                keys: keys,
                receivingKeys: receivingKeys,
                counters: counters,
                untold: untold
            )
        }
        set {
            committed = newValue.committed
            keys = newValue.keys
            receivingKeys = newValue.receivingKeys
            counters = newValue.counters
            untold = newValue.untold
        }
    }

    /// Takes everything from the file again; answers with what was known before.
    private func reload() throws(SpoolError) -> Memory {
        let former = memory
        memory = Memory()
        do throws(SpoolError) {
            try load()
        } catch {
            memory = former
            throw error
        }
        return former
    }

    /// The file may say what a process wrote that could not sync it.
    func doubt() { isSuspect = true }

    /// A commit with this in it makes durable what the file says, whoever wrote it: it writes the journal's head anew, and
    /// so ends a journal that may still be valid on the device.
    func writeSomething() throws(SpoolError) { try setSetting("tried", WallTime.now().iso8601) }

    private func rollBack() {
        statements.rollBack()
        counters = countersBefore
        changed = [:]
        noted = []
        afterwards = []
        pendingRows = [:]
    }

    private func settle(_ key: Int64, _ transfer: Transfer?) {
        if transfer?.state == .receiving { receivingKeys.insert(key) } else { receivingKeys.remove(key) }
        if let transfer {
            committed[key] = transfer
            keys[transfer.address] = key
        } else if let former = committed.removeValue(forKey: key), keys[former.address] == key {
            // The address may have begun anew in the same transaction.
            keys[former.address] = nil
        }
    }

    /// From now on somebody tells the events.
    package func watchOutbox(_ watch: OutboxWatch) { outbox = watch }

    /// Runs on the spool's thread right after the commit; not at all when the transaction fails.
    package func afterCommit(_ action: @escaping () -> Void) { afterwards.append(action) }

    func close() {
        // What the last statements hold is let go with the object.
        committed = [:]
        keys = [:]
    }

    // MARK: - Transfers

    /// The transfer of an address, whatever its state.
    package func transfer(at address: TransferAddress) throws(SpoolError) -> Transfer? {
        if let open = openTransfer(at: address) { return open }
        return try finalTransfer(at: address)
    }

    private func openTransfer(at address: TransferAddress) -> Transfer? {
        for case let transfer? in changed.values where transfer.address == address { return transfer }
        guard let key = keys[address], changed[key] == nil else { return nil }
        return committed[key]
    }

    /// The transfer of a key that is not final.
    package func openTransfer(key: Int64) -> Transfer? {
        if let change = changed[key] { return change }
        return committed[key]
    }

    /// Every transfer that is not final, in the order of keys.
    package var openTransfers: [Transfer] {
        var all = committed
        for (key, transfer) in changed { all[key] = transfer }
        return all.values.sorted { $0.key < $1.key }
    }

    /// Goes through every transfer that is not final, in no order.
    func forEachOpen(_ body: (Transfer) -> Void) {
        for (key, transfer) in committed where changed[key] == nil { body(transfer) }
        for case let transfer? in changed.values { body(transfer) }
    }

    /// When the oldest transfer that is not final began, as committed; nil where there is none.
    package var oldestUnfinished: WallTime? { committed.values.lazy.map(\.created).min() }

    /// How many transfers are not final, as committed.
    package var unfinishedCount: Int { committed.count }

    /// Every transfer in `receiving`, in no order.
    package var receivingTransfers: [Transfer] {
        let unchanged = receivingKeys.lazy.filter { self.changed[$0] == nil }.compactMap { self.committed[$0] }
        return Array(unchanged) + changed.values.compactMap { $0 }.filter { $0.state == .receiving }
    }

    /// How many transfers in `receiving` are counted.
    package func countReceiving(where isCounted: (Transfer) -> Bool) -> Int {
        let unchanged = receivingKeys.lazy.filter { self.changed[$0] == nil }.compactMap { self.committed[$0] }
        return unchanged.count(where: isCounted)
            + changed.values.lazy.compactMap { $0 }.count { $0.state == .receiving && isCounted($0) }
    }

    /// Begins a transfer; nothing is written before `save`.
    package func begin(_ address: TransferAddress, door: Transfer.Door, at now: WallTime) -> Transfer {
        counters.key += 1
        return Transfer(key: counters.key, address: address, door: door, seq: 0, at: now)
    }

    /// Gives the transfer its next `seq` and writes its row. The rows of its bytes are marked for deletion when it has
    /// none any more.
    ///
    /// - Returns: the transfer as it will be committed.
    @discardableResult
    package func save(_ transfer: Transfer) throws(SpoolError) -> Transfer {
        var transfer = transfer
        transfer.seq = nextSeq()
        try statements.saveTransfer(transfer)
        if !transfer.hasBytes && transfer.state != .receiving {
            dropPendingRow(of: transfer.key)
            // A small file goes at once: a commit of its own would cost more flash.
            if try !deleteFew(of: transfer.key) { doom(transfer.key) }
        }
        changed.updateValue(transfer.state.isFinal ? nil : transfer, forKey: transfer.key)
        return transfer
    }

    /// Notes that bytes were stored; the row is not written, for the rows of the bytes carry what changed.
    func touch(_ transfer: Transfer) { changed.updateValue(transfer, forKey: transfer.key) }

    /// Forgets the transfer, its events and its bytes.
    package func remove(_ transfer: Transfer) throws(SpoolError) {
        dropPendingRow(of: transfer.key)
        try statements.removeTransfer(transfer.key)
        // `seq` must not go back when the highest row is gone.
        try setSetting("seq", String(counters.seq))
        try setSetting("event", String(counters.event))
        try statements.insertClearance(transfer.address)
        doom(transfer.key)
        changed.updateValue(nil, forKey: transfer.key)
    }

    /// Bytes that came in this transaction and will never be a row take no room.
    private func dropPendingRow(of key: Int64) {
        guard let pending = pendingRows.removeValue(forKey: key) else { return }
        counters.usedBytes -= Int64(pending.bytes.count)
    }

    private func doom(_ key: Int64) {
        guard !counters.doomed.contains(key) else { return }
        counters.doomed.append(key)
    }

    func nextSeq() -> Int64 {
        counters.seq += 1
        return counters.seq
    }

    // MARK: - Loading

    private func load() throws(SpoolError) {
        counters.key = max(
            try database.number("SELECT max(key) FROM transfer"),
            try database.number("SELECT max(position) FROM segment") >> SegmentPosition.offsetBits
        )
        // Events go with their transfer; their numbers must not come again, for the outbox counts by them.
        let events = try statements.eventPlaces()
        untold = Outbox(entries: events.entries, told: events.told)
        counters.event = max(
            untold.told,
            untold.entries.last?.number ?? 0,
            try setting("event").flatMap { Int64($0) } ?? 0
        )
        counters.seq = max(
            try database.number("SELECT max(seq) FROM transfer"),
            try setting("seq").flatMap { Int64($0) } ?? 0
        )
        for var transfer in try statements.loadOpenTransfers() {
            if transfer.state == .receiving {
                try loadReceived(of: &transfer)
                counters.seq = max(counters.seq, transfer.seq)
            }
            counters.usedBytes += transfer.received.count
            settle(transfer.key, transfer)
        }
        counters.usedBytes += try database.number(
            "SELECT sum(bytes) FROM transfer WHERE state IN ('registered', 'failed', 'cancelled', 'expired')"
        )
        try loadDoomed()
    }

    /// Rows that belong to no transfer that still needs them: left by a stop between a commit and the clean-up.
    private func loadDoomed() throws(SpoolError) {
        var key: Int64 = 0
        while let next = try statements.segments.firstKey(atOrAfter: key) {
            let stored = try statements.storedBytes(of: next)
            if committed[next] == nil && stored == 0 {
                counters.doomed.append(next)
                counters.usedBytes += try statements.segments.sumOfBytes(of: next)
            }
            key = next + 1
        }
    }
}
