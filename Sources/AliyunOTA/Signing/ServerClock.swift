package import FerryCore
import Synchronization

/// The server's time, learned from the `Date` headers of its answers. The system's clock is never set.
///
/// Safe to use from any thread.
package final class ServerClock: Sendable {
    private let learned = Mutex<Duration?>(nil)
    private let localTime: @Sendable () -> WallTime

    /// A `Date` header has whole seconds, so two of them may differ by that much without telling anything new.
    private static let resolution = Duration.seconds(1)

    /// - Parameter localTime: the system's clock.
    package init(localTime: @escaping @Sendable () -> WallTime = { WallTime.now() }) { self.localTime = localTime }

    /// How far the server is ahead of the local clock; nil while no answer was seen.
    package var offset: Duration? { learned.withLock { $0 } }

    /// The time by the server; the local time while no answer was seen.
    package func now() -> WallTime { localTime() + (offset ?? .zero) }

    /// Learns from the header of an answer that was just received; anything but a date of the form that RFC 9110 calls
    /// IMF-fixdate is ignored. Returns whether the offset is new.
    @discardableResult
    package func learn(dateHeader: String?) -> Bool {
        guard let dateHeader, let server = HTTPDate.parse(dateHeader) else { return false }
        // The middle of the second that the header names.
        let fresh = (server + .milliseconds(500)) - localTime()
        return learned.withLock { offset in
            if let known = offset, abs(known.milliseconds - fresh.milliseconds) <= Self.resolution.milliseconds {
                return false
            }
            let isNews = abs(fresh.milliseconds - (offset ?? .zero).milliseconds) > Self.resolution.milliseconds
            offset = fresh
            return isNews
        }
    }
}
