import FerryCore
import TestSupport
import Testing

@Suite("Ranges of bytes")
struct ByteRangesTests {
    /// What the set is, in the plainest form.
    private struct Model {
        var bytes = [Bool](repeating: false, count: 300)

        mutating func insert(_ range: Range<Int64>) { for byte in range { bytes[Int(byte)] = true } }

        func runs(of value: Bool, in range: Range<Int64>) -> [Range<Int64>] {
            var runs: [Range<Int64>] = []
            for byte in range where bytes[Int(byte)] == value {
                if let last = runs.last, last.upperBound == byte {
                    runs[runs.count - 1] = last.lowerBound..<(byte + 1)
                } else {
                    runs.append(byte..<(byte + 1))
                }
            }
            return runs
        }
    }

    private static func range(_ generator: inout SeededGenerator, longest: Int64) -> Range<Int64> {
        let lower = Int64.random(in: 0..<300, using: &generator)
        return lower..<min(300, lower + Int64.random(in: 0...longest, using: &generator))
    }

    @Test("They answer as a plain array of bytes does, whatever is inserted", arguments: 0..<60 as Range<UInt64>)
    func agreesWithPlainArray(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var set = ByteRanges()
        var model = Model()
        for _ in 0..<80 {
            let inserted = Self.range(&generator, longest: seed % 2 == 0 ? 12 : 60)
            set.insert(inserted)
            model.insert(inserted)
            #expect(set.ranges == model.runs(of: true, in: 0..<300))
            #expect(set.count == Int64(model.bytes.count { $0 }))
            #expect(set.isEmpty == !model.bytes.contains(true))
            #expect(set.prefix == Int64(model.bytes.firstIndex(of: false) ?? 300))
            #expect(set.upperBound == Int64((model.bytes.lastIndex(of: true) ?? -1) + 1))

            let asked = Self.range(&generator, longest: 150)
            let holes = model.runs(of: false, in: asked)
            #expect(set.missing(in: asked) == holes)
            #expect(set.overlap(with: asked) == model.runs(of: true, in: asked))
            #expect(set.contains(asked) == holes.isEmpty)
            let limit = Int.random(in: 0...4, using: &generator)
            let some = set.missing(in: asked, limit: limit)
            #expect(some.ranges == Array(holes.prefix(limit)))
            #expect(some.hasMore == (holes.count > limit))
        }
    }

    @Test("Neighbours become one range, and an empty range adds nothing")
    func joinsNeighbours() {
        var set = ByteRanges(0..<10)
        set.insert(20..<30)
        set.insert(15..<15)
        #expect(set.ranges == [0..<10, 20..<30])
        set.insert(10..<20)
        #expect(set.ranges == [0..<30])
        #expect(ByteRanges(5..<5) == ByteRanges())
    }

    @Test("A range of the largest file costs nothing that grows with it")
    func largest() {
        var set = ByteRanges(0..<CloudLimits.fileBytes)
        set.insert(0..<(1 << 48))
        #expect(set.count == 1 << 48)
        #expect(set.missing(in: 0..<(1 << 49)) == [(1 << 48)..<(1 << 49)])
    }
}
