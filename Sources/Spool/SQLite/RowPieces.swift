internal import CRowReader
import FerryCore

/// A row of firmware that is read in pieces: by whoever sends it, on the thread that sends, without the spool's. Made by
/// `Ledger.rows`; read by `Spool.read(_:into:waits:)`.
///
/// The pages of a committed row stay as they are until the row is deleted. Should it be deleted meanwhile, they may be
/// another's: the sum, which is compared before the last piece is given, tells.
package struct RowPieces: Sendable {
    /// Where it begins in its file.
    package let offset: Int64
    /// Its bytes.
    package let count: Int
    /// How many of them were given.
    package private(set) var given = 0
    /// The CRC-64 of its bytes, as they were written.
    package let sum: UInt64

    private let checksum: Int64
    private let local: [UInt8]
    private var chain: otaferry_chain

    /// What reading a piece came to.
    package enum Piece: Sendable, Equatable {
        /// So many bytes; at the last one the row's checksum was compared.
        case bytes(Int)
        /// The kernel does not have them in memory; it was told to read them.
        case absent
        /// This way is closed: the file system cannot tell, or the buffer has less than `leastRoom`.
        case closed
        /// They are not the bytes that were written, or cannot be read.
        case different
    }

    /// nil where the file is not as expected.
    init?(
        _ database: Database,
        root: UInt32,
        position: Int64,
        count: Int,
        checksum: Int64,
        _ combiner: inout CRC64.Combiner
    ) throws(SpoolError) {
        let register = SegmentChecksum.register(position: position)
        guard let place = try RowReader.place(database, root: root, row: position, count: count, register: register)
        else { return nil }
        offset = SegmentPosition.offset(of: position)
        self.count = count
        self.checksum = checksum
        sum = SegmentChecksum.sumOfBytes(checksum, position: position, count: count, &combiner)
        local = place.local
        chain = place.chain
    }

    /// A buffer needs so much room for a piece.
    package static let leastRoom = 2 * Int(OTAFERRY_LOCAL_MAX)

    /// Expects its pages to lie as those of the row before: it is read in fewer steps if they do.
    package mutating func follow(_ former: RowPieces) { chain.step = former.chain.step }

    /// Whether all of it was given.
    package var isDone: Bool { given == count }

    /// Reads on, whole pages or to the end.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer, from descriptor: Int32, waits: Bool) -> Piece {
        let head = local.count - min(given, local.count)
        guard buffer.count >= head else { return .closed }
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[head...])
        let got = otaferry_read_piece(descriptor, waits ? 1 : 0, &chain, rest.baseAddress, rest.count)
        // What lies in the row itself goes with the first pages.
        guard got > 0 || (got == 0 && head > 0) else {
            switch Int32(got) {
            case OTAFERRY_ABSENT: return .absent
            case OTAFERRY_OTHER: return .different
            default: return .closed
            }
        }
        guard chain.left > 0 || Int64(bitPattern: ~chain.crc) == checksum else { return .different }
        buffer.copyBytes(from: local.suffix(head))
        given += head + Int(got)
        return .bytes(head + Int(got))
    }
}
