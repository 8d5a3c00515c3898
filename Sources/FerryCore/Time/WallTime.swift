package import FoundationEssentials

/// A moment as people and certificates count it, in milliseconds since 1970 UTC. It may be wrong or jump: time-outs and
/// order never depend on it.
package struct WallTime: Sendable, Hashable, Comparable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    package init(_ date: Date) { milliseconds = Int64((date.timeIntervalSince1970 * 1_000).rounded()) }

    /// The same moment in Foundation's terms.
    package var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1_000) }

    /// Now, by the system's clock.
    package static func now() -> WallTime { WallTime(Date()) }

    package static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }
    package static func + (left: WallTime, right: Duration) -> WallTime {
        WallTime(milliseconds: left.milliseconds + right.milliseconds)
    }
    package static func - (left: WallTime, right: WallTime) -> Duration {
        .milliseconds(left.milliseconds - right.milliseconds)
    }

    /// `2026-05-01T08:00:00.000Z`
    package var iso8601: String {
        // Foundation cuts the fraction off a binary number, which is often just below the millisecond that is meant.
        let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1_000)
        let (seconds, fraction) = remainder < 0 ? (quotient - 1, remainder + 1_000) : (quotient, remainder)
        let whole = WallTime(milliseconds: seconds * 1_000).iso8601Seconds
        return "\(whole.dropLast()).\(String(fraction + 1_000).dropFirst())Z"
    }

    /// `2026-05-01T08:00:00Z`, as Alibaba Cloud's `Timestamp` parameter wants it.
    package var iso8601Seconds: String { date.formatted(Date.ISO8601FormatStyle()) }

    /// Reads ISO 8601 in UTC, with or without a fraction.
    package init?(iso8601 text: String) {
        if let date = try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)) {
            self.init(date)
        } else if let date = try? Date(text, strategy: Date.ISO8601FormatStyle()) {
            self.init(date)
        } else {
            return nil
        }
    }
}

extension Duration {
    /// Whole milliseconds, cut towards zero.
    package var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }

    /// Seconds with their fraction.
    package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    private static let units: [(suffix: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// Reads `"250ms"`, `"30s"`, `"15m"`, `"24h"`, `"7d"`; nil when the text is none of them.
    package init?(parsing text: String) {
        guard let unit = Self.units.first(where: { text.hasSuffix($0.suffix) }) else { return nil }
        var digits = text.dropLast(unit.suffix.count)
        while digits.last == " " { digits.removeLast() }
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let count = Int64(digits) else {
            return nil
        }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit.milliseconds)
        guard !overflow else { return nil }
        self = .milliseconds(product)
    }

    /// The exact text that `init(parsing:)` reads back, in the largest unit that divides it: `"15m"`.
    package var configurationText: String {
        let value = milliseconds
        guard value != 0 else { return "0s" }
        for (suffix, factor) in Self.units.reversed() where value % factor == 0 {
            return "\(value / factor)\(suffix)"
        }
        return "\(value)ms"
    }
}
