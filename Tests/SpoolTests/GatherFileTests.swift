import CSQLite
import FerryCore
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Spool

/// What becomes of the writes to one file, through the page cache or past it.
private enum FileWrites {
    enum Weather {
        case fair
        /// Those past the page cache fail or end early, by chance.
        case changing(SeededGenerator)
        /// All fail.
        case foul
    }

    private struct Plan {
        var file: stat
        var weather: Weather
        var written = 0
        var spoiled = 0
    }

    enum Outcome: Equatable {
        case whole
        case short(Int)
        case failed(Int32)
    }

    private static let plan = Mutex<Plan?>(nil)

    static func begin(_ path: String, _ weather: Weather = .fair) throws {
        var file = stat()
        try #require(stat(path, &file) == 0)
        plan.withLock { $0 = Plan(file: file, weather: weather) }
    }

    /// How many writes past the page cache were whole, and how many were not.
    @discardableResult
    static func end() -> (written: Int, spoiled: Int) {
        plan.withLock { plan in
            defer { plan = nil }
            return (plan?.written ?? 0, plan?.spoiled ?? 0)
        }
    }

    static func next(_ descriptor: Int32, _ count: Int, isDirect: Bool) -> Outcome {
        plan.withLock { plan in
            var file = stat()
            guard let known = plan?.file, fstat(descriptor, &file) == 0, file.st_dev == known.st_dev,
                file.st_ino == known.st_ino
            else { return .whole }
            var outcome = Outcome.whole
            switch plan?.weather {
            case .foul: return .failed(EIO)
            case .changing(var generator) where isDirect:
                let chance = generator.next()
                plan?.weather = .changing(generator)
                let outcomes: [Outcome] = [
                    .short(Int(truncatingIfNeeded: chance >> 8 & 0xFF_FFFF) % count), .failed(EINVAL), .failed(EIO),
                    .failed(EINTR),
                ]
                outcome = chance % 8 < 4 ? outcomes[Int(chance % 4)] : .whole
            default: break
            }
            guard isDirect else { return outcome }
            if outcome == .whole { plan?.written += 1 } else { plan?.spoiled += 1 }
            return outcome
        }
    }

    /// Whether the file system takes writes past the page cache at all.
    static func canBeDirect(_ path: String) -> Bool {
        let descriptor = open(path, O_RDWR | 0o40000)
        if descriptor >= 0 { close(descriptor) }
        return descriptor >= 0
    }
}

/// Glibc's module leaves it out. Nobody stands before this one.
@_silgen_name("pwritev2")
private func write(_: Int32, _: UnsafePointer<iovec>, _: Int32, at: Int, _ flags: Int32) -> Int

/// Stands before the C library's own: the program's symbols come first.
@_cdecl("pwritev")
func spoiledVector(_ descriptor: Int32, _ parts: UnsafePointer<iovec>, _ count: Int32, _ offset: Int) -> Int {
    let vectors = UnsafeBufferPointer(start: parts, count: Int(count))
    var limit = vectors.reduce(0) { $0 + $1.iov_len }
    switch FileWrites.next(descriptor, limit, isDirect: true) {
    case .failed(let cause):
        errno = cause
        return -1
    // As a device would: whole blocks.
    case .short(let bytes): limit = bytes / 512 * 512
    case .whole: break
    }
    var left: [iovec] = []
    for part in vectors where limit > 0 {
        left.append(iovec(iov_base: part.iov_base, iov_len: min(part.iov_len, limit)))
        limit -= left[left.count - 1].iov_len
    }
    return write(descriptor, left, Int32(left.count), at: offset, 0)
}

@_cdecl("pwrite64")
func spoiledWrite(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int, _ offset: Int) -> Int {
    if case .failed(let cause) = FileWrites.next(descriptor, count, isDirect: false) {
        errno = cause
        return -1
    }
    var part = iovec(iov_base: bytes, iov_len: count)
    return write(descriptor, &part, 1, at: offset, 0)
}

@_cdecl("pwrite")
func spoiledPlainWrite(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int, _ offset: Int) -> Int {
    spoiledWrite(descriptor, bytes, count, offset)
}

/// The VFS that gathers pages, against a table of what must be there.
@Suite("Pages that are written together", .serialized)
struct GatherFileTests {
    private static func bytes(_ count: Int, _ seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        let words = (0..<(count + 7) / 8).map { _ in generator.next() }
        return words.withUnsafeBytes { [UInt8]($0.prefix(count)) }
    }

    /// What another connection without the VFS reads.
    private func plain(_ path: String) throws -> [Int64: [UInt8]] {
        var handle: OpaquePointer?
        let opened = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, nil)
        defer { sqlite3_close_v2(handle) }
        try #require(opened == SQLITE_OK)
        #expect(try Self.integrity(of: path) == "ok")
        var statement: OpaquePointer?
        var rows: [Int64: [UInt8]] = [:]
        try #require(sqlite3_prepare_v2(handle, "SELECT id, bytes FROM row", -1, &statement, nil) == SQLITE_OK)
        while sqlite3_step(statement) == SQLITE_ROW {
            let count = Int(sqlite3_column_bytes(statement, 1))
            let blob = sqlite3_column_blob(statement, 1)
            rows[sqlite3_column_int64(statement, 0)] = [UInt8](UnsafeRawBufferPointer(start: blob, count: count))
        }
        sqlite3_finalize(statement)
        return rows
    }

    private static func integrity(of path: String) throws -> String {
        let statement = try Statement(Database(path: path), "PRAGMA integrity_check")
        return try statement.step() ? statement.text(0) ?? "" : ""
    }

    private enum Writes: CaseIterable {
        case sound
        case spoiled
    }

    @Test(
        "A reader without them finds what was committed, also where writes fail or end early",
        arguments: Writes.allCases
    )
    private func model(writes: Writes) throws {
        let folder = try TemporaryFolder("gather")
        let path = folder.file("rows.db")
        let database = try Database(path: path)
        try database.execute("PRAGMA journal_mode=PERSIST; PRAGMA cache_size=-8000", "set it up")
        try database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, bytes BLOB)", "make it")
        let insert = try Statement(database, "INSERT OR REPLACE INTO row VALUES (?1, ?2)")
        let remove = try Statement(database, "DELETE FROM row WHERE id = ?1")
        if writes == .spoiled { try FileWrites.begin(path, .changing(SeededGenerator(seed: 11))) }
        defer { FileWrites.end() }
        var generator = SeededGenerator(seed: 5)
        var committed: [Int64: [UInt8]] = [:]
        for round in 0..<30 {
            var rows = committed
            try database.execute("BEGIN", "begin")
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let id = Int64.random(in: 0..<12, using: &generator)
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    try remove.bind(1, id)
                    try remove.run()
                    rows[id] = nil
                } else {
                    // Single pages, about as many as are worth a thread, and more than are held at once.
                    let most = [4_000, 80_000, 400_000, 1_500_000, 4_500_000].randomElement(using: &generator) ?? 1
                    let bytes = Self.bytes(Int.random(in: 1...most, using: &generator), generator.next())
                    try insert.bind(1, id)
                    try insert.bind(2, bytes)
                    try insert.run()
                    rows[id] = bytes
                }
            }
            let isKept = Int.random(in: 0..<5, using: &generator) > 0
            try database.execute(isKept ? "COMMIT" : "ROLLBACK", "end it")
            if isKept { committed = rows }
            if round % 6 == 5 { #expect(try plain(path) == committed) }
        }
        let calls = FileWrites.end()
        if writes == .spoiled && FileWrites.canBeDirect(path) {
            #expect(calls.written > 20 && calls.spoiled > 20, "\(calls)")
        }
    }

    @Test("A commit writes its firmware in few large pieces")
    func pieces() throws {
        let folder = try TemporaryFolder("gather")
        let path = folder.file("rows.db")
        let database = try Database(path: path)
        try database.execute("PRAGMA journal_mode=PERSIST; PRAGMA cache_size=-8000", "set it up")
        try database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, bytes BLOB)", "make it")
        let insert = try Statement(database, "INSERT INTO row VALUES (?1, ?2)")
        try insert.bind(1, Int64(1))
        try insert.bind(2, Self.bytes(4 << 20, 1))
        try FileWrites.begin(path)
        try insert.run()
        // The pages are 1,025.
        let calls = FileWrites.end()
        #expect(!FileWrites.canBeDirect(path) || (1...20).contains(calls.written))
    }

    @Test("A transaction whose pages could not be written is not committed, though nobody minded the error")
    func swallowed() async throws {
        let folder = try TemporaryFolder("gather")
        let path = folder.file("spool.db")
        let spool = try Spool(settings: Spool.Settings(path: path))
        let address = try #require(TransferAddress(parsing: "ci/one"))
        let bytes = Self.bytes(9 << 20, 3)
        try FileWrites.begin(path)
        defer { FileWrites.end() }
        await #expect(throws: SpoolError.self) {
            try await spool.transact { (ledger) throws(SpoolError) in
                var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
                // More than SQLite's cache holds: pages are handed over before the commit.
                _ = try ledger.store(bytes, at: 0, of: &transfer, now: .now())
                do {
                    try FileWrites.begin(path, .foul)
                    _ = try ledger.readChunk(key: transfer.key, from: 0, atMost: 1 << 20)
                } catch {
                    // The mistake of somebody.
                }
                FileWrites.end()
            }
        }
        try await spool.transact { (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            _ = try ledger.store(bytes, at: 0, of: &transfer, now: .now())
            #expect(try ledger.readChunk(key: transfer.key, from: 0, atMost: 1 << 19) == Array(bytes.prefix(1 << 19)))
        }
        spool.close()
        #expect(try Self.integrity(of: path) == "ok")
    }
}
