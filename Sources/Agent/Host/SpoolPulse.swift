import Spool
import Threads

/// Goes through the spool's thread when it is nudged, for the watchdog.
struct SpoolPulse: Sendable {
    let pulse = Pulse()
    private let nudged = Signal()
    private let spool: Spool

    init(spool: Spool) { self.spool = spool }

    /// From any thread.
    func nudge() { nudged.send() }

    /// Works until the task is cancelled.
    func run() async {
        for await _ in nudged.sends {
            // Hangs when the spool does. The body does not throw, so the read does not fail.
            _ = try? await spool.read { (_) throws(SpoolError) in true }
            pulse.beat()
        }
    }
}
