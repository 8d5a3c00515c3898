import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Spool

private let address = TransferAddress(parsing: "ci/one") ?? { fatalError("ci/one is an address") }()

/// The whole of a small file in one transaction.
private func fill(_ spool: Spool, _ bytes: [UInt8]) async throws -> Int64 {
    try await spool.transact { (ledger) throws(SpoolError) in
        var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
        _ = try ledger.store(bytes, at: 0, of: &transfer, now: .now())
        return transfer.key
    }
}

private func openError(_ path: String) -> SpoolError? {
    do throws(SpoolError) {
        let spool = try Spool(settings: .init(path: path))
        spool.close()
        return nil
    } catch {
        return error
    }
}

extension TransferRow {
    /// Gives every row the checksum of what is in it now.
    static func seal(_ database: Database) throws {
        let rows = try Statement(database, "SELECT \(columns) FROM transfer")
        while try rows.step() {
            let checksum = checksum((0..<Int32(rows.columnCount - 1)).map { rows.value($0) })
            try database.execute("UPDATE transfer SET row_crc64 = \(checksum) WHERE key = \(rows.integer(0))", "seal")
        }
    }
}

@Suite("The spool's file")
struct SpoolFileTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("spool.db") }

    init() throws { folder = try TemporaryFolder("spool-file") }

    @Test("A file of a newer version is refused with a sentence, and left as it is")
    func newerSchema() async throws {
        let spool = try Spool(settings: .init(path: path))
        spool.close()
        try Database(path: path).execute("PRAGMA user_version=99", "test")
        let error = try #require(openError(path))
        #expect(error.code == .newerSchema)
        #expect(error.description.contains("99") && error.description.contains(path) && !error.hint.isEmpty)
        #expect(try Database(path: path).number("PRAGMA user_version") == 99)
    }

    @Test("Firmware in pages that are used again lies upwards, as its reader goes")
    func layout() async throws {
        let spool = try Spool(settings: .init(path: path))
        let batch = 4 << 20
        for _ in 0..<3 {
            try await spool.transact { (ledger) throws(SpoolError) in
                if let former = try ledger.transfer(at: address) { try ledger.remove(former) }
            }
            while try await spool.transact({ (ledger) throws(SpoolError) in try ledger.reclaimStep() }) {}
            var transfer = try await spool.transact { (ledger) throws(SpoolError) in
                try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            }
            for offset in stride(from: Int64(0), to: Int64(12 * batch), by: batch) {
                transfer = try await spool.transact { [transfer] (ledger) throws(SpoolError) in
                    var transfer = transfer
                    _ = try ledger.store([UInt8](repeating: 7, count: batch), at: offset, of: &transfer, now: .now())
                    return transfer
                }
            }
        }
        spool.close()
        let pages = try Statement(
            Database(path: path),
            "SELECT pageno FROM dbstat WHERE name = 'segment' AND pagetype = 'overflow' ORDER BY path"
        )
        var highest: Int64 = 0
        var furthestBack: Int64 = 0
        while try pages.step() {
            highest = max(highest, pages.integer(0))
            furthestBack = max(furthestBack, highest - pages.integer(0))
        }
        // SQLite takes the nearest of a thousand free pages.
        #expect(highest > 12 * 1_024 && furthestBack < 3 * 1_024, "\(furthestBack) pages")
    }

    /// Of the thread that calls (`proc_pid_stat(5)`, field 19).
    private static func niceness() -> Int? {
        guard let stat = try? String(contentsOfFile: "/proc/thread-self/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return nil }
        return Int(stat[end...].split(separator: " ")[19 - 2])
    }

    @Test("Firmware is stored before other programs get a processor, where the system allows it")
    func niceness() async throws {
        let nice = try await ProgramRunner.run("sh", ["-c", "renice -n -10 -p $$ >/dev/null 2>&1; nice"])
        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        #expect(try await spool.transact { _ in Self.niceness() } == Int(nice.lines().first ?? ""))
    }

    @Test(
        "A database of another program is refused with a sentence, and left as it is",
        arguments: ["PRAGMA application_id=7", "PRAGMA user_version=3", "PRAGMA user_version=0"]
    )
    func foreignDatabase(mark: String) throws {
        do {
            let other = try Database(path: path)
            try other.execute("PRAGMA journal_mode=WAL; CREATE TABLE contact (name TEXT); \(mark)", "test")
        }
        let error = try #require(openError(path))
        #expect(error.code == .unusable)
        #expect(error.description.contains("another program") && !error.hint.isEmpty)
        let other = try Database(path: path)
        #expect(try other.number("SELECT count(*) FROM sqlite_master") == 1)
        let mode = try Statement(other, "PRAGMA journal_mode")
        #expect(try mode.step() && mode.text(0) == "wal")
    }

    @Test("A folder that may not be made is refused with a sentence")
    func badFolder() throws {
        try folder.write("x", to: "file")
        let error = try #require(openError(folder.file("file/inner/spool.db")))
        #expect(error.code == .unusable && !error.hint.isEmpty)
    }

    @Test("A byte that flipped on the disk is noticed when it is read, and the rest is still given")
    func flippedByte() async throws {
        let bytes = TemporaryFolder.bytes(Int(Ledger.rowBytes) + 20_000, seed: 5)
        do {
            let spool = try Spool(settings: .init(path: path))
            _ = try await fill(spool, bytes)
            spool.close()
        }
        var file = try Data(contentsOf: URL(fileURLWithPath: path))
        // A stretch of the second row that lies within one page.
        let place = try #require(file.range(of: Data(bytes[(Ledger.rowBytes + 9_000)..<(Ledger.rowBytes + 9_032)])))
        file[place.lowerBound] ^= 0x10
        try file.write(to: URL(fileURLWithPath: path))

        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        let sound = try await spool.read { (ledger) throws(SpoolError) in
            try ledger.readChunk(key: 1, from: 0, atMost: Ledger.rowBytes)
        }
        #expect(sound == Array(bytes[..<Ledger.rowBytes]))
        let error = await #expect(throws: SpoolError.self) {
            try await spool.read { (ledger) throws(SpoolError) in
                try ledger.readChunk(key: 1, from: Int64(Ledger.rowBytes), atMost: 100)
            }
        }
        #expect(error?.code == .damaged)
    }

    @Test(
        "Rows that nobody wrote like this do not stop the agent from starting",
        arguments: [
            "UPDATE transfer SET state = 'stored', bytes = -5", "UPDATE transfer SET state = 'teleported'",
            "UPDATE transfer SET init = 'x', firmware = '[', reason = '{}', door = 'window'",
            "UPDATE transfer SET size = -1, crc64 = 0, sha256 = x'00', md5 = x''",
        ]
    )
    func oddRows(change: String) async throws {
        do {
            let spool = try Spool(settings: .init(path: path))
            _ = try await fill(spool, [1, 2, 3])
            spool.close()
        }
        let database = try Database(path: path)
        try database.execute(change, "test")
        try TransferRow.seal(database)
        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        let transfer = try await spool.read { (ledger) throws(SpoolError) in try ledger.transfer(at: address) }
        let message = try #require(transfer).stateMessage(catalog: ProductCatalog(entries: [], acceptsAnyKey: true))
        if change.contains("teleported") {
            #expect(message["state"] == "held" && message["reason"]?["code"] == "spool-damaged")
            // It has its place, and can be ended.
            try await spool.transact { (ledger) throws(SpoolError) in
                guard var transfer = try ledger.transfer(at: address) else { return }
                try? transfer.cancelled(at: .now())
                try ledger.save(transfer)
            }
            #expect(try await spool.read { (ledger) throws(SpoolError) in try ledger.counts() } == [.cancelled: 1])
        }
    }

    @Test("On a full disk a change is committed with the room that is kept for it", .enabled(if: canMount))
    func reserve() async throws {
        try #require(mount("tmpfs", folder.path, "tmpfs", 0, "size=6m") == 0)
        defer { umount2(folder.path, Int32(MNT_DETACH)) }
        let spool = try Spool(settings: .init(path: path, reserve: .zero))
        defer { spool.close() }
        _ = try await fill(spool, [1, 2, 3])
        #expect(FileManager.default.fileExists(atPath: path + ".reserve"))
        // The journal has no room of its own any more either.
        truncate(path + "-journal", 0)
        let filler = [UInt8](repeating: 1, count: 4096)
        let file = open(folder.file("filler"), O_WRONLY | O_CREAT, 0o600)
        while write(file, filler, filler.count) > 0 {}
        close(file)
        try await spool.transact { (ledger) throws(SpoolError) in
            guard var transfer = try ledger.transfer(at: address) else { return }
            try? transfer.cancelled(at: .now())
            try ledger.save(transfer)
        }
        #expect(!FileManager.default.fileExists(atPath: path + ".reserve"))
        #expect(try await spool.read { (ledger) throws(SpoolError) in try ledger.counts() } == [.cancelled: 1])
        try FileManager.default.removeItem(atPath: folder.file("filler"))
        await spool.restoreReserve()
        #expect(FileManager.default.fileExists(atPath: path + ".reserve"))
    }

    // MARK: - A full disk

    private static let canMount: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder("mount-probe") else { return false }
        let isMounted = mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") == 0
        if isMounted { umount2(folder.path, Int32(MNT_DETACH)) }
        return isMounted
    }()

    @Test("A full disk is told as such, and the spool works again when there is room", .enabled(if: canMount))
    func fullDisk() async throws {
        try #require(mount("tmpfs", folder.path, "tmpfs", 0, "size=6m") == 0)
        defer { umount2(folder.path, Int32(MNT_DETACH)) }
        let settings = Spool.Settings(path: path, reserve: .zero)
        let bytes = TemporaryFolder.bytes(300_000)
        let spool = try Spool(settings: settings)
        let key = try await fill(spool, bytes)
        // The rest of the disk goes to somebody else.
        let filler = [UInt8](repeating: 1, count: 4096)
        let file = open(folder.file("filler"), O_WRONLY | O_CREAT, 0o600)
        while write(file, filler, filler.count) > 0 {}
        close(file)

        #expect(try await spool.read { (ledger) throws(SpoolError) in ledger.usage.free } < 50_000)
        for _ in 0..<3 {
            let error = await #expect(throws: SpoolError.self) {
                try await spool.transact { (ledger) throws(SpoolError) in
                    guard var transfer = ledger.openTransfer(key: key) else { return }
                    _ = try ledger.store(TemporaryFolder.bytes(900_000), at: 300_000, of: &transfer, now: .now())
                }
            }
            #expect(error?.code == .full, "\(String(describing: error))")
        }
        let received = try await spool.read { (ledger) throws(SpoolError) in ledger.openTransfer(key: key)?.received }
        #expect(received == ByteRanges(0..<300_000))

        try FileManager.default.removeItem(atPath: folder.file("filler"))
        try await spool.transact { (ledger) throws(SpoolError) in
            guard var transfer = ledger.openTransfer(key: key) else { return }
            _ = try ledger.store(TemporaryFolder.bytes(900_000), at: 300_000, of: &transfer, now: .now())
        }
        spool.close()
        let again = try Spool(settings: settings)
        defer { again.close() }
        let back = try await again.read { (ledger) throws(SpoolError) in
            try ledger.readChunk(key: key, from: 0, atMost: 2_000_000)
        }
        #expect(back == bytes + TemporaryFolder.bytes(900_000))
    }

    @Test("A journal that somebody deleted is opened anew before the next transaction")
    func reopensJournal() async throws {
        let folder = try TemporaryFolder("journal")
        let path = folder.file("spool.db")
        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        func change() async throws {
            try await spool.transact { (ledger) throws(SpoolError) in
                try ledger.setSetting("a", "\(UInt64.random(in: 0...9))")
            }
        }
        try await change()
        try FileManager.default.removeItem(atPath: path + "-journal")
        try await change()
        #expect(FileManager.default.fileExists(atPath: path + "-journal"))
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)
        }
        #expect(open.contains(path + "-journal"))
        #expect(!open.contains { $0.hasPrefix(path) && $0.hasSuffix("(deleted)") })
    }
}
