import CChecksum

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
        register = otaferry_crc64(register, bytes.baseAddress, bytes.count)
    }

    /// Adds bytes at the end.
    package mutating func update(_ bytes: some Sequence<UInt8>) {
        let done: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// The sum of two pieces one after the other, out of their sums and the length of the second.
    package static func combine(_ first: UInt64, _ second: UInt64, secondCount: Int64) -> UInt64 {
        multiply(power(bytes: secondCount), first) ^ second
    }

    /// The sum of the second of two pieces, out of that of both and that of the first: what `combine` undoes.
    package static func second(of both: UInt64, first: UInt64, secondCount: Int64) -> UInt64 {
        // Addition is its own inverse here.
        combine(first, both, secondCount: secondCount)
    }

    /// x to the power of eight times the number, modulo the polynomial. The highest bit is that of x⁰.
    private static func power(bytes: Int64) -> UInt64 {
        var result: UInt64 = 1 << 63
        var square: UInt64 = 1 << 55
        var rest = bytes
        while rest > 0 {
            if rest & 1 == 1 { result = multiply(result, square) }
            square = multiply(square, square)
            rest >>= 1
        }
        return result
    }

    /// Polynomials over one bit, multiplied modulo the polynomial of the sum.
    private static func multiply(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var product: UInt64 = 0
        var shifted = right
        for bit in 0..<64 {
            if left & (1 << (63 - UInt64(bit))) != 0 { product ^= shifted }
            shifted = shifted & 1 == 1 ? (shifted >> 1) ^ polynomial : shifted >> 1
        }
        return product
    }

    private static let polynomial: UInt64 = 0xC96C_5795_D787_0F42
}
