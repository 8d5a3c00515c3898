import CChecksum
import CRowReader
import CSQLite

/// The way to large rows past SQLite's cache, and the sum that checks them.
enum RowReader {
    /// Reads the last column of a row, a blob of just this length, as the file has it, and takes it into a register of
    /// `sum`; false where the file is not as expected. A statement has to hold SQLite's read lock. Pages that SQLite has
    /// changed and not written yet are not seen: the caller compares the sum and else asks SQLite.
    ///
    /// - Throws: where the file could not be read, or pages that were to be written before could not be. A transaction has
    ///   to be rolled back then.
    static func read(
        _ database: Database,
        root: UInt32,
        row: Int64,
        into buffer: UnsafeMutableRawBufferPointer,
        _ register: inout UInt64
    ) throws(SpoolError) -> Bool {
        let result = otaferry_read_blob(database.handle, root, row, buffer.baseAddress, buffer.count, &register)
        guard result >= 0 else { throw database.error(-result, "read firmware, or write what came before it") }
        return result == 1
    }

    /// Asks the device for a row that is about to be deleted. A statement has to hold SQLite's read lock.
    ///
    /// - Throws: like `read`.
    static func ask(_ database: Database, root: UInt32, row: Int64) throws(SpoolError) {
        let result = otaferry_ask_row(database.handle, root, row)
        guard result >= 0 else { throw database.error(-result, "look for firmware, or write what came before it") }
    }

    /// Finds a row as `read` would, for reading it in pieces later on, without the connection.
    ///
    /// - Parameter register: of `sum`, which takes the blob in.
    /// - Returns: nil where the file is not as expected.
    /// - Throws: like `read`.
    static func place(
        _ database: Database,
        root: UInt32,
        row: Int64,
        count: Int,
        register: UInt64
    ) throws(SpoolError) -> (local: [UInt8], chain: otaferry_chain)? {
        var chain = otaferry_chain(next: 0, step: 0, left: 0, crc: register)
        var result: Int32 = 0
        let local = [UInt8](unsafeUninitializedCapacity: Int(OTAFERRY_LOCAL_MAX)) { buffer, filled in
            result = otaferry_place_blob(database.handle, root, row, count, buffer.baseAddress, &chain)
            filled = result == 1 ? count - Int(chain.left) : 0
        }
        guard result >= 0 else { throw database.error(-result, "look for firmware, or write what came before it") }
        return result == 1 ? (local, chain) : nil
    }

    /// The register of CRC-64/XZ after these bytes. It begins with all ones; the sum is its complement.
    static func sum(_ register: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
        otaferry_crc64(register, bytes.baseAddress, bytes.count)
    }
}
