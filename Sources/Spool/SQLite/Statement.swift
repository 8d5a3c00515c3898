import CSQLite

/// A prepared statement. Bind, step, read; `reset` before the next use.
final class Statement {
    private let database: Database
    private let handle: OpaquePointer
    private let sql: String

    init(_ database: Database, _ sql: String) throws(SpoolError) {
        var handle: OpaquePointer?
        // PERSISTENT: statements are kept for the life of the connection.
        let result = sqlite3_prepare_v3(
            database.handle,
            sql,
            -1,
            UInt32(SQLITE_PREPARE_PERSISTENT),
            &handle,
            nil
        )
        guard result == SQLITE_OK, let handle else { throw database.error(result, "prepare \(sql)") }
        self.database = database
        self.handle = handle
        self.sql = sql
    }

    deinit { sqlite3_finalize(handle) }

    // Indexes of parameters begin at 1, of columns at 0, as in SQLite.

    func bind(_ index: Int32, _ value: Int64?) throws(SpoolError) {
        try check(value.map { sqlite3_bind_int64(handle, index, $0) } ?? sqlite3_bind_null(handle, index))
    }

    func bind(_ index: Int32, _ value: String?) throws(SpoolError) {
        guard let value else { return try check(sqlite3_bind_null(handle, index)) }
        try check(otaferry_sqlite3_bind_text(handle, index, value, Int32(value.utf8.count)))
    }

    func bind(_ index: Int32, _ value: [UInt8]?) throws(SpoolError) {
        guard let value else { return try check(sqlite3_bind_null(handle, index)) }
        let result = value.withUnsafeBytes { bytes in
            // An empty array has no address, and a null address would bind NULL.
            bytes.baseAddress == nil
                ? sqlite3_bind_zeroblob(handle, index, 0)
                : otaferry_sqlite3_bind_blob_copy(handle, index, bytes.baseAddress, Int32(bytes.count))
        }
        try check(result)
    }

    func bind(_ index: Int32, _ value: ColumnValue) throws(SpoolError) {
        switch value {
        case .null: try check(sqlite3_bind_null(handle, index))
        case .integer(let number): try bind(index, number)
        case .text(let text): try bind(index, text)
        case .blob(let bytes): try bind(index, bytes)
        }
    }

    func value(_ column: Int32) -> ColumnValue {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_TEXT: .init(text(column))
        case SQLITE_BLOB: .init(blob(column))
        // Nothing that is written here is a real number.
        default: .null
        }
    }

    var columnCount: Int { Int(sqlite3_column_count(handle)) }

    /// Binds every column of another statement's row, in order.
    func copy(_ row: Statement) throws(SpoolError) {
        for index in 0..<Int32(row.columnCount) {
            try check(sqlite3_bind_value(handle, index + 1, sqlite3_column_value(row.handle, index)))
        }
    }

    /// Goes to the next row; false when there is none.
    func step() throws(SpoolError) -> Bool {
        let result = sqlite3_step(handle)
        switch result {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = database.error(result, "run \(sql.prefix(60))")
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement that gives no rows and makes it ready for the next use.
    func run() throws(SpoolError) {
        _ = try step()
        reset()
    }

    func reset() { sqlite3_reset(handle) }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func optionalInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : integer(column)
    }

    func text(_ column: Int32) -> String? {
        sqlite3_column_text(handle, column).map { String(cString: $0) }
    }

    func blob(_ column: Int32) -> [UInt8]? {
        guard sqlite3_column_type(handle, column) != SQLITE_NULL else { return nil }
        return withBlob(column) { Array($0) }
    }

    /// Lends the bytes of a column; they are gone with the next step.
    func withBlob<Result>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        // The order matters: sqlite3_column_blob first, then the length of what it gave.
        let bytes = sqlite3_column_blob(handle, column)
        return body(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
    }

    private func check(_ result: Int32) throws(SpoolError) {
        guard result == SQLITE_OK else { throw database.error(result, "bind a value of \(sql.prefix(60))") }
    }
}
