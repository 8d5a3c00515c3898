import CGatherFile
package import FerryCore
import Glibc
import Synchronization
internal import Threads

/// The durable buffer: one SQLite file, one connection on one thread.
///
/// Everything is read and written in `transact`; what its body changes becomes durable together or not at all, in the
/// order of the calls. Closures given to `Ledger.afterCommit` run on the spool's thread right after the commit, so what
/// they say outside is said in the order of the commits.
package actor Spool {
    private let executor: ThreadExecutor
    private let ledger: Ledger
    private let lock: SpoolLock
    private let settings: Settings
    private let reserve: ReserveFile
    private nonisolated let troubleFound: @Sendable (SpoolError) -> Void
    /// Of the file, for pieces of rows; it lives as long as the ledger. -1: there is none, or nobody shall use it.
    private nonisolated let stream: Atomic<Int32>

    /// The file was damaged when it was opened, and a new one stands in its place.
    package nonisolated let damage: SpoolDamage?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Where the spool is and how much it may hold.
    package struct Settings: Sendable {
        package var path: String
        /// Bytes of firmware kept at most.
        package var quota: ByteCount
        /// Bytes of the file system that are never used.
        package var reserve: ByteCount

        package init(path: String, quota: ByteCount = .gibibytes(4), reserve: ByteCount = .mebibytes(64)) {
            self.path = path
            self.quota = quota
            self.reserve = reserve
        }
    }

    /// Opens the spool, makes it when there is none, and brings it to this program's version. Blocks for the time of a few
    /// reads and, after an unclean stop, of a roll-back and a check. A damaged file is set aside under a dated name, and what
    /// can be read of it is saved into a new one, see `damage`.
    ///
    /// - Parameter troubleFound: called on the spool's thread with every error of the device, when `transact` fails for a full
    ///   disk, and when SQLite finds the file damaged later on. A damaged spool should be opened anew.
    package init(
        settings: Settings,
        troubleFound: @escaping @Sendable (SpoolError) -> Void = { _ in }
    ) throws(SpoolError) {
        guard let executor = ThreadExecutor(name: "spool") else {
            throw SpoolError(
                .unusable,
                operation: "start the spool's thread",
                underlying: "the system has no room for another thread"
            )
        }
        self.executor = executor
        self.troubleFound = troubleFound
        self.settings = settings
        reserve = ReserveFile(path: settings.path + ".reserve")
        do {
            let opened = try executor.run { () -> Result<Opened, SpoolError> in
                Result { () throws(SpoolError) in try Opened(settings) }
            }.get()
            ledger = opened.ledger
            lock = opened.lock
            damage = opened.damage
            stream = Atomic(opened.stream)
            reserve.take()
            // Not for the checks of a start, which take what they get.
            executor.run { NamedThread.goBeforeOthers() }
            // A device that cannot be written now is asked again with every transaction, and nothing is told before.
            if opened.lock.wasLeft { try? transactWaiting { _ in } }
        } catch {
            executor.end()
            throw error
        }
    }

    // @unchecked because the parts are made on the spool's thread and only used there afterwards.
    private struct Opened: @unchecked Sendable {
        let ledger: Ledger
        let lock: SpoolLock
        let damage: SpoolDamage?
        let stream: Int32

        init(_ settings: Settings) throws(SpoolError) {
            try SpoolFolder.prepare(for: settings.path)
            lock = try SpoolLock(path: settings.path + ".lock")
            do throws(SpoolError) {
                ledger = try Self.open(settings, lock)
                damage = nil
            } catch {
                guard error.code == .damaged else { throw error }
                if lock.isNew, !DamagedFile.isDatabase(settings.path) {
                    lock.takeAway()
                    throw SpoolError(
                        .unusable,
                        operation: "open the spool \(settings.path)",
                        underlying: "the file is no SQLite database, and there was no spool here before",
                        hint: "Name another file in spool.path, or move this one away if it was a spool"
                    )
                }
                (ledger, damage) = try Self.saved(settings, from: error)
            }
            stream = otaferry_gather_stream(ledger.database.handle)
            // What a process left that could not sync may be in the kernel's memory only.
            if lock.wasLeft { ledger.doubt() }
            lock.markOpen()
        }

        private static func open(_ settings: Settings, _ lock: SpoolLock) throws(SpoolError) -> Ledger {
            let database = try Database(path: settings.path)
            try Schema.prepare(database)
            if lock.wasLeft { try DamageCheck.run(database, isWhole: lock.wasFoundDamaged) }
            return try Ledger(database: database, settings: settings)
        }

        /// Sets the file aside and saves what can be read of it.
        private static func saved(
            _ settings: Settings,
            from cause: SpoolError
        ) throws(SpoolError) -> (Ledger, SpoolDamage) {
            let path = try DamagedFile.setAside(settings.path)
            try SpoolFolder.prepare(for: settings.path)
            let target = try Database(path: settings.path)
            try Schema.prepare(target)
            var damage = SpoolDamage(path: path, cause: cause.description, transfers: 0, bytes: 0)
            let room = try Ledger(database: target, settings: settings).usage.free
            // A file that cannot even be opened has nothing to save.
            if let source = try? Database(path: path) {
                var salvage = Salvage(source: source, target: target, roomForBytes: room)
                try salvage.run()
                damage.transfers = salvage.transfers
                damage.bytes = salvage.bytes
            }
            let ledger = try Ledger(database: target, settings: settings)
            try ledger.giveUpIncomplete()
            return (ledger, damage)
        }
    }

    /// Files beside the spool that were set aside because they were damaged, oldest first.
    package nonisolated static func damagedFiles(beside path: String) -> [String] { DamagedFile.all(beside: path) }

    /// From now on somebody is told, on the spool's thread, when a commit that failed may stand all the same and everything
    /// was read from the file again, with the keys of the transfers in `receiving`. What `afterCommit` would have said and
    /// done has to be made up for, as at a start.
    package func watchReloads(_ watch: @escaping @Sendable (Set<Int64>) -> Void) { ledger.reloaded = watch }

    /// Runs `body` in a transaction and commits it. When it throws, nothing has changed. Where the disk is full it is run
    /// once more with room that is kept for this, unless it stores bytes of firmware.
    @discardableResult
    package func transact<Result: Sendable>(
        _ body: @Sendable (Ledger) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        do throws(SpoolError) {
            return try watching { (ledger) throws(SpoolError) in try ledger.transact(body) }
        } catch {
            // For bytes of firmware it is not kept.
            guard error.code == .full, !ledger.hasFailedStoring, reserve.release() else { throw told(error) }
            do throws(SpoolError) {
                return try watching { (ledger) throws(SpoolError) in try ledger.transact(body) }
            } catch {
                throw told(error)
            }
        }
    }

    /// A full disk is told of only when the room that is kept did not help.
    private func told(_ error: SpoolError) -> SpoolError {
        if error.code == .full { troubleFound(error) }
        return error
    }

    /// Writes something small, so that what the file says is durable when it returns, and the device known to work.
    package func confirm() throws(SpoolError) {
        try transact { (ledger) throws(SpoolError) in try ledger.writeSomething() }
    }

    /// Takes the room for a full disk again, if it was needed and the disk has room now.
    package func restoreReserve() {
        if ledger.fileSystemRoom > ReserveFile.size { reserve.take() }
    }

    /// Reads without a transaction of its own.
    package func read<Result: Sendable>(
        _ body: @Sendable (Ledger) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try watching(body)
    }

    /// Reads the next piece of a row past the spool's thread, which may be waiting for the device. From any thread.
    ///
    /// - Parameter waits: whether this thread may wait for the device.
    package nonisolated func read(
        _ row: inout RowPieces,
        into buffer: UnsafeMutableRawBufferPointer,
        waits: Bool
    ) -> RowPieces.Piece {
        let stream = stream.load(ordering: .relaxed)
        return stream >= 0 ? row.read(into: buffer, from: stream, waits: waits) : .closed
    }

    /// From now on no row is read in pieces: they have not been what SQLite says. From any thread.
    package nonisolated func closeStream() { stream.store(-1, ordering: .relaxed) }

    private func watching<Value>(_ body: (Ledger) throws(SpoolError) -> Value) throws(SpoolError) -> Value {
        do throws(SpoolError) {
            return try body(ledger)
        } catch {
            // Damaged without SQLite's code is one row that its checksum does not fit, which concerns one transfer.
            let isFileDamaged = error.code == .damaged && error.resultCode != 0
            if isFileDamaged { lock.markDamaged() }
            if error.code == .inputOutput || isFileDamaged { troubleFound(error) }
            throw error
        }
    }

    /// `transact` for threads of ours, which wait for it; never for tasks.
    package nonisolated func transactWaiting<Value: Sendable>(
        _ body: @escaping @Sendable (Ledger) throws(SpoolError) -> Value
    ) throws(SpoolError) -> Value {
        try executor.run {
            self.assumeIsolated { spool in Result { () throws(SpoolError) in try spool.transact(body) } }
        }.get()
    }

    /// A transaction for those who do not wait: `done` is called on the spool's thread with what became of it.
    ///
    /// - Parameter whenFull: runs instead where the disk is full, told why, with the room that is kept for this.
    package nonisolated func startTransaction<Value: Sendable>(
        _ body: @escaping @Sendable (Ledger) throws(SpoolError) -> Value,
        whenFull: @escaping @Sendable (Ledger, SpoolError) throws(SpoolError) -> Value,
        then done: @escaping @Sendable (Result<Value, SpoolError>) -> Void
    ) {
        executor.start {
            done(
                self.assumeIsolated { spool in
                    Result { () throws(SpoolError) in
                        do throws(SpoolError) {
                            return try spool.watching { (ledger) throws(SpoolError) in try ledger.transact(body) }
                        } catch {
                            guard error.code == .full else { throw error }
                            return try spool.transact { (ledger) throws(SpoolError) in try whenFull(ledger, error) }
                        }
                    }
                }
            )
        }
    }

    /// Closes the file and ends the thread. Nothing may be called afterwards.
    package nonisolated func close() {
        closeStream()
        executor.run {
            self.assumeIsolated { spool in
                spool.ledger.close()
                if !spool.ledger.isSuspect { spool.lock.markClosed() }
            }
        }
        executor.end()
    }
}

/// The folder and the rights of the spool's files.
enum SpoolFolder {
    /// Makes the folder (0700) and the file (0600) where they are missing; SQLite gives the journal the file's rights.
    static func prepare(for path: String) throws(SpoolError) {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        if !folder.isEmpty { try makeFolder(folder) }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let code: SpoolError.Code = errno == ENOSPC ? .full : .unusable
            throw SpoolError(
                code,
                operation: "open the spool \(path)",
                underlying: String(cString: strerror(errno)),
                hint: "spool.path must name a file that this user may write"
            )
        }
        // The umask may have taken bits away, never added some; an older file may have more.
        fchmod(descriptor, 0o600)
        Glibc.close(descriptor)
    }

    private static func makeFolder(_ folder: String) throws(SpoolError) {
        var made = ""
        for level in folder.split(separator: "/", omittingEmptySubsequences: false) {
            made += made.isEmpty && level.isEmpty ? "/" : (made.hasSuffix("/") || made.isEmpty ? "" : "/") + level
            if mkdir(made, 0o700) != 0 && errno != EEXIST {
                let cause = errno
                // A parent that may not be written but is there is fine.
                if access(made, X_OK) == 0 { continue }
                throw SpoolError(
                    .unusable,
                    operation: "make the folder \(made)",
                    underlying: String(cString: strerror(cause)),
                    hint: "spool.path must lie in a folder that this user may write"
                )
            }
        }
    }
}
