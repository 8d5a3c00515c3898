/// How long to wait before the next try: doubles from `minimum` to `maximum`, each time a random part of the upper half,
/// so that many gateways that failed together do not come back together.
package struct Backoff: Sendable {
    /// The first delay at most, and a floor of half of it for all.
    package let minimum: Duration
    /// No delay is longer.
    package let maximum: Duration
    private var failures = 0

    package init(minimum: Duration, maximum: Duration) {
        self.minimum = minimum
        self.maximum = maximum
    }

    /// Counts one more failure and says how long to wait.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        failures += 1
        return delay(after: failures, using: &generator)
    }

    /// The delay after the given number of failures in a row, at least 1: between half of the ceiling and the ceiling,
    /// where the ceiling is `minimum` · 2^(failures − 1), at most `maximum`.
    package func delay(after failures: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        let doublings = min(max(failures, 1) - 1, 30)
        let ceiling = min(minimum.milliseconds << Int64(doublings), maximum.milliseconds)
        return .milliseconds(Int64.random(in: (ceiling / 2)...max(ceiling, 1), using: &generator))
    }

    /// Forgets the failures; only after the thing has stayed well for a while.
    package mutating func reset() { failures = 0 }
}
