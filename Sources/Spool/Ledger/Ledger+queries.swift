package import FerryCore
import Glibc

/// How much the spool holds and can take.
package struct SpoolUsage: Sendable, Equatable {
    /// Bytes of firmware in the spool.
    package var used: Int64
    /// Bytes that are promised to transfers under way and have not come.
    package var promised: Int64
    /// What new firmware may still take: of the quota and of the file system without the reserve.
    package var free: Int64
    /// The same with what is promised.
    package var room: Int64
    package var quota: Int64
    /// What the spool could take if nothing were in it.
    package var capacity: Int64 { used + room }
}

/// Which transfers a list is to hold.
package struct TransferFilter: Sendable {
    package var state: TransferState?
    package var sender: Name?
    /// Told under one of these names; empty: whatever their product.
    package var products: [Name] = []
    /// Only transfers behind the one with this key; from the first on without.
    package var after: Int64?
    /// The greatest keys first.
    package var isNewestFirst = false
    package var limit = 50

    package init() {}
}

extension Ledger {
    /// How full the spool is.
    package var usage: SpoolUsage {
        let promised = receivingTransfers.reduce(0) { $0 + $1.reservedBytes - $1.received.count }
        let room = min(settings.quota.rawValue - counters.usedBytes, fileSystemRoom)
        return SpoolUsage(
            used: counters.usedBytes,
            promised: promised,
            free: max(0, room - promised),
            room: max(0, room),
            quota: settings.quota.rawValue
        )
    }

    /// A transfer that is not final and fits, whichever.
    package func firstOpen(where fits: (Transfer) -> Bool) -> Transfer? {
        var found: Transfer?
        forEachOpen { transfer in
            if found == nil, fits(transfer) { found = transfer }
        }
        return found
    }

    /// Bytes that the file can still grow by, without the reserve, with the pages in it that are free.
    var fileSystemRoom: Int64 {
        var status = statvfs()
        guard statvfs(database.path, &status) == 0 else { return .max }
        let free = Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
        // A failure to ask counts as no free pages.
        let reusable = (try? database.number("PRAGMA freelist_count")) ?? 0
        return free - settings.reserve.rawValue + reusable * 4_096
    }

    /// How many transfers are in each state.
    package func counts() throws(SpoolError) -> [TransferState: Int] {
        var counts = try statements.finalCounts()
        forEachOpen { counts[$0.state, default: 0] += 1 }
        return counts
    }

    /// A page of transfers in the order of their keys, or against it.
    package func transfers(_ filter: TransferFilter) throws(SpoolError) -> [Transfer] {
        try statements.page(filter, known: openTransfer(key:))
    }

    /// Transfers with this id, of whatever sender; for people who leave the sender out.
    package func transfers(withID id: Name) throws(SpoolError) -> [Transfer] {
        let rows = try statements.transfers(withID: id)
        return rows.map { openTransfer(key: $0.key) ?? $0 }
    }

    func finalTransfer(at address: TransferAddress) throws(SpoolError) -> Transfer? {
        guard let transfer = try statements.transfer(at: address), transfer.state.isFinal else { return nil }
        return transfer
    }

    /// What is registered as the version of a firmware and has other bytes than the transfer; nil where these are not known.
    package func otherBytes(
        than transfer: Transfer,
        asVersionOf firmware: FirmwareMetadata,
        catalog: ProductCatalog
    ) throws(SpoolError) -> Digest? {
        guard let wanted = CloudFirmware(firmware, catalog: catalog), let own = transfer.digests?.sha256 else {
            return nil
        }
        let same = try registered(firmware, catalog: catalog).filter { $0.firmware.isSameVersion(as: wanted) }
            .map(\.sha256)
        return same.contains(own) ? nil : same.first
    }

    /// What is registered of a firmware's product and version, whatever its module and kind. Answered from an index.
    ///
    /// - Parameter ofAnyVersion: of other versions as well, a thousand at most.
    package func registered(
        _ firmware: FirmwareMetadata,
        catalog: ProductCatalog,
        ofAnyVersion: Bool = false
    ) throws(SpoolError) -> [(firmware: CloudFirmware, sha256: Digest, address: TransferAddress)] {
        guard let product = firmware.product, let version = firmware.version,
            let entry = catalog.entry(for: product)
        else { return [] }
        var found: [(firmware: CloudFirmware, sha256: Digest, address: TransferAddress)] = []
        let names: Set<Name?> = [product, entry.alias, Name(entry.productKey)]
        for case let name? in names {
            for transfer in try statements.registered(product: name, version: ofAnyVersion ? nil : version) {
                guard let other = CloudFirmware(transfer.firmware, catalog: catalog), let digests = transfer.digests
                else { continue }
                found.append((other, digests.sha256, transfer.address))
            }
        }
        return found
    }

    /// Final transfers whose state began before the moment, at most `limit`.
    package func finalTransfers(before moment: WallTime, limit: Int) throws(SpoolError) -> [Transfer] {
        try statements.finalTransfers(before: moment, limit: limit)
    }
}
