/// Finds the key that somebody meant.
package enum NearestKey {
    /// The nearest candidate; nil where none is near. A candidate of another table with the same last name is near.
    package static func find(_ path: String, among candidates: [String]) -> String? {
        let wanted = path.lowercased().map { $0 == "_" ? "-" : $0 }
        let limit = max(2, wanted.count / 4)
        let measured = candidates.map { (key: $0, distance: distance(wanted, Array($0))) }
        if let best = measured.min(by: { $0.distance < $1.distance }), best.distance <= limit { return best.key }
        let name = lastName(of: String(wanted))
        return candidates.first { lastName(of: $0) == name }
            ?? candidates.first { distance(Array(lastName(of: $0)), Array(name)) <= (name.count > 4 ? 1 : 0) }
            ?? candidates.first { candidate in
                // A word of it, in the same table: `upload.rate` for `upload.rate-limit`.
                candidate.dropLast(lastName(of: candidate).count) == String(wanted).dropLast(name.count)
                    && lastName(of: candidate).split(separator: "-").contains(name)
            }
    }

    private static func lastName(of path: String) -> Substring {
        path.lastIndex(of: ".").map { path[path.index(after: $0)...] } ?? path[...]
    }

    /// How many insertions, deletions, replacements and swaps of neighbours turn one into the other.
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (row, character) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var cost = min(last[column] + (character == other ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, character == right[column - 1], left[row - 1] == other {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
