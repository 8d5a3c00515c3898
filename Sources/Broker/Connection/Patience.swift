import FerryCore

/// Decides whether a batch waits a moment for more messages: a commit costs the same for one and for thirty. A sender that
/// waits for an answer after each message is not made to wait for nothing: where nothing came while waiting, the next
/// batches are not waited for, at first one, then two, four and so on.
///
/// A sender need not be one of those to look like one. Many clients leave Nagle's algorithm on: once such a client has
/// acknowledged our answer, its TCP holds the next message back until the broker's TCP confirms that, which it does with the
/// next packet for it, our next answer, or after 40 ms by itself. So one is waited for longer once in a while, and what it
/// took is remembered.
struct Patience {
    /// A batch waits no longer in all. Acknowledgements come every 250 ms at least (`docs/mqtt-api.md`).
    private static let limit = Duration.milliseconds(150)
    /// A wait for the next message, whatever the pace of the sender.
    private static let quiet = Duration.milliseconds(5)...Duration.milliseconds(80)
    /// Messages further apart are no stream.
    private static let streamGap = Duration.milliseconds(100)
    /// A batch of this size is worth its commit.
    private static let enoughBytes = 2 << 20
    private static let skipMax = 64
    /// Longer than TCP delays a confirmation: 40 ms (`TCP_DELACK_MIN` of Linux).
    private static let probe = Duration.milliseconds(60)

    private var begun = ContinuousClock.now
    /// How far apart messages come, smoothed.
    private var gap = Duration.zero
    private var lastMessage = ContinuousClock.now
    private var left = 0
    private var skip = 0
    /// The longest wait that brought more: in this batch, and lately.
    private var stallNow = Duration.zero
    private var stall = Duration.zero

    /// A batch begins.
    mutating func begin(at now: ContinuousClock.Instant = .now) {
        begun = now
        left = max(0, left - 1)
        stall = max(stallNow, stall * 7 / 8)
        stallNow = .zero
    }

    /// A message came.
    mutating func arrived(at now: ContinuousClock.Instant = .now) {
        let sinceLast = now - lastMessage
        if sinceLast < Self.streamGap { gap = (gap * 3 + sinceLast) / 4 }
        lastMessage = now
    }

    /// How long the batch so far waits for another message; nil: it does not.
    ///
    /// - Parameter isWorthIt: of nothing but messages that may wait.
    func wait(
        count: Int,
        bytes: Int,
        window: Int,
        now: ContinuousClock.Instant = .now,
        isWorthIt: () -> Bool
    ) -> Duration? {
        // With its window full the broker sends nothing before it is acknowledged.
        guard count > 0, count < window, bytes < Self.enoughBytes, left == 0, now - begun < Self.limit, isWorthIt()
        else {
            return nil
        }
        let known = max(gap * 3, stall * 3 / 2, skip > 0 ? Self.probe : .zero)
        return min(max(known, Self.quiet.lowerBound), Self.quiet.upperBound)
    }

    /// A wait is over; it took so long.
    mutating func ended(withMore isMore: Bool, after time: Duration) {
        if isMore { stallNow = max(stallNow, time) } else { (stallNow, stall) = (.zero, .zero) }
        skip = isMore ? 0 : min(Self.skipMax, max(1, skip * 2))
        // Counted down as the next batches begin, the first of which is the one after the next `begin`.
        left = isMore ? 0 : skip + 1
    }
}
