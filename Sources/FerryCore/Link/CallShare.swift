/// One gateway's share of the calls that the whole account may make a second, found by trial: nobody tells a gateway how
/// many others there are.
///
/// The share is kept as the interval between two calls. While the cloud refuses nothing it shrinks towards the
/// configured limit, and calls go as they come. A refusal for the account's quota widens it, and the call is made again
/// after a pause that is short beside the interval; what came of that tells how long it took to be served, and that is
/// the next interval. Who was served waits its interval, who was refused tries more often: that is what makes the shares
/// equal, since all gateways compete for the same places and wait about equally long for one.
///
/// Pure: times are those of a monotonic clock, randomness comes from outside.
package struct CallShare: Sendable {
    /// The interval at the configured limit, in seconds; it never gets shorter.
    private let shortest: Double
    /// Between two calls, in seconds.
    private var interval: Double
    /// When this gateway was served last, or began to want calls.
    private var served: Double
    /// No call before this moment.
    private var due: Double
    /// Calls that were refused since it was served.
    private var refusals = 0

    /// A refusal says that others are there, not how many: a short interval becomes at most this.
    private static let firstGuess = 2.5
    /// A first refusal widens a short interval by so much at once: additions would take minutes.
    private static let widening = 16.0
    /// A call that goes through at the first try narrows the interval.
    private static let narrowing = 0.75
    /// After being refused and served the interval is what that took, a little less, so that the share grows; but
    /// neither luck nor bad luck changes it by more than these.
    private static let growth = 0.88
    private static let luckLimits = (least: 0.3, most: 8.0)
    /// The pause after a refusal, as a part of the interval.
    private static let pausePart = 0.03
    /// Who has waited longer than its interval tries more often, up to this many times.
    private static let patienceLimit = 10.0
    /// Pauses are never shorter.
    private static let shortestPause = 0.2
    /// No interval is longer: a fleet that shrank must not be waited for.
    private static let longest = 3_600.0
    /// Random parts, so that gateways do not keep step.
    private static let jitter = (interval: 0.1, pause: 0.5)

    /// A share as it begins.
    ///
    /// - Parameters:
    ///   - callsPerSecond: the most that this gateway makes, above 0.
    ///   - remembered: the interval when the program ran last, if it was longer than the shortest.
    ///
    /// The first call waits a random part of the remembered interval, of a second at most where there is none, so that
    /// gateways that start together do not call together.
    package init(
        callsPerSecond: Double,
        remembered: Duration? = nil,
        at now: Duration,
        using generator: inout some RandomNumberGenerator
    ) {
        shortest = 1 / callsPerSecond
        interval = min(max(remembered?.seconds ?? 0, shortest), max(Self.longest, shortest))
        // The first call says where waiting begins.
        served = -.infinity
        due = now.seconds + .random(in: 0...(remembered == nil ? min(interval, 1) : interval), using: &generator)
    }

    /// The interval between two calls.
    package var currentInterval: Duration { .seconds(interval) }

    /// Whether the cloud has refused calls for the quota, and the share has not grown back to the limit since.
    package var isContended: Bool { interval > shortest || refusals > 0 }

    /// How long until the next call may be made; zero: now.
    package func wait(at now: Duration) -> Duration {
        let wait = due - now.seconds
        return wait > 0 ? .seconds(wait) : .zero
    }

    /// The next call may be made now, whatever the share.
    package mutating func hurry(at now: Duration) {
        guard due > now.seconds else { return }
        // What is not waited for is no part of the time it takes either.
        served = min(served, now.seconds)
        due = now.seconds
    }

    /// A call leaves. Others of this gateway wait their turn meanwhile where calls are contended.
    package mutating func began(at now: Duration) {
        // Time in which nothing was to be called is no time of waiting.
        if refusals == 0 { served = max(served, now.seconds - interval) }
        due = now.seconds + (isContended ? interval : 0)
    }

    /// The cloud took a call.
    package mutating func succeeded(at now: Duration, using generator: inout some RandomNumberGenerator) {
        let took = max(0, now.seconds - served)
        served = now.seconds
        if refusals == 0 {
            interval *= Self.narrowing
        } else {
            let least = interval * Self.luckLimits.least
            interval = max(least, min(took * Self.growth, interval * Self.luckLimits.most))
        }
        interval = min(max(interval, shortest), max(Self.longest, shortest))
        refusals = 0
        // At the limit the pacer counts: a ticket and its registration may go at once.
        guard interval > shortest else {
            due = now.seconds
            return
        }
        due = now.seconds + Self.jittered(interval, by: Self.jitter.interval, using: &generator)
    }

    /// The cloud refused a call because the account makes too many.
    ///
    /// - Parameter retryAfter: the least to wait, where the cloud says so.
    package mutating func refused(
        at now: Duration,
        retryAfter: Duration? = nil,
        using generator: inout some RandomNumberGenerator
    ) {
        refusals += 1
        if refusals == 1, interval < Self.firstGuess { interval = min(interval * Self.widening, Self.firstGuess) }
        let wanted = max(interval, now.seconds - served)
        let pause = Self.pausePart * wanted * Self.patience(interval / wanted)
        let jittered = Self.jittered(max(pause, Self.shortestPause), by: Self.jitter.pause, using: &generator)
        let former = max(due, now.seconds)
        due = now.seconds + max(jittered, retryAfter?.seconds ?? 0)
        // How long one is told to wait says nothing about how long it takes to be served. Calls that were under way together
        // wait together.
        if retryAfter != nil { served += max(0, due - max(former, now.seconds + jittered)) }
    }

    private static func jittered(
        _ seconds: Double,
        by part: Double,
        using generator: inout some RandomNumberGenerator
    ) -> Double { seconds * .random(in: (1 - part)...(1 + part), using: &generator) }

    private static func patience(_ ratio: Double) -> Double { max(ratio.squareRoot(), 1 / patienceLimit) }
}
