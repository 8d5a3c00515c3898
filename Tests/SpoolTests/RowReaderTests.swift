import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Spool

@Suite("Reading rows past SQLite's cache")
struct RowReaderTests {
    /// A table as the spool's, with rows of these lengths at these ids.
    private func database(_ folder: TemporaryFolder, _ rows: [(id: Int64, bytes: [UInt8])]) throws -> (Database, UInt32)
    {
        let database = try Database(path: folder.file("rows.db"))
        try database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, bytes BLOB)", "make it")
        let insert = try Statement(database, "INSERT INTO row VALUES (?1, 7, 1234567890123, ?2)")
        try database.execute("BEGIN", "begin")
        for row in rows {
            try insert.bind(1, row.id)
            try insert.bind(2, row.bytes)
            try insert.run()
        }
        try database.execute("COMMIT", "commit")
        let root = try database.number("SELECT rootpage FROM sqlite_master WHERE name = 'row'")
        return (database, UInt32(root))
    }

    private func read(_ database: Database, _ root: UInt32, _ id: Int64, _ count: Int) throws -> (
        bytes: [UInt8], crc: UInt64
    )? {
        var register = ~UInt64(0)
        var isRead = false
        let bytes = try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let place = UnsafeMutableRawBufferPointer(buffer)
            isRead = try RowReader.read(database, root: root, row: id, into: place, &register)
            filled = isRead ? count : 0
        }
        return isRead ? (bytes, ~register) : nil
    }

    private static func sum(_ bytes: [UInt8]) -> UInt64 {
        var crc = CRC64()
        crc.update(bytes)
        return crc.value
    }

    @Test("Rows of every length around the limits of pages come as they were written")
    func lengths() throws {
        let folder = try TemporaryFolder()
        var lengths = [1, 100, 480, 4_000, 1 << 20, 700_001, 65_536, 262_144]
        // The payload stays on its page up to 4,061 bytes; an overflow page holds 4,092.
        for base in [4_061, 4_061 + 4_092, 489 + 16 * 4_092, 489 + 17 * 4_092] {
            lengths += Array(base - 24...base + 24)
        }
        let rows = lengths.enumerated().map { number, length in
            (id: Int64(number) * 1_000_003 - 50_000_000, bytes: TemporaryFolder.bytes(length, seed: UInt64(length)))
        }
        let (database, root) = try database(folder, rows.shuffled())
        for row in rows {
            let result = try read(database, root, row.id, row.bytes.count)
            // Not the arrays themselves: a failure would print them.
            let isSame = result?.bytes == row.bytes
            #expect(isSame, "\(row.bytes.count) bytes")
            #expect(result?.crc == Self.sum(row.bytes))
            let isNext = try read(database, root, row.id + 1, row.bytes.count) != nil
            #expect(!isNext)
        }
    }

    @Test("Rows in pages that others left, in any order, come as they were written")
    func fragments() throws {
        let folder = try TemporaryFolder()
        let small = (0..<600).map { (id: Int64($0), bytes: TemporaryFolder.bytes(5_000 + $0 * 7, seed: UInt64($0))) }
        let (database, root) = try database(folder, small)
        try database.execute("DELETE FROM row WHERE id % 3 != 1", "make holes")
        let large = TemporaryFolder.bytes(900_000, seed: 5)
        let insert = try Statement(database, "INSERT INTO row VALUES (10000, 1, 2, ?1)")
        try insert.bind(1, large)
        try insert.run()
        let isLarge = try read(database, root, 10_000, large.count)?.bytes == large
        #expect(isLarge)
        for row in small where row.id % 3 == 1 {
            let isSame = try read(database, root, row.id, row.bytes.count)?.bytes == row.bytes
            #expect(isSame, "\(row.id)")
        }
    }

    @Test(
        "A chain that goes down through the file is read, and where it breaks off nothing is",
        arguments: [true, false]
    )
    func downwards(isBroken: Bool) throws {
        let folder = try TemporaryFolder()
        let rows = (0..<15).map { (id: Int64($0), bytes: [UInt8](repeating: 7, count: 400_000)) }
        let (database, root) = try database(folder, rows)
        // The pages that were freed last, the last of the file, are taken first; in the pages before them the nearest is the
        // highest.
        for id in 0..<15 { try database.execute("DELETE FROM row WHERE id = \(id)", "free them") }
        let insert = try Statement(database, "INSERT INTO row VALUES (100, 1, 2, ?1)")
        let bytes = TemporaryFolder.bytes(5_500_000, seed: 9)
        try insert.bind(1, bytes)
        try insert.run()
        let path = URL(filePath: folder.file("rows.db"))
        var pages = [UInt8](try Data(contentsOf: path))
        func next(_ page: Int) -> Int {
            pages[((page - 1) * 4_096)...].prefix(4).reduce(0) { $0 << 8 | Int($1) }
        }
        // Overflow pages that lead to the one below, as far as that goes.
        let down = (2...pages.count / 4_096).filter { next($0) == $0 - 1 }
        try #require(down.count > 100)
        if isBroken {
            let middle = down[down.count / 2]
            for index in ((middle - 1) * 4_096)..<(middle * 4_096) { pages[index] = 0 }
            try Data(pages).write(to: path, options: [])
        }
        let isSame = try read(database, root, 100, bytes.count)?.bytes == bytes
        #expect(isSame == !isBroken)
    }

    @Test("A file that is damaged anywhere gives other bytes or none, and never hangs", arguments: 0..<40)
    func damaged(round: Int) throws {
        let folder = try TemporaryFolder()
        let rows = (0..<60).map { (id: Int64($0), bytes: TemporaryFolder.bytes(20_000, seed: UInt64($0))) }
        let (database, root) = try database(folder, rows)
        var generator = SystemRandomNumberGenerator()
        let path = URL(filePath: folder.file("rows.db"))
        let file = try FileHandle(forUpdating: path)
        let count = Int(try file.seekToEnd())
        for _ in 0..<200 {
            // Never the first page: SQLite reads it itself.
            let offset = Int.random(in: 4_096..<count, using: &generator)
            let isHead = Bool.random(using: &generator)
            try file.seek(toOffset: UInt64(isHead ? offset / 4_096 * 4_096 + offset % 12 : offset))
            try file.write(contentsOf: [UInt8.random(in: 0...255, using: &generator)])
        }
        for row in rows {
            guard let result = try read(database, root, row.id, row.bytes.count) else { continue }
            #expect((result.bytes == row.bytes) == (result.crc == Self.sum(row.bytes)))
        }
    }

    @Test("The sum is that of FerryCore, at every length and alignment")
    func sums() {
        let bytes = TemporaryFolder.bytes(5_000, seed: 3)
        for count in Array(0...300) + [511, 512, 513, 4_092, 4_900] {
            for skip in [0, 1, 3, 8, 15] {
                let part = Array(bytes[skip..<skip + min(count, bytes.count - skip)])
                let sum = part.withUnsafeBytes { RowReader.sum(~0, $0) }
                #expect(~sum == Self.sum(part), "\(count) bytes at \(skip)")
            }
        }
    }
}
