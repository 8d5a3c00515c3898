import FerryCore
import Glibc

/// The time of the day where the gateway stands.
enum LocalTime {
    /// How many seconds local time is ahead of UTC at a moment.
    static func offset(at moment: WallTime) -> Int64 {
        var seconds = time_t(moment.milliseconds / 1_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        return Int64(parts.tm_gmtoff)
    }

    /// Minutes since midnight.
    static func minuteOfDay() -> Int {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        return Int(parts.tm_hour) * 60 + Int(parts.tm_min)
    }
}
