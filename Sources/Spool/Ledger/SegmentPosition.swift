/// The primary key of a segment row: the transfer's key and the offset of the row's first byte in one number, so that one
/// B-tree holds the bytes of each file in order and no index is needed.
enum SegmentPosition {
    /// The largest file is below 2^30 bytes.
    static let offsetBits: Int64 = 30

    static func position(key: Int64, offset: Int64) -> Int64 { key << offsetBits | offset }
    static func offset(of position: Int64) -> Int64 { position & ((1 << offsetBits) - 1) }
    static func key(of position: Int64) -> Int64 { position >> offsetBits }

    /// The positions of all rows of a transfer.
    static func range(of key: Int64) -> Range<Int64> { (key << offsetBits)..<((key + 1) << offsetBits) }
}
