import Synchronization

/// Keeps the calls to the cloud below a rate: in no span of time that fits whole calls are there more than it allows.
/// Calls that come seldom go at once, so a ticket and its registration do not wait for each other.
final class CallPacer: Sendable {
    private let count: Int
    private let span: Duration
    /// When the last `count` calls were or will be made, oldest first.
    private let turns = Mutex<[ContinuousClock.Instant]>([])

    /// - Parameter callsPerSecond: above 0. At 2, two calls in any second; at 0.5, one in any two.
    init(callsPerSecond: Double) {
        count = max(1, Int(callsPerSecond))
        span = .seconds(Double(count) / callsPerSecond)
    }

    /// Waits until the next call may be made.
    func turn() async throws(CancellationError) {
        let now = ContinuousClock.now
        let at = turns.withLock { Self.book(in: &$0, count: count, span: span, now: now) }
        guard at > now else { return }
        do { try await Task.sleep(until: at) } catch { throw CancellationError() }
    }

    /// The moment of the next call, which is booked by this.
    static func book(
        in turns: inout [ContinuousClock.Instant],
        count: Int,
        span: Duration,
        now: ContinuousClock.Instant
    ) -> ContinuousClock.Instant {
        let at = turns.count < count ? now : max(now, turns[0] + span)
        turns.append(at)
        if turns.count > count { turns.removeFirst() }
        return at
    }
}
