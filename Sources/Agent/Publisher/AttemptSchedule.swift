import FerryCore

/// Which transfer is published next. Moments that come from the spool are in wall time; the first look at one turns it into
/// monotonic time, so that steps of the wall clock disturb nothing.
struct AttemptSchedule {
    /// What the decision rests on.
    struct Candidate: Sendable {
        var key: Int64
        /// The key of the oldest file of its package, which goes through at once: what is uploaded has to be registered in
        /// time.
        var age: Int64
        /// The highest of its package.
        var priority: Int
        var nextAttempt: WallTime?
        /// Whether bytes have to be sent; a registration may go at any time of the day.
        var needsUpload = true
        /// A moment further away was written under a wrong clock.
        var longestWait = Duration.seconds(86_400)

        init(_ transfer: Transfer, longest: Duration) {
            needsUpload = transfer.needsUpload
            key = transfer.key
            age = transfer.key
            priority = transfer.firmware.priority
            nextAttempt = transfer.publication.nextAttempt
            switch transfer.reason?.code {
            // A better hour is a day away at most.
            case .outsideWindow?, .linkTooSlow?, .registerWindowOver?: longestWait = .seconds(90_000)
            default: longestWait = longest
            }
        }

        init(key: Int64, priority: Int = 0, nextAttempt: WallTime? = nil) {
            self.key = key
            age = key
            self.priority = priority
            self.nextAttempt = nextAttempt
        }
    }

    /// The candidates among all transfers that are not final: those that wait for nothing but their time. Files of a package
    /// wait for each other, first to be there, then to be uploaded; the first of them registers for all. Where a file went
    /// when a registration may have got through, the first of the others asks for its outcome.
    ///
    /// - Parameter busy: transfers that are being worked on; two attempts never work on one package.
    /// - Parameter longest: the longest delay between attempts; what the spool says beyond it was written under another
    ///   clock.
    static func candidates(_ open: [Transfer], busy: Set<Int64> = [], longest: Duration) -> [Candidate] {
        open.compactMap { transfer in
            guard transfer.isPublishable, !busy.contains(transfer.key) else { return nil }
            var candidate = Candidate(transfer, longest: longest)
            guard let package = PackageMembers(with: transfer, among: open) else { return candidate }
            guard !package.members.contains(where: { busy.contains($0.key) }),
                package.members.allSatisfy({ !$0.isPaused })
            else { return nil }
            let isNext = package.isComplete && transfer.publication.firmwareURL == nil
            guard isNext || package.registering.first?.key == transfer.key else { return nil }
            for member in package.members {
                candidate.age = min(candidate.age, member.key)
                candidate.priority = max(candidate.priority, member.firmware.priority)
            }
            return candidate
        }
    }

    private struct Due {
        var nextAttempt: WallTime
        var at: ContinuousClock.Instant
    }

    private var due: [Int64: Due] = [:]

    /// When the next of those that are not due yet will be.
    private(set) var nextDue: ContinuousClock.Instant?

    /// Looks again at that moment, if not before.
    mutating func look(at moment: ContinuousClock.Instant) { nextDue = min(nextDue ?? moment, moment) }

    /// Whether the due moment has come; it is told once.
    mutating func ring(at now: ContinuousClock.Instant) -> Bool {
        guard let nextDue, nextDue <= now else { return false }
        self.nextDue = nil
        return true
    }

    /// Chooses among the candidates: the highest priority of those that are due, then the oldest.
    mutating func pick(_ candidates: [Candidate], wallNow: WallTime, now: ContinuousClock.Instant) -> Int64? {
        var known: [Int64: Due] = [:]
        nextDue = nil
        var best: Candidate?
        for candidate in candidates {
            if let nextAttempt = candidate.nextAttempt {
                let former = due[candidate.key].flatMap { $0.nextAttempt == nextAttempt ? $0 : nil }
                let wait = min(max(nextAttempt - wallNow, .zero), candidate.longestWait)
                let entry = former ?? Due(nextAttempt: nextAttempt, at: now + wait)
                known[candidate.key] = entry
                if entry.at > now {
                    nextDue = min(nextDue ?? entry.at, entry.at)
                    continue
                }
            }
            if best.map({ Self.comes(candidate, before: $0) }) ?? true { best = candidate }
        }
        due = known
        return best?.key
    }

    private static func comes(_ left: Candidate, before right: Candidate) -> Bool {
        (right.priority, left.age, left.key) < (left.priority, right.age, right.key)
    }
}
