import FerryCore

/// How fast transfers move: for progress messages, at most one a second for each.
struct Movements {
    private struct Point {
        var state: TransferState
        var at: ContinuousClock.Instant
        var done: Int64
        var rate: Double
    }

    /// What a progress message says besides the bytes.
    struct Movement: Sendable, Equatable {
        /// Bytes a second.
        var rate: Int64
        /// Seconds to go; nil while nothing moves or the size is not known.
        var eta: Int64?
    }

    private var points: [TransferAddress: Point] = [:]

    private static let interval = Duration.seconds(1)
    /// The part of a new measurement in the shown rate.
    private static let weight = 0.5
    /// More transfers than can be under way are not kept.
    private static let limit = 1_024

    /// Notes where a transfer is; what to say, or nil when something was said less than a second ago.
    mutating func note(
        _ address: TransferAddress,
        state: TransferState,
        done: Int64,
        size: Int64?,
        at now: ContinuousClock.Instant
    ) -> Movement? {
        guard let former = points[address], former.state == state, done >= former.done else {
            if points.count >= Self.limit { points.removeAll() }
            points[address] = Point(state: state, at: now, done: done, rate: 0)
            return nil
        }
        let elapsed = now - former.at
        guard elapsed >= Self.interval else { return nil }
        let measured = Double(done - former.done) / elapsed.seconds
        let rate = former.rate == 0 ? measured : former.rate + (measured - former.rate) * Self.weight
        points[address] = Point(state: state, at: now, done: done, rate: rate)
        let eta = size.flatMap { rate >= 1 ? Int64((Double($0 - done) / rate).rounded(.up)) : nil }
        return Movement(rate: Int64(rate), eta: eta)
    }

    mutating func forget(_ address: TransferAddress) { points[address] = nil }
}
