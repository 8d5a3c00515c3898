import FerryCore
import Logging
import Spool
import Synchronization

/// What has to be done from time to time: transfers that end by their time, final ones that are kept long enough, rows of
/// bytes that nobody needs any more.
final class Housekeeper: Sendable {
    private let spool: Spool
    private let herald: Herald
    private let rules: Rules
    private let roomFailures: FailureLog
    private let tidyFailures: FailureLog
    private let released = Signal()
    private let silences = Mutex(SilenceWatch())
    /// How many bytes were there of the transfers that stand still, when that was last said; nil before the first look, which
    /// comes after a start has said everything.
    private let standing = Mutex<[Int64: Int64]?>(nil)

    struct Rules: Sendable {
        var segmentsTTL: Duration
        var keepFinal: Duration
        var intake: IntakeRules
    }

    /// Between two looks for what has ended by its time.
    private static let interval = Duration.seconds(5)
    /// A transfer stands still when no byte has come for so long.
    private static let stillAfter = Duration.seconds(10)
    /// Looks for final transfers and old answers are rarer.
    private static let rareEvery = 12
    /// Final transfers that are forgotten in one transaction.
    private static let finalsAtOnce = 100
    /// A repeated command gets its first answer for so long.
    private static let answersFor = Duration.seconds(86_400)

    init(spool: Spool, herald: Herald, rules: Rules, logger: Logger) {
        self.spool = spool
        self.herald = herald
        self.rules = rules
        roomFailures = FailureLog(logger, "Room could not be given back", "Room is given back again")
        tidyFailures = FailureLog(logger, "The spool could not be tidied", "The spool is tidied again")
    }

    /// Rows wait to be deleted. From any thread.
    func bytesReleased() { released.send() }

    /// Works until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.reclaim() }
            group.addTask { await self.look() }
        }
    }

    // MARK: - Rows

    private func reclaim() async {
        released.send()
        for await _ in released.sends {
            var isMore = true
            while isMore && !Task.isCancelled {
                do throws(SpoolError) {
                    guard try await spool.read({ (ledger) throws(SpoolError) in ledger.hasReclaimable }) else { break }
                    isMore = try await spool.transact { (ledger) throws(SpoolError) in try ledger.reclaimStep() }
                    roomFailures.succeeded()
                } catch {
                    // Tried again when the next rows are released, or at the next start.
                    roomFailures.failed("\(error)")
                    isMore = false
                }
            }
            herald.board.touch()
            // A failure shows at the next look.
            try? await watchRoom()
        }
    }

    // MARK: - Times

    private func look() async {
        var round = 0
        while !Task.isCancelled {
            do throws(SpoolError) {
                try await expire()
                // Not before there was time to connect: what is forgotten has to be cleared on the broker.
                if round % Self.rareEvery == 1 { try await forget() }
                try await forgetCleared()
                try await watchRoom()
                tidyFailures.succeeded()
            } catch {
                tidyFailures.failed("\(error)")
            }
            round += 1
            // Cancelled: the loop ends.
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Ends what has had its time, and tells what stands still.
    func expire() async throws(SpoolError) {
        let rules = rules
        let herald = herald
        let now = WallTime.now()
        let receiving = try await spool.read { (ledger) throws(SpoolError) in ledger.receivingTransfers }
        let silences = silences.withLock { $0.look(at: receiving, wallNow: now, now: .now) }
        try await tellStanding(silences)
        let isAny = receiving.contains { rules.end(of: $0, at: now, silence: silences[$0.key] ?? .zero) != nil }
        guard isAny else { return }
        try await spool.transact { (ledger) throws(SpoolError) in
            for var transfer in ledger.receivingTransfers {
                let silence = silences[transfer.key] ?? .zero
                guard let end = rules.end(of: transfer, at: now, silence: silence) else { continue }
                if transfer.request == nil {
                    try ledger.remove(transfer)
                    ledger.afterCommit { herald.acknowledgeEnd(of: transfer, .unknownTransfer, end) }
                    continue
                }
                transfer.expire(because: end, at: now)
                let saved = try ledger.save(transfer)
                try ledger.note(.state, of: saved, at: now)
                ledger.afterCommit {
                    herald.tell(saved)
                    herald.acknowledgeEnd(of: saved, .expired, end)
                }
            }
        }
        bytesReleased()
    }

    /// While bytes come, `progress` tells how far a transfer is, and a state that is retained how far it was before. Where
    /// they stop coming, it is said once more.
    private func tellStanding(_ silences: [Int64: Duration]) async throws(SpoolError) {
        let herald = herald
        let former = standing.withLock { $0 }
        let now = try await spool.read { (ledger) throws(SpoolError) in
            var now: [Int64: Int64] = [:]
            for transfer in ledger.receivingTransfers where transfer.request != nil && !ledger.isSuspect {
                let count = transfer.received.count
                guard former == nil || silences[transfer.key] ?? .zero >= Self.stillAfter else { continue }
                now[transfer.key] = count
                if let former, count > 0, former[transfer.key] != count { herald.tellAgain(transfer) }
            }
            return now
        }
        standing.withLock { $0 = now }
    }

    private func forget() async throws(SpoolError) {
        let herald = herald
        let now = WallTime.now()
        let limit = now - rules.keepFinal
        var isMore = true
        while isMore && !Task.isCancelled {
            let old = try await spool.read { (ledger) throws(SpoolError) in
                try ledger.finalTransfers(before: limit, limit: Self.finalsAtOnce)
            }
            isMore = old.count == Self.finalsAtOnce
            guard !old.isEmpty else { break }
            try await spool.transact { (ledger) throws(SpoolError) in
                for former in old {
                    // It may have been retried, or begun anew, since it was found.
                    guard let transfer = try ledger.transfer(at: former.address), transfer.key == former.key,
                        transfer.state.isFinal
                    else { continue }
                    try ledger.remove(transfer)
                    ledger.afterCommit { herald.clear(transfer.address) }
                }
            }
            bytesReleased()
        }
        let answersBefore = now - Self.answersFor
        let hasOld = try await spool.read { (ledger) throws(SpoolError) in
            try ledger.hasAnswers(before: answersBefore)
        }
        guard hasOld else { return }
        try await spool.transact { (ledger) throws(SpoolError) in try ledger.forgetAnswers(before: answersBefore) }
    }

    private func forgetCleared() async throws(SpoolError) {
        let cleared = herald.takeCleared()
        guard !cleared.isEmpty else { return }
        try await spool.transact { (ledger) throws(SpoolError) in try ledger.forgetClearances(cleared) }
    }

    /// There was no room: senders are told as soon as there is room again.
    private func watchRoom() async throws(SpoolError) {
        await spool.restoreReserve()
        if herald.board.has(.spoolFailing) {
            // Whether the device works again, only a write can tell. An error ends the look.
            try await spool.confirm()
            herald.board.solve(.spoolFailing)
        }
        let rules = rules
        let herald = herald
        try await spool.read { (ledger) throws(SpoolError) in
            // Room for a segment at least: with less nobody can go on.
            let usage = ledger.usage
            let segment = rules.intake.segment()
            // What is promised to those that send now is room all the same.
            guard usage.room >= segment else {
                let isQuota = usage.used + segment > usage.quota
                return isQuota ? herald.board.quotaIsUsed(usage.quota) : herald.board.spoolIsFull()
            }
            guard herald.board.has(.spoolFull) || herald.board.isCreditDenied, usage.free >= segment else { return }
            herald.board.solve(.spoolFull)
            herald.board.creditDenied(false)
            herald.acknowledgeOpen(ledger, rules: rules.intake)
        }
    }
}

extension Housekeeper.Rules {
    /// Why a transfer ends now; nil when it does not.
    ///
    /// - Parameter silence: how long no byte has come.
    func end(of transfer: Transfer, at now: WallTime, silence: Duration) -> String? {
        guard transfer.state == .receiving else { return nil }
        guard let request = transfer.request else {
            return silence > IntakeRules.orphanTTL ? "No init came within \(IntakeRules.orphanTTL)" : nil
        }
        if let expireAt = request.expireAt, expireAt <= now { return "Its expire_at has come" }
        let limit = request.segmentsTTL ?? segmentsTTL
        return silence > limit ? "No byte came for \(limit.configurationText)" : nil
    }
}

extension WallTime {
    fileprivate static func - (left: WallTime, right: Duration) -> WallTime {
        WallTime(milliseconds: left.milliseconds - right.milliseconds)
    }
}
