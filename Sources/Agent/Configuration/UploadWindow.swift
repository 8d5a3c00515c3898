/// The part of the day in which uploads may start, in local time; it may span midnight.
package struct UploadWindow: Sendable, Hashable, CustomStringConvertible {
    /// Minutes since midnight; uploads may start from here.
    package let start: Int
    /// Minutes since midnight; from here on they may not.
    package let end: Int

    /// Reads `"22:00-06:00"`.
    package init(parsing text: String) throws(Expectation) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let start = Self.minute(ends[0]), let end = Self.minute(ends[1]) else {
            throw Expectation("a window of local time with two digits each, such as \"22:00-06:00\"")
        }
        guard start != end else {
            throw Expectation("a window whose ends differ (without a window uploads start at any time)")
        }
        self.start = start
        self.end = end
    }

    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2,
            parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { return nil }
        return hour * 60 + minute
    }

    /// Whether an upload may start at this minute since midnight, local time.
    package func contains(minuteOfDay minute: Int) -> Bool {
        start < end ? (start..<end).contains(minute) : minute >= start || minute < end
    }

    /// How long until uploads may start; zero where they may now.
    package func untilOpen(minuteOfDay minute: Int) -> Duration {
        guard !contains(minuteOfDay: minute) else { return .zero }
        return .seconds(60 * ((start - minute + 1_440) % 1_440))
    }

    /// What `init(parsing:)` reads back.
    package var description: String { "\(Self.clock(start))-\(Self.clock(end))" }

    private static func clock(_ minute: Int) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(minute / 60)):\(two(minute % 60))"
    }
}
