import CGatherFile
import CSQLite
import Glibc

/// One connection to a SQLite file, used on one thread only.
final class Database {
    let handle: OpaquePointer
    let path: String
    /// The file that SQLite has open as its journal, once it has one.
    private var journal: ino_t?

    /// The VFS that writes the pages of a commit together is registered once in the process.
    private static let gatherResult: Int32 = otaferry_register_gather_vfs()

    /// Opens or makes the file. The caller has set the process's umask or made the file with its rights before.
    init(path: String) throws(SpoolError) {
        var handle: OpaquePointer?
        // NOMUTEX: one thread uses it. EXRESCODE is set by hand below, for SQLite before 3.37 lacks the flag.
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let registered = Self.gatherResult
        guard registered == SQLITE_OK else {
            throw SpoolError.sqlite(registered, handle: nil, operation: "prepare to open the spool \(path)")
        }
        let result = sqlite3_open_v2(path, &handle, flags, OTAFERRY_GATHER_VFS)
        guard result == SQLITE_OK, let handle else {
            let error = SpoolError.sqlite(result, handle: handle, operation: "open the spool \(path)")
            sqlite3_close_v2(handle)
            throw error
        }
        sqlite3_extended_result_codes(handle, 1)
        self.handle = handle
        self.path = path
    }

    deinit { sqlite3_close_v2(handle) }

    /// Runs SQL that gives no rows, one statement or several.
    func execute(_ sql: String, _ operation: String) throws(SpoolError) {
        let result = sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw error(result, operation) }
    }

    /// SQLite keeps the journal open between transactions, see `gather_device`. Where somebody has deleted it since, what is
    /// written to it would be lost with a power cut, and the file with it: it is opened anew. Called before a transaction.
    func checkJournal() throws(SpoolError) {
        guard let journal, journal != inodeOfJournal else { return }
        self.journal = nil
        // DELETE closes it.
        try execute("PRAGMA journal_mode=DELETE; PRAGMA journal_mode=PERSIST", "open the spool's journal anew")
    }

    /// Notes which file the journal is. Called after a transaction.
    func noteJournal() { if journal == nil { journal = inodeOfJournal } }

    private var inodeOfJournal: ino_t? {
        var status = stat()
        return stat(path + "-journal", &status) == 0 ? status.st_ino : nil
    }

    /// How many rows the last statement changed.
    var changedRows: Int32 { sqlite3_changes(handle) }

    /// The first column of the first row as a number; 0 where there is none.
    func number(_ sql: String) throws(SpoolError) -> Int64 {
        let statement = try Statement(self, sql)
        return try statement.step() ? statement.integer(0) : 0
    }

    /// SQLite's own words for the last failure.
    func error(_ result: Int32, _ operation: String) -> SpoolError {
        .sqlite(result, handle: handle, operation: operation)
    }
}

extension SpoolError {
    /// SQLite's result code with what it means here.
    static func sqlite(_ result: Int32, handle: OpaquePointer?, operation: String) -> SpoolError {
        let systemError = handle.map { sqlite3_system_errno($0) } ?? 0
        let words = handle.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "out of memory"
        var underlying = "\(words) (SQLite \(result))"
        if systemError != 0 { underlying += ", \(String(cString: strerror(systemError)))" }
        let code: Code
        let isNoSpace = systemError == ENOSPC || systemError == EDQUOT
        switch result & 0xff {
        case SQLITE_FULL: code = .full
        // A full file system can surface as an I/O error; the system's errno tells.
        case SQLITE_IOERR, SQLITE_CANTOPEN: code = isNoSpace ? .full : .inputOutput
        case SQLITE_CORRUPT, SQLITE_NOTADB: code = .damaged
        case SQLITE_BUSY, SQLITE_LOCKED: code = .inUse
        case SQLITE_READONLY, SQLITE_PERM: code = .unusable
        default: code = .misuse
        }
        return SpoolError(code, operation: operation, underlying: underlying, resultCode: result)
    }
}
