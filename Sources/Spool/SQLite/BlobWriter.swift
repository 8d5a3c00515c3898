import CSQLite

/// Fills blobs of rows that were inserted as zeros. SQLite puts a blob that is bound together with its row first, in one
/// more piece of memory; this way its bytes go from where they are into the pages.
///
/// `close` it before the transaction ends: SQLite takes it for a statement that is still running.
final class BlobWriter {
    private let database: Database
    private let table: String
    private let column: String
    private var handle: OpaquePointer?

    init(_ database: Database, table: String, column: String) {
        self.database = database
        self.table = table
        self.column = column
    }

    deinit { close() }

    /// - Parameter bytes: as many as the row has room for. Where it throws, the row may have a part of them only.
    func write(_ bytes: UnsafeRawBufferPointer, to row: Int64) throws(SpoolError) {
        // To another row it goes faster than from the beginning.
        try check(
            handle.map { sqlite3_blob_reopen($0, row) }
                ?? sqlite3_blob_open(database.handle, "main", table, column, row, 1, &handle)
        )
        try check(sqlite3_blob_write(handle, bytes.baseAddress, Int32(bytes.count), 0))
    }

    func close() {
        // It tells once more what a write has told.
        sqlite3_blob_close(handle)
        handle = nil
    }

    private func check(_ result: Int32) throws(SpoolError) {
        guard result == SQLITE_OK else { throw database.error(result, "write \(column) of a \(table)") }
    }
}
