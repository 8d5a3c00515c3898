/// The calls that an account may make in any one second, all gateways together; the rule of the simulated cloud.
struct AccountBucket {
    let limit: Int
    /// When the last calls were taken, as a ring.
    private var taken: [Double]
    private var oldest = 0

    init(limit: Int) {
        self.limit = limit
        taken = Array(repeating: -.infinity, count: limit)
    }

    /// Takes a place for a call; false when there is none.
    mutating func take(at now: Double) -> Bool {
        guard now - taken[oldest] >= 1 else { return false }
        taken[oldest] = now
        oldest = (oldest + 1) % limit
        return true
    }
}
