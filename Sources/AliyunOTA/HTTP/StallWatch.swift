/// Tells when a link has stopped taking bytes. Pure: time and counts come from outside.
struct StallWatch {
    let limit: Duration
    private var lastProgress: SuspendingClock.Instant
    private var taken: Int64 = 0
    private var unacknowledged: Int?

    init(limit: Duration, now: SuspendingClock.Instant) {
        self.limit = limit
        lastProgress = now
    }

    /// Whether nothing moved for the limit.
    ///
    /// - Parameters:
    ///   - taken: bytes of the body that the socket has taken.
    ///   - unacknowledged: bytes in the socket's send queue, nil if unknown. A slow link empties a queue of megabytes
    ///     for minutes before the socket takes the next byte; that is progress.
    ///   - isStarved: whether the sender waits for the body and not for the link.
    ///   - pause: how long a rate limit may keep the sender quiet between two pieces.
    mutating func isStalled(
        now: SuspendingClock.Instant,
        taken: Int64,
        unacknowledged: Int?,
        isStarved: Bool,
        pause: Duration = .zero
    ) -> Bool {
        var hasMoved = isStarved || taken != self.taken
        if let before = self.unacknowledged, let unacknowledged, unacknowledged < before { hasMoved = true }
        self.taken = taken
        self.unacknowledged = unacknowledged
        if hasMoved { lastProgress = now }
        return now - lastProgress >= limit + pause
    }
}
