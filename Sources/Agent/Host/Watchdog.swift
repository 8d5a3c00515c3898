import Logging
import Synchronization
import Threads

/// Tells the service manager that the agent is alive, while every part of it goes on. Where one hangs, nothing is told, and
/// the service manager starts the agent anew.
///
/// Each part is nudged, so that it goes round once even when it has nothing to do, and has a round of the watchdog to show
/// that it did. With systemd's `WatchdogSec=2min` a part that hangs for a minute and a half ends the agent.
struct Watchdog: Sendable {
    /// A loop that has to go on.
    struct Part: Sendable {
        let name: String
        /// Counts its rounds.
        let pulse: Pulse
        /// Makes it go round once; must not wait.
        let nudge: @Sendable () -> Void
    }

    private let notifier: ServiceNotifier
    private let parts: [Part]
    private let logger: Logger

    init(notifier: ServiceNotifier, parts: [Part], logger: Logger) {
        self.notifier = notifier
        self.parts = parts
        self.logger = logger
    }

    /// Works until the task is cancelled.
    func run() async {
        guard let interval = notifier.watchdogInterval else { return }
        var former: [UInt64]?
        var hanging: [String] = []
        while !Task.isCancelled {
            let counts = parts.map(\.pulse.count)
            let stuck = former.map { partsStuck(since: $0) } ?? []
            if stuck != hanging { tell(stuck) }
            hanging = stuck
            if stuck.isEmpty {
                notifier.alive()
                former = counts
                for part in parts { part.nudge() }
            }
            // Twice as often as it has to be, so that a part which comes back is seen in time. Cancelled: the loop ends.
            try? await Task.sleep(for: interval / 2)
        }
    }

    /// The parts that have not gone round since they were nudged.
    private func partsStuck(since former: [UInt64]) -> [String] {
        zip(parts, former).filter { part, count in part.pulse.count == count && !part.pulse.isAway }.map(\.0.name)
    }

    private func tell(_ stuck: [String]) {
        guard !stuck.isEmpty else { return logger.notice("Every part of the agent goes on again") }
        logger.error(
            "A part of the agent does not go on; the service manager will start the agent anew unless it does soon",
            metadata: [LogKeys.part: "\(stuck.joined(separator: " "))"]
        )
    }
}
