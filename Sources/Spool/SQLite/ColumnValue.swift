import FerryCore

/// A value of a row, of one of SQLite's kinds.
enum ColumnValue: Equatable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
    init(_ value: String?) { self = value.map { .text($0) } ?? .null }
    init(_ value: [UInt8]?) { self = value.map { .blob($0) } ?? .null }

    /// Adds the value, with its kind and length, so that no two rows look the same.
    func add(to checksum: inout CRC64) {
        switch self {
        case .null: Self.add(0, 0, to: &checksum)
        case .integer(let value): Self.add(1, value, to: &checksum)
        case .text(let text):
            Self.add(2, Int64(text.utf8.count), to: &checksum)
            checksum.update(Array(text.utf8))
        case .blob(let bytes):
            Self.add(3, Int64(bytes.count), to: &checksum)
            checksum.update(bytes)
        }
    }

    private static func add(_ kind: UInt8, _ number: Int64, to checksum: inout CRC64) {
        checksum.update([kind])
        withUnsafeBytes(of: number.littleEndian) { checksum.update($0) }
    }
}
