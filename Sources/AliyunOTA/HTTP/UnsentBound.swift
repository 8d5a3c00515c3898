/// How much the kernel may take in beyond what it may send at once: what the link carries in a moment. Little on a slow
/// link, so that what is counted as sent is nearly sent; more on a fast one, where every wake-up for a little costs more
/// than the bytes. Pure: time and counts come from outside.
struct UnsentBound {
    /// What holds now.
    private(set) var bytes: Int
    private let least: Int
    private var since: SuspendingClock.Instant
    private var taken: Int64 = 0

    /// A fast link is asked this seldom.
    private static let step: Int64 = 1 << 20
    private static let most = 1 << 20
    /// The moment.
    private static let moment = 0.02

    init(least: Int, now: SuspendingClock.Instant) {
        bytes = least
        self.least = least
        since = now
    }

    /// Whether the bound has changed, and is to be set.
    mutating func changes(taken: Int64, now: @autoclosure () -> SuspendingClock.Instant) -> Bool {
        guard taken - self.taken >= Self.step else { return false }
        let now = now()
        let seconds = max((now - since) / .seconds(1), 1e-6)
        let wanted = min(max(Double(taken - self.taken) / seconds * Self.moment, Double(least)), Double(Self.most))
        self.taken = taken
        since = now
        // Small changes are not worth a system call.
        guard wanted >= Double(bytes) * 2 || wanted <= Double(bytes) / 2 else { return false }
        bytes = Int(wanted)
        return true
    }
}
