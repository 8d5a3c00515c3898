import Crypto
import FerryCore
import Logging
import Spool
import Synchronization
import Threads

/// Computes the digests of files as the spool gives them back, while their bytes come in, and finishes transfers whose
/// last byte is there.
///
/// It follows the part without holes, so at `fin` only the rest is left to read, and what it reads was written a moment
/// ago and is still in memory. After a restart it begins anew from the spool. It works on a thread of lower priority.
final class Digester: Sendable {
    private let hasher: Hasher
    private let waiting = Mutex<Set<Int64>>([])
    private let arrived = Signal()

    init(spool: Spool, herald: Herald, logger: Logger, isStored: @escaping @Sendable () -> Void) throws(SpoolError) {
        guard let executor = ThreadExecutor(name: "digest") else {
            throw SpoolError(
                .unusable,
                operation: "start the thread for digests",
                underlying: "the system has no room for another thread"
            )
        }
        hasher = Hasher(executor: executor, spool: spool, herald: herald, logger: logger, isStored: isStored)
    }

    /// Ends the thread; after `run` has returned.
    func close() { hasher.executor.end() }

    /// Transfers have new bytes or their end. From any thread.
    func bytesArrived(_ keys: Set<Int64>) {
        guard !keys.isEmpty else { return }
        waiting.withLock { $0.formUnion(keys) }
        arrived.send()
    }

    /// Works until the task is cancelled.
    func run() async {
        await hasher.lowerPriority()
        for await _ in arrived.sends {
            while let key = waiting.withLock({ $0.popFirst() }) {
                if Task.isCancelled { return }
                let isMore = await hasher.advance(key)
                // Others get their turn between two steps of a large file.
                if isMore { waiting.withLock { _ = $0.insert(key) } }
            }
        }
    }
}

/// The state of running digests, on a thread of its own.
private actor Hasher {
    private struct Running {
        var position: Int64 = 0
        var sha256 = SHA256()
        var md5 = Insecure.MD5()
        var crc64 = CRC64()
    }

    nonisolated let executor: ThreadExecutor
    private let spool: Spool
    private let herald: Herald
    private let logger: Logger
    private let isStored: @Sendable () -> Void
    private var running: [Int64: Running] = [:]

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Bytes of one step.
    private static let stepBytes = 1 << 20

    init(
        executor: ThreadExecutor,
        spool: Spool,
        herald: Herald,
        logger: Logger,
        isStored: @escaping @Sendable () -> Void
    ) {
        self.executor = executor
        self.spool = spool
        self.herald = herald
        self.logger = logger
        self.isStored = isStored
    }

    func lowerPriority() { NamedThread.yieldToOthers() }

    /// Hashes the next bytes of a transfer, and finishes it when they were the last.
    ///
    /// - Returns: whether there is more to hash.
    func advance(_ key: Int64) async -> Bool {
        var state = running.removeValue(forKey: key) ?? Running()
        let position = state.position
        do {
            let step = try await spool.read { (ledger) throws(SpoolError) -> Step? in
                guard let transfer = ledger.openTransfer(key: key), transfer.state == .receiving,
                    !transfer.hasWrongChecksum
                else { return nil }
                let available = transfer.received.prefix - position
                let bytes =
                    available > 0
                    ? try ledger.readChunk(key: key, from: position, atMost: Int(min(available, Int64(Self.stepBytes))))
                    : []
                let end = transfer.isComplete ? transfer.end?.size : nil
                return Step(bytes: bytes, prefix: transfer.received.prefix, end: end)
            }
            guard let step else { return false }
            step.bytes.withUnsafeBytes { bytes in
                state.sha256.update(bufferPointer: bytes)
                state.md5.update(bufferPointer: bytes)
                state.crc64.update(bytes)
            }
            state.position += Int64(step.bytes.count)
            if state.position == step.end {
                try await finish(key, state)
                return false
            }
            running[key] = state
            return state.position < step.prefix && !step.bytes.isEmpty
        } catch {
            logger.error("The bytes of a transfer could not be read back", metadata: [LogKeys.error: "\(error)"])
            return false
        }
    }

    private struct Step: Sendable {
        var bytes: [UInt8]
        var prefix: Int64
        /// The size of the file, once all its bytes are there.
        var end: Int64?
    }

    private func finish(_ key: Int64, _ state: Running) async throws(SpoolError) {
        let digests = FileDigests(
            sha256: FerryCore.Digest(bytes: state.sha256.finalize()),
            md5: FerryCore.Digest(bytes: state.md5.finalize()),
            crc64: state.crc64.value
        )
        let isStored = try await spool.transact { [herald] (ledger) throws(SpoolError) -> Bool in
            guard var transfer = ledger.openTransfer(key: key), transfer.state == .receiving, transfer.isComplete
            else { return false }
            let now = WallTime.now()
            transfer.verified(digests, catalog: herald.catalog, at: now)
            let saved = try ledger.save(transfer)
            try ledger.note(.state, of: saved, at: now)
            try PackageDesk.refresh(around: saved, in: ledger, herald: herald, at: now)
            let reason = saved.hasWrongChecksum ? ReasonCode.checksumMismatch : .ok
            let text = saved.hasWrongChecksum ? saved.reason.map { "\($0.text). \($0.hint)" } ?? "" : ""
            ledger.afterCommit {
                let reply = saved.acknowledgement(
                    credit: 0,
                    segment: herald.board.segment,
                    reason: reason,
                    text: text
                )
                herald.acknowledge(saved, reply)
                herald.answerFileEnds(of: saved, FileTransferResult(reason: reason, text: text))
                herald.tell(saved)
            }
            return saved.state == .stored
        }
        if isStored { self.isStored() }
    }
}
