import FerryCore

/// How long no byte has come of transfers. While this process watches, monotonic time counts, so a wall clock that is set,
/// as on a gateway without a clock chip, ends none. What was before the start only the wall clock knows.
struct SilenceWatch {
    private struct Seen {
        var lastByte: WallTime
        var at: ContinuousClock.Instant
        /// The silence when it was first seen.
        var before: Duration
    }

    /// A longer silence before the start, or one below zero, comes from a clock that was wrong.
    private static let plausible = Duration.zero...Duration.seconds(366 * 86_400)

    private var seen: [Int64: Seen] = [:]

    /// Looks at every transfer that is receiving.
    ///
    /// - Returns: the silence of each, by its key.
    mutating func look(
        at transfers: [Transfer],
        wallNow: WallTime,
        now: ContinuousClock.Instant
    ) -> [Int64: Duration] {
        var next: [Int64: Seen] = [:]
        var silences: [Int64: Duration] = [:]
        for transfer in transfers {
            let former = seen[transfer.key].flatMap { $0.lastByte == transfer.lastByte ? $0 : nil }
            let before = wallNow - transfer.lastByte
            let entry =
                former
                ?? Seen(
                    lastByte: transfer.lastByte,
                    at: now,
                    before: Self.plausible.contains(before) ? before : .zero
                )
            next[transfer.key] = entry
            silences[transfer.key] = entry.before + (now - entry.at)
        }
        seen = next
        return silences
    }
}
