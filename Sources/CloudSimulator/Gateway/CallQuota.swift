/// How many calls an account may make in any one second.
struct CallQuota: Sendable {
    private var taken: [ContinuousClock.Instant] = []

    /// Takes a place for a call at that moment; false when there is none. No limit: as many as it likes.
    mutating func take(at now: ContinuousClock.Instant, limit: Int?) -> Bool {
        taken.removeAll { now - $0 >= .seconds(1) }
        guard taken.count < limit ?? .max else { return false }
        taken.append(now)
        return true
    }
}
