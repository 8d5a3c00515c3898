/// How many calls an account may make in any one second.
struct CallQuota: Sendable {
    /// nil: as many as it likes.
    let limit: Int?
    private var taken: [ContinuousClock.Instant] = []

    init(limit: Int?) { self.limit = limit }

    /// Takes a place for a call at that moment; false when there is none.
    mutating func take(at now: ContinuousClock.Instant) -> Bool {
        guard let limit else { return true }
        taken.removeAll { now - $0 >= .seconds(1) }
        guard taken.count < limit else { return false }
        taken.append(now)
        return true
    }
}
