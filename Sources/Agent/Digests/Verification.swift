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
        // Whoever named the checksum was told at `init`.
        if transfer.state == .stored,
            let other = try ledger.otherBytes(than: transfer, asVersionOf: transfer.firmware, catalog: herald.catalog)
        {
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
