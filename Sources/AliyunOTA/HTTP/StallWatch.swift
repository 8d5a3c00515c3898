/// Tells when a link has stopped taking bytes. Pure: time and counts come from outside.
struct StallWatch {
    let limit: Duration
    private var lastProgress: SuspendingClock.Instant
    private var taken: Int64 = 0

    init(limit: Duration, now: SuspendingClock.Instant) {
        self.limit = limit
        lastProgress = now
    }

    /// Whether nothing moved for the limit.
    ///
    /// - Parameters:
    ///   - taken: bytes of the body that the socket has taken. The kernel is told to take few more than it may send, so
    ///     on a slow link too this grows as long as anything moves.
    ///   - isStarved: whether the sender waits for the body or for its turn, and not for the link.
    mutating func isStalled(now: SuspendingClock.Instant, taken: Int64, isStarved: Bool) -> Bool {
        if isStarved || taken != self.taken { lastProgress = now }
        self.taken = taken
        return now - lastProgress >= limit
    }
}
