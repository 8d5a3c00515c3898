/// A number of bytes: of a file, a range, a quota.
package struct ByteCount: RawRepresentable, Sendable, Hashable, Comparable, Codable {
    /// The number itself; never negative where it comes from `init(parsing:)`.
    package var rawValue: Int64

    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(_ value: Int) { rawValue = Int64(value) }

    package static let zero = ByteCount(rawValue: 0)
    package static func kibibytes(_ count: Int64) -> ByteCount { ByteCount(rawValue: count << 10) }
    package static func mebibytes(_ count: Int64) -> ByteCount { ByteCount(rawValue: count << 20) }
    package static func gibibytes(_ count: Int64) -> ByteCount { ByteCount(rawValue: count << 30) }

    package static func < (left: ByteCount, right: ByteCount) -> Bool { left.rawValue < right.rawValue }
    package static func + (left: ByteCount, right: ByteCount) -> ByteCount {
        ByteCount(rawValue: left.rawValue + right.rawValue)
    }
    package static func - (left: ByteCount, right: ByteCount) -> ByteCount {
        ByteCount(rawValue: left.rawValue - right.rawValue)
    }

    private static let units: [(suffix: String, factor: Int64)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1),
    ]

    /// Reads `"64KiB"`, `"16 MiB"`, `"20MB"`, `"1.5GiB"` or a bare number of bytes; nil when the text is none of them,
    /// negative, or too large for 63 bits.
    package init?(parsing text: String) {
        var digits = Substring(text)
        var factor: Int64 = 1
        if let unit = Self.units.first(where: { text.hasSuffix($0.suffix) }) {
            factor = unit.factor
            digits = digits.dropLast(unit.suffix.count)
        }
        while digits.last == " " { digits.removeLast() }
        guard let first = digits.first, first.isASCII, first.isNumber else { return nil }
        if let whole = Int64(digits) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
            guard !overflow, product >= 0 else { return nil }
            rawValue = product
        } else {
            guard digits.allSatisfy({ $0 == "." || ($0.isASCII && $0.isNumber) }), let number = Double(digits),
                number * Double(factor) < 9e18
            else { return nil }
            rawValue = Int64(number * Double(factor))
        }
    }

    /// The exact text that `init(parsing:)` reads back, in the unit that makes it shortest: `"64KiB"`, `"1MB"`.
    package var configurationText: String {
        guard rawValue != 0 else { return "0B" }
        let texts = Self.units.filter { rawValue % $0.factor == 0 }.map { "\(rawValue / $0.factor)\($0.suffix)" }
        // Of two that are as short, the one of the unit that comes first.
        return texts.reduce("\(rawValue)B") { $1.utf8.count < $0.utf8.count ? $1 : $0 }
    }
}

extension ByteCount: CustomStringConvertible {
    /// For people, three digits at most: `"51.2 MB"`, in decimal units as networks and disks use them.
    package var description: String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var value = Double(rawValue)
        var unit = 0
        while value >= 999.5 && unit < units.count - 1 {
            value /= 1_000
            unit += 1
        }
        if unit == 0 { return "\(rawValue) B" }
        if value >= 99.95 { return "\(Int(value.rounded())) \(units[unit])" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
