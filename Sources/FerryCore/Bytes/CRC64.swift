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
        var combiner = Combiner()
        return combiner.combine(first, second, secondCount: secondCount)
    }

    /// Does what `combine` does, for pieces that have the same length most of the time: the costly part is kept. In place of
    /// the second sum that of both gives the second.
    package struct Combiner: Sendable {
        private var count: Int64 = 0
        private var power: UInt64 = 1 << 63

        /// One that knows no length yet.
        package init() {}

        /// Like `CRC64.combine`.
        package mutating func combine(_ first: UInt64, _ second: UInt64, secondCount: Int64) -> UInt64 {
            if secondCount != count { (count, power) = (secondCount, CRC64.power(bytes: secondCount)) }
            return multiply(power, first) ^ second
        }
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
