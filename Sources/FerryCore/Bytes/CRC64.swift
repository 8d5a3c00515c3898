/// CRC-64/XZ as OSS reports it in `x-oss-hash-crc64ecma`: polynomial `0x42F0E1EBA9EA3693` reflected, initial value and
/// final exclusive-or all ones; written there in unsigned decimal.
package struct CRC64: Sendable, Equatable {
    private var register: UInt64 = ~0

    /// The sum of no bytes.
    package init() {}

    /// The sum so far.
    package var value: UInt64 { ~register }

    /// Adds bytes at the end.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = register
        var rest = bytes[...]
        Self.tables.withUnsafeBufferPointer { table in
            // Sixteen bytes a step: eight tables for the register's half, eight for the other.
            while rest.count >= 16 {
                let low = UInt64(littleEndian: rest.loadWord(at: 0)) ^ crc
                let high = UInt64(littleEndian: rest.loadWord(at: 8))
                crc = 0
                for index in 0..<8 {
                    let shift = UInt64(index * 8)
                    crc ^= table[(15 - index) << 8 | Int((low >> shift) & 0xff)]
                    crc ^= table[(7 - index) << 8 | Int((high >> shift) & 0xff)]
                }
                rest = rest.dropFirst(16)
            }
            for byte in rest { crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
        }
        register = crc
    }

    /// Adds bytes at the end.
    package mutating func update(_ bytes: some Sequence<UInt8>) {
        let done: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// `tables[k << 8 | b]` is the register after byte `b` and `k` zero bytes.
    private static let tables: [UInt64] = {
        let polynomial: UInt64 = 0xC96C_5795_D787_0F42
        var tables = [UInt64](repeating: 0, count: 16 << 8)
        for byte in 0..<256 {
            var crc = UInt64(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ polynomial : crc >> 1 }
            tables[byte] = crc
        }
        for index in 256..<(16 << 8) {
            let before = tables[index - 256]
            tables[index] = tables[Int(before & 0xff)] ^ (before >> 8)
        }
        return tables
    }()
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate func loadWord(at offset: Int) -> UInt64 {
        base.loadUnaligned(fromByteOffset: startIndex + offset, as: UInt64.self)
    }
}
