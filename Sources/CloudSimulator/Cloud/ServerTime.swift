import Foundation

/// The forms in which the cloud writes and reads moments; always UTC and independent of the locale.
enum ServerTime {
    /// `2019-11-04T06:21:54.607Z`
    static func milliseconds(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    /// `Mon, 04 Nov 2019 06:21:54 GMT`, as in the `Date` header.
    static func header(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
            + "\(parts.tm_year + 1_900) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }

    /// Reads exactly `2019-11-04T06:21:54Z`, the only form a `Timestamp` may have.
    static func stamp(_ text: String) -> Date? {
        guard text.utf8.count == 20 else { return nil }
        return try? Date(text, strategy: Date.ISO8601FormatStyle())
    }

    /// Reads the expiration of a policy: ISO 8601 in UTC, with or without a fraction.
    static func expiration(_ text: String) -> Date? {
        if let date = try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)) {
            return date
        }
        return try? Date(text, strategy: Date.ISO8601FormatStyle())
    }
}
