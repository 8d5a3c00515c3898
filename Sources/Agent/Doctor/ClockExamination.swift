import FerryCore
import Threads

/// The machine's clock, beside the cloud's and by what the kernel says.
struct ClockExamination: Sendable {
    /// How far the cloud is ahead of this machine; nil where it was not asked or did not answer.
    var offset: Duration?
    var host = HostFiles()
    var now = WallTime.now()
    /// Whether a time service keeps it; nil where the kernel does not say.
    var isSynchronized = KernelClock.isSynchronized

    /// The cloud refuses calls that are further off, until the agent has learned the difference.
    private static let cloudTolerance: Int64 = 900_000
    /// Below this a difference tells nothing: answers take time, and `Date` has whole seconds.
    private static let noise: Int64 = 5_000
    /// This program was not there before.
    private static let earliest = WallTime(iso8601: "2025-01-01T00:00:00Z")

    func findings() -> [Finding] {
        let remedy = "Install and enable a time service: systemd-timesyncd, or chrony"
        if let earliest = Self.earliest, now < earliest {
            return [
                Finding(
                    .clock,
                    .error,
                    "The clock says \(now.iso8601Seconds)",
                    why: "certificates are not valid yet at that time, so nothing reaches the cloud",
                    remedy: remedy
                )
            ]
        }
        if let offset, abs(offset.milliseconds) > Self.noise {
            let seconds = abs(offset.milliseconds) / 1_000
            let text = "The clock is \(seconds) s \(offset < .zero ? "ahead of" : "behind") the cloud's"
            let isFar = abs(offset.milliseconds) > Self.cloudTolerance
            let why =
                "upload.window and expire_at go by it"
                + (isFar ? ", and the first call after each start is refused; the agent corrects the others" : "")
            return [Finding(.clock, isFar ? .warning : .note, text, why: why, remedy: remedy)]
        }
        let agreed = offset == nil ? "" : "The clock agrees with the cloud's; "
        if isSynchronized == false {
            return [
                Finding(
                    .clock,
                    .note,
                    (agreed + "no time service keeps the clock").firstUppercased,
                    why: "it drifts, and is wrong after a reboot where there is no clock chip",
                    remedy: remedy
                )
            ]
        }
        guard !host.names(in: "/sys/class/rtc").isEmpty || !host.exists("/sys/class") else {
            return [
                Finding(
                    .clock,
                    .note,
                    (agreed + "there is no clock chip").firstUppercased,
                    why: "after a reboot the clock is wrong until a time server was reached",
                    remedy: "Nothing: the agent signs with the cloud's time"
                )
            ]
        }
        let text = offset == nil ? "The clock is kept by a time service" : "The clock agrees with the cloud's"
        return [Finding(.clock, .ok, isSynchronized == nil && offset == nil ? "The clock looks right" : text)]
    }
}

extension String {
    fileprivate var firstUppercased: String { prefix(1).uppercased() + dropFirst() }
}
