import Glibc

/// The time of the day where the gateway stands.
enum LocalTime {
    /// Minutes since midnight.
    static func minuteOfDay() -> Int {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        return Int(parts.tm_hour) * 60 + Int(parts.tm_min)
    }
}
