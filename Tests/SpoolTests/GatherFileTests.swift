import CSQLite
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Spool

/// What becomes of the writes past the page cache of one file.
private enum DirectWrites {
    private struct Plan {
        var path: String
        /// nil: all are whole.
        var generator: SeededGenerator?
        var written = 0
        var spoiled = 0
    }

    enum Outcome: Equatable {
        case whole
        case short(Int)
        case failed(Int32)
    }

    private static let plan = Mutex<Plan?>(nil)

    static func begin(_ path: String, seed: UInt64? = nil) {
        plan.withLock { $0 = Plan(path: path, generator: seed.map(SeededGenerator.init)) }
    }

    /// How many writes were whole, and how many were not.
    static func end() -> (written: Int, spoiled: Int) {
        plan.withLock { plan in
            defer { plan = nil }
            return (plan?.written ?? 0, plan?.spoiled ?? 0)
        }
    }

    static func next(_ descriptor: Int32, _ count: Int) -> Outcome {
        plan.withLock { plan in
            guard let path = plan?.path, name(of: descriptor) == path else { return .whole }
            let chance = plan?.generator?.next()
            let outcome: Outcome =
                switch chance.map({ $0 % 8 }) {
                case 0: .short((Int(truncatingIfNeeded: (chance ?? 0) >> 8) & 0xFF_FFFF) % count)
                case 1: .failed(EINVAL)
                case 2: .failed(EIO)
                case 3: .failed(EINTR)
                default: .whole
                }
            if outcome == .whole { plan?.written += 1 } else { plan?.spoiled += 1 }
            return outcome
        }
    }

    private static func name(of descriptor: Int32) -> String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) ?? ""
    }
}

/// Stands before the C library's own: the program's symbols come first. Nobody else in this program calls it.
@_cdecl("pwritev")
func spoiledWrite(_ descriptor: Int32, _ parts: UnsafePointer<iovec>, _ count: Int32, _ offset: Int) -> Int {
    let vectors = UnsafeBufferPointer(start: parts, count: Int(count))
    var limit = vectors.reduce(0) { $0 + $1.iov_len }
    switch DirectWrites.next(descriptor, limit) {
    case .failed(let cause):
        errno = cause
        return -1
    // As a device would: whole blocks, and perhaps the beginning of one.
    case .short(let bytes): limit = bytes
    case .whole: break
    }
    var done = 0
    for part in vectors where done < limit {
        let wanted = min(part.iov_len, limit - done)
        // O_DIRECT takes whole blocks only.
        let blocks = wanted / 512 * 512
        guard blocks > 0 else { break }
        let written = pwrite(descriptor, part.iov_base, blocks, off_t(offset + done))
        guard written >= 0 else { return done > 0 ? done : -1 }
        done += written
        if written < part.iov_len { break }
    }
    return done
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
        var statement: OpaquePointer?
        try #require(sqlite3_prepare_v2(handle, "PRAGMA integrity_check", -1, &statement, nil) == SQLITE_OK)
        try #require(sqlite3_step(statement) == SQLITE_ROW)
        #expect(String(cString: sqlite3_column_text(statement, 0)) == "ok")
        sqlite3_finalize(statement)
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
        if writes == .spoiled { DirectWrites.begin(path, seed: 11) }
        defer { _ = DirectWrites.end() }
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
        let calls = DirectWrites.end()
        if writes == .spoiled { #expect(calls.written > 20 && calls.spoiled > 20, "\(calls)") }
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
        DirectWrites.begin(path)
        try insert.run()
        // The pages are 1,025.
        #expect((1...20).contains(DirectWrites.end().written))
    }
}
