import FerryCore
import Spool

/// Keeps the files of a package together: each of them says how many are there, and what was uploaded waits for a file
/// that went.
enum PackageDesk {
    /// After a file of a package came or went: the others say how the package stands now. Part of the transaction that
    /// changed it.
    static func refresh(
        around transfer: Transfer,
        in ledger: Ledger,
        herald: Herald,
        at now: WallTime
    ) throws(SpoolError) {
        guard let package = PackageMembers(with: transfer, among: ledger.openTransfers) else { return }
        for var member in package.members {
            let isBroken = !package.isComplete && member.packageBroke(at: now)
            let isNews = member.packageStands(arrived: package.arrived, of: package.files)
            guard isBroken || isNews else { continue }
            let saved = try ledger.save(member)
            try ledger.note(.state, of: saved, at: now)
            ledger.afterCommit { herald.tell(saved) }
        }
    }
}
