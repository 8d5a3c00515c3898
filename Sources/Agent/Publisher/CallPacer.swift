import FerryCore
import Synchronization

/// Keeps the calls to the cloud below the configured rate, and at the gateway's share of the account's: in no span of
/// time that fits whole calls are there more than the rate allows, and after refusals fewer.
/// Calls that come seldom go at once, so a ticket and its registration do not wait for each other.
final class CallPacer: Sendable {
    private struct State {
        /// When the last `count` calls were made, oldest first.
        var turns: [ContinuousClock.Instant] = []
        var share: CallShare
    }

    /// Calls do not all take equally long to the cloud: what leaves a second apart may arrive closer together.
    private static let margin = 1.02

    private let callsPerSecond: Double
    private let count: Int
    private let span: Duration
    private let origin = ContinuousClock.now
    private let state: Mutex<State>

    /// - Parameter callsPerSecond: above 0. At 2, two calls in any second; at 0.5, one in any two.
    init(callsPerSecond: Double) {
        self.callsPerSecond = callsPerSecond
        count = max(1, Int(callsPerSecond))
        span = .seconds(Double(count) / callsPerSecond * Self.margin)
        var generator = SystemRandomNumberGenerator()
        state = Mutex(State(share: CallShare(callsPerSecond: callsPerSecond, at: .zero, using: &generator)))
    }

    private var sinceOrigin: Duration { ContinuousClock.now - origin }

    /// Waits until the next call may be made, and counts it.
    func turn() async throws(CancellationError) {
        while true {
            let wait = state.withLock { state -> Duration in
                let elapsed = sinceOrigin
                let wait = state.share.wait(at: elapsed)
                guard wait == .zero else { return wait }
                let now = ContinuousClock.now
                let at = Self.next(after: state.turns, count: count, span: span, now: now)
                guard at <= now else { return at - now }
                Self.note(now, in: &state.turns, count: count)
                state.share.began(at: elapsed)
                return .zero
            }
            guard wait > .zero else { return }
            // Whoever waits looks again: the share may have changed meanwhile, or another call have gone first.
            do { try await Task.sleep(for: wait) } catch { throw CancellationError() }
        }
    }

    /// How long until the next call may be made.
    var untilNextCall: Duration { state.withLock { $0.share.wait(at: sinceOrigin) } }

    /// The cloud took a call.
    func succeeded() {
        var generator = SystemRandomNumberGenerator()
        state.withLock { $0.share.succeeded(at: sinceOrigin, using: &generator) }
    }

    /// The cloud refused a call because the account makes too many.
    func refused(retryAfter: Duration?) {
        var generator = SystemRandomNumberGenerator()
        state.withLock { $0.share.refused(at: sinceOrigin, retryAfter: retryAfter, using: &generator) }
    }

    /// A person does not want to wait: the next call may be made now, as far as the configured rate allows.
    func hurry() { state.withLock { $0.share.hurry(at: sinceOrigin) } }

    /// The interval that was found; what `remember` takes.
    var interval: Duration { state.withLock { $0.share.currentInterval } }

    /// Goes on with the interval that was found when the program ran last. Before the first call.
    func remember(_ interval: Duration) {
        var generator = SystemRandomNumberGenerator()
        state.withLock { state in
            state.share = CallShare(
                callsPerSecond: callsPerSecond,
                remembered: interval,
                at: sinceOrigin,
                using: &generator
            )
        }
    }

    /// The moment from which the rate allows another call.
    static func next(
        after turns: [ContinuousClock.Instant],
        count: Int,
        span: Duration,
        now: ContinuousClock.Instant
    ) -> ContinuousClock.Instant { turns.count < count ? now : max(now, turns[0] + span) }

    /// Notes a call.
    static func note(_ at: ContinuousClock.Instant, in turns: inout [ContinuousClock.Instant], count: Int) {
        turns.append(at)
        if turns.count > count { turns.removeFirst() }
    }
}
