import FerryCore
import Spool

/// Gives a file out of the spool piece by piece. Each row's checksum is compared; a damaged file ends the upload before its
/// last byte, so that OSS never has it whole.
actor SpoolReader {
    private let spool: Spool
    private let key: Int64
    private let size: Int64
    private var position: Int64 = 0
    /// The CRC-64 of what was given so far.
    private(set) var sum: UInt64 = 0
    /// Why the file could not be read, if it could not.
    private(set) var damage: PublicationFailure?

    private static let pieceBytes: Int64 = 1 << 20

    init(spool: Spool, key: Int64, size: Int64) {
        self.spool = spool
        self.key = key
        self.size = size
    }

    /// The next piece; nil at the end.
    func next() async throws(SpoolError) -> [UInt8]? {
        guard position < size else { return nil }
        let key = key
        let from = position
        let limit = Int(min(Self.pieceBytes, size - from))
        do throws(SpoolError) {
            let piece = try await spool.read { (ledger) throws(SpoolError) in
                try ledger.readSummedChunk(key: key, from: from, atMost: limit)
            }
            guard !piece.bytes.isEmpty else {
                throw SpoolError(
                    .damaged,
                    operation: "read the bytes at \(from) of transfer \(key)",
                    underlying: "they are not in the spool"
                )
            }
            position += Int64(piece.bytes.count)
            sum = CRC64.combine(sum, piece.crc64, secondCount: Int64(piece.bytes.count))
            return piece.bytes
        } catch {
            damage = Self.failure(error)
            throw error
        }
    }

    private static func failure(_ error: SpoolError) -> PublicationFailure {
        guard error.code == .damaged else { return Attempt.failure(error) }
        let hint = "The disk is failing or was written to by somebody else; send the file again"
        return PublicationFailure(
            reason: Reason(.spoolDamaged, .permanent, error.description, hint: hint),
            remedy: .fail
        )
    }
}
