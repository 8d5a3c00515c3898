import FerryCore
import TestSupport
import Testing

@Suite("CRC-64")
struct CRC64Tests {
    private struct File: Decodable {
        struct Combination: Decodable {
            var id: String
            var crc1Decimal: String
            var crc2Decimal: String
            var length2: Int64
            var combinedDecimal: String
        }
        var combineVectors: [Combination]
    }

    @Test("The sum of every length is that of the definition, whatever the processor has for it")
    func lengths() {
        let bytes = TemporaryFolder.bytes(70_000, seed: 3)
        var register = ~UInt64(0)
        for (count, byte) in bytes.enumerated() {
            if count < 2_200 || count % 4_093 == 0 {
                var crc = CRC64()
                crc.update(bytes[..<count])
                #expect(crc.value == ~register, "\(count)")
            }
            // CRC-64/XZ, bit by bit.
            register ^= UInt64(byte)
            for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xC96C_5795_D787_0F42 : register >> 1 }
        }
    }

    @Test("Two sums are combined as the SDK combines them, and taken apart again")
    func combines() throws {
        let vectors = try Vectors.decode(File.self, "crc64.json").combineVectors
        #expect(vectors.count == 6)
        for vector in vectors {
            let first = try #require(UInt64(vector.crc1Decimal))
            let second = try #require(UInt64(vector.crc2Decimal))
            let both = try #require(UInt64(vector.combinedDecimal))
            #expect(CRC64.combine(first, second, secondCount: vector.length2) == both, "\(vector.id)")
            var combiner = CRC64.Combiner()
            #expect(combiner.combine(first, second, secondCount: vector.length2) == both, "\(vector.id)")
            #expect(combiner.combine(first, both, secondCount: vector.length2) == second, "\(vector.id)")
        }
    }

    @Test("The sums of pieces give that of the whole, however it is cut", arguments: 0..<20)
    func pieces(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let bytes = TemporaryFolder.bytes(Int.random(in: 0...50_000, using: &generator), seed: seed)
        var whole = CRC64()
        whole.update(bytes)
        var sum: UInt64 = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...9_000, using: &generator))
            var crc = CRC64()
            crc.update(piece)
            sum = CRC64.combine(sum, crc.value, secondCount: Int64(piece.count))
            rest = rest.dropFirst(piece.count)
        }
        #expect(sum == whole.value)
    }
}
