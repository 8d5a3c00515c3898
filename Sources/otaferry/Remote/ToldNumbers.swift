import FerryCore

// Numbers that messages tell. Anybody whom the broker lets may have written them, so they are brought into the range in
// which sums, shares and times of them can be counted.
extension JSONValue {
    /// More than any count, rate or time there is; a thousand times as much is still a number of 63 bits.
    static let countLimit: Int64 = 1 << 53

    /// A count, a rate or a time in seconds.
    var count: Int64? { integer.map { min(max(0, $0), Self.countLimit) } }

    /// A number of bytes of one file.
    var fileBytes: Int64? { integer.map { min(max(0, $0), CloudLimits.fileBytes) } }

    /// A number of seconds before or behind.
    var offset: Double? {
        let seconds: Double? =
            switch self {
            case .double(let seconds): seconds
            case .integer(let seconds): Double(seconds)
            default: nil
            }
        let limit = Double(Self.countLimit)
        return seconds.map { min(max(-limit, $0), limit) }
    }
}

/// How much of a whole is done.
enum Percent {
    /// Whole percents, cut: 100 only where all is done, as of nothing.
    static func of(_ done: Int64, in total: Int64) -> Int {
        guard total > 0, done < total else { return 100 }
        return Int(total.dividingFullWidth(max(0, done).multipliedFullWidth(by: 100)).quotient)
    }
}
