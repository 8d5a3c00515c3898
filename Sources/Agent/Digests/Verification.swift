import Crypto
import FerryCore
import Spool

/// The digests of a file's bytes, as they come.
struct RunningDigests {
    /// So many bytes are in.
    private(set) var position: Int64 = 0
    private var sha256 = SHA256()
    private var md5 = Insecure.MD5()
    private var crc64 = CRC64()
    /// Only where signatures are checked.
    private(set) var hashes: FirmwareSignatures.FileHashes?

    fileprivate init(hashes: FirmwareSignatures.FileHashes?) { self.hashes = hashes }

    /// Adds bytes at the end.
    mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            sha256.update(bufferPointer: bytes)
            md5.update(bufferPointer: bytes)
            crc64.update(bytes)
            hashes?.update(bytes)
        }
        position += Int64(bytes.count)
    }

    fileprivate var values: FileDigests {
        FileDigests(
            sha256: FerryCore.Digest(bytes: sha256.finalize()),
            md5: FerryCore.Digest(bytes: md5.finalize()),
            crc64: crc64.value
        )
    }
}

/// Compares a whole file with what its sender said of it: the last step of a delivery.
struct Verification: Sendable {
    let herald: Herald
    /// Where only signed firmware is taken.
    let signatures: FirmwareSignatures?

    /// How a delivery ended.
    struct Conclusion {
        /// As it is saved.
        var transfer: Transfer
        /// What its sender is told.
        var reason: ReasonCode
        var text: String

        var fileTransferResult: FileTransferResult { FileTransferResult(reason: reason, text: text) }
    }

    /// The digests of no bytes.
    func begin() -> RunningDigests { RunningDigests(hashes: signatures.map { _ in .init() }) }

    /// What is registered as the version of a firmware and has other bytes. Whoever named its checksum was told at `init`.
    private func otherBytes(ofVersionOf transfer: Transfer, in ledger: Ledger) throws(SpoolError) -> FerryCore.Digest? {
        guard let firmware = CloudFirmware(transfer.firmware, catalog: herald.catalog) else { return nil }
        let same = try ledger.registered(transfer.firmware, catalog: herald.catalog)
            .filter { $0.firmware.isSameVersion(as: firmware) }.map(\.sha256)
        guard let own = transfer.digests?.sha256, !same.contains(own) else { return nil }
        return same.first
    }

    /// Saves what became of a transfer with these digests of all its bytes. Nothing is said yet.
    func conclude(
        _ transfer: Transfer,
        _ digests: RunningDigests,
        in ledger: Ledger,
        at now: WallTime
    ) throws(SpoolError) -> Conclusion {
        var transfer = transfer
        let problem = digests.hashes.flatMap { signatures?.problem(with: transfer, $0, at: now) }
        transfer.verified(digests.values, signature: problem, catalog: herald.catalog, at: now)
        if transfer.state == .stored, let other = try otherBytes(ofVersionOf: transfer, in: ledger) {
            transfer.versionIsRegistered(other, at: now)
        }
        let saved = try ledger.save(transfer)
        try ledger.note(.state, of: saved, at: now)
        try PackageDesk.refresh(around: saved, in: ledger, herald: herald, at: now)
        // What its package made of it is newer.
        let latest = ledger.openTransfer(key: saved.key) ?? saved
        guard saved.hasWrongChecksum || saved.state == .failed, let reason = saved.reason else {
            return Conclusion(transfer: latest, reason: .ok, text: "")
        }
        return Conclusion(transfer: saved, reason: reason.code, text: "\(reason.text). \(reason.hint)")
    }
}
