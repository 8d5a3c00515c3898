/// Keeps a failure that repeats from filling the log: it is reported when it begins, then at most every 30 s with how often
/// it happened, and once when it ends.
///
/// | state | event | next | action |
/// |---|---|---|---|
/// | well | failed | failing | began |
/// | failing | failed, less than 30 s after the last report | failing | quiet |
/// | failing | failed, 30 s or more after it | failing | goesOn |
/// | well | succeeded | well | quiet |
/// | failing | succeeded | well | ended |
package struct RepeatingFailure: Sendable {
    /// What to log now.
    package enum Action: Sendable, Hashable {
        /// Nothing.
        case quiet
        /// The first failure.
        case began
        /// It has happened `count` times since it began.
        case goesOn(count: Int, for: Duration)
        /// It is over; it has happened `count` times.
        case ended(count: Int, for: Duration)
    }

    private enum State: Sendable {
        case well
        case failing(since: ContinuousClock.Instant, reported: ContinuousClock.Instant, count: Int)
    }

    /// Often enough to see it, seldom enough to read on.
    package static let defaultInterval = Duration.seconds(30)

    private let interval: Duration
    private var state = State.well

    /// Begins well.
    package init(interval: Duration = Self.defaultInterval) { self.interval = interval }

    /// It failed (again).
    package mutating func failed(at now: ContinuousClock.Instant) -> Action {
        switch state {
        case .well:
            state = .failing(since: now, reported: now, count: 1)
            return .began
        case .failing(let since, let reported, let count):
            guard reported.duration(to: now) >= interval else {
                state = .failing(since: since, reported: reported, count: count + 1)
                return .quiet
            }
            state = .failing(since: since, reported: now, count: count + 1)
            return .goesOn(count: count + 1, for: since.duration(to: now))
        }
    }

    /// It went well.
    package mutating func succeeded(at now: ContinuousClock.Instant) -> Action {
        guard case .failing(let since, _, let count) = state else { return .quiet }
        state = .well
        return .ended(count: count, for: since.duration(to: now))
    }
}
