import FerryCore

/// How many bytes an upload may send now. What a link that stood still did not take is not made up for: others share the
/// link, and the limit is for them. libcurl's own limit is an average over seconds, and longer in a stall. Pure: time comes
/// from outside.
struct SendingPace {
    /// The most bytes a second; nil for no limit.
    var rate: ByteCount?
    /// When the bytes that were sent so far would have been sent at the rate.
    private var paid: SuspendingClock.Instant

    /// The time whose bytes are sent in one go: a limited upload wakes the thread this often.
    static let moment = Duration.milliseconds(100)

    init(rate: ByteCount?, now: SuspendingClock.Instant) {
        self.rate = rate
        paid = now - Self.moment
    }

    /// How many bytes may be sent; 0 when none may until `next`.
    mutating func allowance(now: @autoclosure () -> SuspendingClock.Instant) -> Int {
        guard let perSecond else { return .max }
        let now = now()
        // A thread that wakes late keeps the rate all the same.
        paid = max(paid, now - interval(perSecond) * 2.5)
        guard now >= next else { return 0 }
        return max(1, Int(perSecond * ((now - paid) / .seconds(1))))
    }

    /// Takes so many bytes as sent.
    mutating func spend(_ bytes: Int) {
        guard let perSecond else { return }
        paid += .seconds(Double(bytes) / perSecond)
    }

    /// When there is an allowance again; without a limit that is no time to wait for.
    var next: SuspendingClock.Instant {
        guard let perSecond else { return paid }
        return paid + interval(perSecond)
    }

    /// A byte takes longer than the moment where the rate is tiny.
    private func interval(_ perSecond: Double) -> Duration { max(Self.moment, .seconds(1 / perSecond)) }

    private var perSecond: Double? { rate.flatMap { $0.rawValue > 0 ? Double($0.rawValue) : nil } }
}
