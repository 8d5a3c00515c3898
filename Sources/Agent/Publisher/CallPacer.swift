import Synchronization

/// Spreads calls to the cloud: at most so many a second, evenly.
final class CallPacer: Sendable {
    private let interval: Duration
    private let next = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameter callsPerSecond: above 0.
    init(callsPerSecond: Double) { interval = .seconds(1 / callsPerSecond) }

    /// Waits until the next call may be made.
    func turn() async throws(CancellationError) {
        let now = ContinuousClock.now
        let at = next.withLock { next in
            let at = max(next ?? now, now)
            next = at + interval
            return at
        }
        guard at > now else { return }
        do { try await Task.sleep(until: at) } catch { throw CancellationError() }
    }
}
