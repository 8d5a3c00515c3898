package import FerryCore
import Synchronization

/// The server's time, learned from the `Date` headers of its answers. The system's clock is never set.
///
/// Once it is learned it goes on with the monotonic clock, so that no step of the system's clock disturbs it.
/// Safe to use from any thread.
package final class ServerClock: Sendable {
    private struct Learned {
        var server: WallTime
        var at: ContinuousClock.Instant
    }

    private let learned = Mutex<Learned?>(nil)
    private let localTime: @Sendable () -> WallTime
    private let elapsed: @Sendable () -> ContinuousClock.Instant

    /// A `Date` header has whole seconds, so two of them may differ by that much without telling anything new.
    private static let resolution = Duration.seconds(1)

    /// - Parameters:
    ///   - localTime: the system's clock.
    ///   - elapsed: the monotonic clock.
    package init(
        localTime: @escaping @Sendable () -> WallTime = { WallTime.now() },
        elapsed: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.localTime = localTime
        self.elapsed = elapsed
    }

    /// How far the server is ahead of the local clock; nil while no answer was seen.
    package var offset: Duration? { learned.withLock { $0 }.map { time($0) - localTime() } }

    /// The time by the server; the local time while no answer was seen.
    package func now() -> WallTime { learned.withLock { $0 }.map(time) ?? localTime() }

    /// As of when a server's certificate has to be valid: by the system's clock where it can be right, which is from the day
    /// on which the program was released, and for twenty years. Where it cannot, by the server's time; the first connection,
    /// which is to learn that, takes a certificate whose time is over, but no other than the host's own.
    package func certificateTime(released: WallTime) -> CertificateTime {
        let local = localTime()
        if local >= released && local < released + Self.plausible { return .system }
        // Never before the release: somebody with an old certificate may have told the time.
        return learned.withLock { $0 }.map { .at(max(time($0), released)) } ?? .any
    }

    private static let plausible = Duration.seconds(20 * 365 * 86_400)

    private func time(_ learned: Learned) -> WallTime { learned.server + (elapsed() - learned.at) }

    /// The server does not take its own time, as a proxy may have told it: the local clock counts until the next answer.
    ///
    /// - Parameter moment: what `learnedAt` was when the call was signed: what was learned since is not forgotten.
    package func forget(learnedAt moment: ContinuousClock.Instant?) {
        learned.withLock { learned in
            if learned?.at == moment { learned = nil }
        }
    }

    /// When the server's time was learned.
    package var learnedAt: ContinuousClock.Instant? { learned.withLock { $0?.at } }

    /// Learns from the header of an answer that was just received; anything but a date of the form that RFC 9110 calls
    /// IMF-fixdate is ignored. Returns whether the time is news.
    @discardableResult
    package func learn(dateHeader: String?) -> Bool {
        guard let dateHeader, let server = HTTPDate.parse(dateHeader) else { return false }
        // The middle of the second that the header names.
        let fresh = Learned(server: server + .milliseconds(500), at: elapsed())
        let local = localTime()
        return learned.withLock { learned in
            let known = learned.map(time) ?? local
            let isNews = abs((fresh.server - known).milliseconds) > Self.resolution.milliseconds
            if isNews || learned == nil { learned = fresh }
            return isNews
        }
    }
}
