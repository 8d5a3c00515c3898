import FerryCore

/// Decides whether a batch waits a moment for more messages: a commit costs the same for one and for thirty. A sender that
/// waits for an answer after each message is not made to wait for nothing: where nothing came while waiting, the next
/// batches are not waited for, at first one, then two, four and so on.
struct Patience {
    /// A batch waits no longer in all. Acknowledgements come every 250 ms at least (`docs/mqtt-api.md`).
    private static let limit = Duration.milliseconds(150)
    /// A wait for the next message, whatever the pace of the sender.
    private static let quiet = Duration.milliseconds(5)...Duration.milliseconds(80)
    /// Messages further apart are no stream.
    private static let streamGap = Duration.milliseconds(100)
    /// A batch of this size is worth its commit.
    private static let enoughBytes = 2 << 20
    private static let skipMax = 16

    private var begun = ContinuousClock.now
    /// How far apart messages come, smoothed.
    private var gap = Duration.zero
    private var lastMessage = ContinuousClock.now
    private var left = 0
    private var skip = 0

    /// A batch begins.
    mutating func begin(at now: ContinuousClock.Instant = .now) {
        begun = now
        left = max(0, left - 1)
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
        return min(max(gap * 3, Self.quiet.lowerBound), Self.quiet.upperBound)
    }

    /// A wait is over.
    mutating func ended(withMore isMore: Bool) {
        skip = isMore ? 0 : min(Self.skipMax, max(1, skip * 2))
        // Counted down as the next batches begin, the first of which is the one after the next `begin`.
        left = isMore ? 0 : skip + 1
    }
}
