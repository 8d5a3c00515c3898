/// A set of bytes of one file, kept as sorted, disjoint, non-adjacent half-open ranges.
///
/// Every operation costs the number of ranges it touches plus a binary search.
package struct ByteRanges: Sendable, Equatable {
    /// The ranges in order; neighbours never touch.
    package private(set) var ranges: [Range<Int64>] = []

    /// The empty set.
    package init() {}

    /// One range; an empty one gives the empty set.
    package init(_ range: Range<Int64>) {
        if !range.isEmpty { ranges = [range] }
    }

    /// How many bytes are in the set.
    package var count: Int64 { ranges.reduce(0) { $0 + Int64($1.count) } }

    package var isEmpty: Bool { ranges.isEmpty }

    /// The length of the part that begins at byte 0 and has no hole.
    package var prefix: Int64 {
        guard let first = ranges.first, first.lowerBound == 0 else { return 0 }
        return first.upperBound
    }

    /// One past the highest byte of the set; 0 when it is empty.
    package var upperBound: Int64 { ranges.last?.upperBound ?? 0 }

    /// Adds the bytes of `range`.
    package mutating func insert(_ range: Range<Int64>) {
        guard !range.isEmpty else { return }
        let first = indexOfFirstRange(endingAtOrAfter: range.lowerBound)
        var last = first
        var lower = range.lowerBound
        var upper = range.upperBound
        while last < ranges.count, ranges[last].lowerBound <= range.upperBound {
            lower = min(lower, ranges[last].lowerBound)
            upper = max(upper, ranges[last].upperBound)
            last += 1
        }
        ranges.replaceSubrange(first..<last, with: CollectionOfOne(lower..<upper))
    }

    /// The parts of `range` that are not in the set, in order.
    package func missing(in range: Range<Int64>) -> [Range<Int64>] {
        missing(in: range, limit: .max).ranges
    }

    /// The first `limit` parts of `range` that are not in the set, and whether there are more of them.
    package func missing(in range: Range<Int64>, limit: Int) -> (ranges: [Range<Int64>], hasMore: Bool) {
        var result: [Range<Int64>] = []
        var position = range.lowerBound
        var index = indexOfFirstRange(endingAtOrAfter: range.lowerBound)
        while position < range.upperBound {
            let next = index < ranges.count ? ranges[index] : range.upperBound..<range.upperBound
            let end = min(next.lowerBound, range.upperBound)
            if position < end {
                if result.count == limit { return (result, true) }
                result.append(position..<end)
            }
            position = max(position, next.upperBound)
            if index >= ranges.count { break }
            index += 1
        }
        return (result, false)
    }

    /// The parts of `range` that are in the set, in order.
    package func overlap(with range: Range<Int64>) -> [Range<Int64>] {
        var result: [Range<Int64>] = []
        var index = indexOfFirstRange(endingAtOrAfter: range.lowerBound)
        while index < ranges.count, ranges[index].lowerBound < range.upperBound {
            let part = ranges[index].clamped(to: range)
            if !part.isEmpty { result.append(part) }
            index += 1
        }
        return result
    }

    /// Whether every byte of `range` is in the set.
    package func contains(_ range: Range<Int64>) -> Bool { missing(in: range, limit: 1).ranges.isEmpty }

    private func indexOfFirstRange(endingAtOrAfter position: Int64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
