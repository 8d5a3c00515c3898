import FerryCore
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Spool

/// Syncs that fail, as on a device that is gone: what was written stays in the kernel's memory and looks well.
private enum FailingSyncs {
    private struct Plan {
        var path: String
        /// So many succeed before.
        var left: Int
    }

    private static let plan = Mutex<Plan?>(nil)

    /// How many syncs of files whose path begins so a body makes.
    static func counted(_ path: String, _ body: () async throws -> Void) async throws -> Int {
        begin(path, after: .max)
        defer { begin(nil) }
        let before = plan.withLock { $0?.left ?? 0 }
        try await body()
        return before - plan.withLock { $0?.left ?? 0 }
    }

    /// From now on syncs of files whose path begins so fail, after so many that succeed; nil: none.
    static func begin(_ path: String?, after count: Int = 0) {
        plan.withLock { $0 = path.map { Plan(path: $0, left: count) } }
    }

    static func fails(_ descriptor: Int32) -> Bool {
        plan.withLock { plan in
            guard let path = plan?.path, name(of: descriptor).hasPrefix(path) else { return false }
            plan?.left -= 1
            return (plan?.left ?? 0) < 0
        }
    }

    private static func name(of descriptor: Int32) -> String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) ?? ""
    }
}

/// Stands before the C library's own: the program's symbols come first.
@_cdecl("fdatasync")
func failingDataSync(_ descriptor: Int32) -> Int32 {
    guard FailingSyncs.fails(descriptor) else { return fsync(descriptor) }
    errno = EIO
    return -1
}

@Suite("A spool whose device fails in a commit", .serialized)
struct FailedSyncTests {
    private static let address = TransferAddress(parsing: "ci/one")

    @Test(
        "A commit of the largest batch takes four syncs: no page of it leaves SQLite's cache before its time",
        arguments: [
            (1, 1_048_576, 1), (4, 1_048_576, 1), (8, 500_000, 1), (16, 262_144, 1), (25, 163_840, 1), (51, 81_920, 1),
            (64, 65_536, 1), (64, 65_536, 32), (64, 1_024, 1),
        ]
    )
    func wholeBatch(messages: Int, bytes: Int, senders: Int) async throws {
        let folder = try TemporaryFolder("sync")
        let spool = try Spool(settings: Spool.Settings(path: folder.file("spool.db")))
        let addresses = try (0..<senders).map { try #require(TransferAddress(parsing: "ci/\($0)")) }
        let segment = [UInt8](repeating: 7, count: bytes)
        try await spool.transact { (ledger) throws(SpoolError) in
            for address in addresses { _ = try ledger.save(ledger.begin(address, door: .segments, at: .now())) }
        }
        let syncs = try await FailingSyncs.counted(folder.path) {
            try await spool.transact { (ledger) throws(SpoolError) in
                for number in 0..<messages {
                    guard var transfer = try ledger.transfer(at: addresses[number % senders]) else { return }
                    let offset = Int64(number / senders * bytes)
                    _ = try ledger.store(segment, at: offset, of: &transfer, now: .now())
                }
            }
        }
        #expect(syncs == 4)
        spool.close()
    }

    /// The state that is told to whoever asks.
    private func state(_ spool: Spool) async throws -> TransferState? {
        guard let address = Self.address else { return nil }
        return try await spool.read { (ledger) throws(SpoolError) in try ledger.transfer(at: address)?.state }
    }

    private func expire(_ spool: Spool) async throws {
        let address = try #require(Self.address)
        try await spool.transact { (ledger) throws(SpoolError) in
            guard var transfer = try ledger.transfer(at: address), transfer.state == .receiving else { return }
            transfer.expire(because: "The test ended it", at: .now())
            try ledger.save(transfer)
        }
    }

    @Test(
        "A stop in between makes nothing certain: the next start writes before anything is told",
        arguments: [true, false]
    )
    func stopped(works: Bool) async throws {
        let folder = try TemporaryFolder("sync")
        let settings = Spool.Settings(path: folder.file("spool.db"))
        defer { FailingSyncs.begin(nil) }
        let address = try #require(Self.address)
        var spool = try Spool(settings: settings)
        try await spool.transact { (ledger) throws(SpoolError) in
            _ = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
        }
        FailingSyncs.begin(folder.path, after: 3)
        await #expect(throws: SpoolError.self) { try await expire(spool) }
        spool.close()
        if works { FailingSyncs.begin(nil) }
        spool = try Spool(settings: settings)
        #expect(try await spool.read { (ledger) throws(SpoolError) in ledger.isSuspect } == !works)
        FailingSyncs.begin(nil)
        try await spool.confirm()
        #expect(try await spool.read { (ledger) throws(SpoolError) in ledger.isSuspect } == false)
        #expect(try await state(spool) == .expired)
        spool.close()
        // A clean stop is one again.
        spool = try Spool(settings: settings)
        #expect(try await state(spool) == .expired)
        spool.close()
    }

    @Test("What a failed commit left is told by nobody before a later commit has succeeded", arguments: 0..<4)
    func uncertain(syncs: Int) async throws {
        let folder = try TemporaryFolder("sync")
        let spool = try Spool(settings: Spool.Settings(path: folder.file("spool.db")))
        defer {
            FailingSyncs.begin(nil)
            spool.close()
        }
        let reloads = Mutex(0)
        await spool.watchReloads { _ in reloads.withLock { $0 += 1 } }
        let address = try #require(Self.address)
        for _ in 0..<2 {
            try await spool.transact { (ledger) throws(SpoolError) in
                guard try ledger.transfer(at: address) == nil else { return try ledger.writeSomething() }
                _ = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            }
        }
        #expect(try await state(spool) == .receiving)

        // A commit has four syncs: the journal, its head, the file, the end of the journal.
        FailingSyncs.begin(folder.path, after: syncs)
        for _ in 0..<3 {
            await #expect(throws: SpoolError.self) { try await expire(spool) }
            #expect(try await state(spool) == .receiving)
            await #expect(throws: SpoolError.self) { try await spool.confirm() }
            #expect(try await state(spool) == .receiving)
        }
        #expect(reloads.withLock { $0 } == 0)

        FailingSyncs.begin(nil)
        try await spool.confirm()
        #expect(reloads.withLock { $0 } == 1)
        // The last sync ends the journal: what it failed for stands in the file.
        let told = try await state(spool)
        #expect(told == (syncs < 3 ? .receiving : .expired))
        if told == .receiving { try await expire(spool) }
        #expect(try await state(spool) == .expired)
    }
}
