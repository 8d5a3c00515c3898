/// The CRC-64 that OSS puts into `x-oss-hash-crc64ecma`, eight bytes a step.
struct ECMAChecksum: Sendable {
    private var state = UInt64.max

    /// The sum of the bytes so far, as OSS prints it in unsigned decimal.
    var value: UInt64 { ~state }

    /// Adds bytes at the end.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        Self.tables.withUnsafeBufferPointer { tables in
            var offset = 0
            while offset + 8 <= bytes.count {
                crc ^= UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                var next: UInt64 = 0
                next ^= tables[7 * 256 + Int(crc & 0xFF)] ^ tables[6 * 256 + Int(crc >> 8 & 0xFF)]
                next ^= tables[5 * 256 + Int(crc >> 16 & 0xFF)] ^ tables[4 * 256 + Int(crc >> 24 & 0xFF)]
                next ^= tables[3 * 256 + Int(crc >> 32 & 0xFF)] ^ tables[2 * 256 + Int(crc >> 40 & 0xFF)]
                next ^= tables[256 + Int(crc >> 48 & 0xFF)] ^ tables[Int(crc >> 56)]
                crc = next
                offset += 8
            }
            while offset < bytes.count {
                crc = tables[Int((crc ^ UInt64(bytes[offset])) & 0xFF)] ^ crc >> 8
                offset += 1
            }
        }
        state = crc
    }

    private static let tables: [UInt64] = {
        var tables: [UInt64] = []
        for byte in UInt64(0)..<256 {
            tables.append((0..<8).reduce(byte) { crc, _ in crc >> 1 ^ (crc & 1) * 0xC96C_5795_D787_0F42 })
        }
        for index in 256..<2_048 {
            let shorter = tables[index - 256]
            tables.append(tables[Int(shorter & 0xFF)] ^ shorter >> 8)
        }
        return tables
    }()
}
