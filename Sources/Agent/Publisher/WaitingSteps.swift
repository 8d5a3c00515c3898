import FerryCore
import Spool
import Synchronization

/// Steps of one attempt that wait for its next commit, or for a moment when none comes.
///
/// Only for steps that may be forgotten: after a crash an attempt before its registration begins anew, whether the spool
/// says `stored`, `ticketing` or `uploading`. A small file has its ticket and its upload behind it in milliseconds; a commit
/// for each of these steps would cost the flash card more than a tenth of the file.
final class WaitingSteps: Sendable {
    /// Makes the step; false where the transfer is not where the attempt expects it.
    typealias Step = @Sendable (inout Transfer) -> Bool

    private let steps = Mutex<[Step]>([])
    private let added = Signal()

    /// So long a step waits for others at most.
    static let limit = Duration.milliseconds(250)

    func add(_ step: @escaping Step) {
        steps.withLock { $0.append(step) }
        added.send()
    }

    /// Makes the waiting steps part of the running transaction, each as a change of its own.
    ///
    /// - Returns: false where the transfer is not where the attempt expects it; nothing waits then any more.
    func commit(
        _ key: Int64,
        in ledger: Ledger,
        saving save: (Transfer) throws(SpoolError) -> Transfer
    ) throws(SpoolError) -> Bool {
        let waiting = steps.withLock { $0 }
        guard !waiting.isEmpty else { return true }
        // A transaction that fails leaves them waiting.
        ledger.afterCommit { self.steps.withLock { $0.removeFirst(waiting.count) } }
        for step in waiting {
            guard var transfer = ledger.openTransfer(key: key), step(&transfer) else { return false }
            _ = try save(transfer)
        }
        return true
    }

    /// Calls `commit` whenever a step has waited long enough, until the task is cancelled.
    func watch(_ commit: () async -> Void) async {
        for await _ in added.sends {
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.limit)
            guard !Task.isCancelled else { return }
            if steps.withLock({ !$0.isEmpty }) { await commit() }
        }
    }
}
