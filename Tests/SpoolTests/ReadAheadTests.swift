import FerryCore
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Spool

/// What the device was asked for ahead of a read.
private enum Advice {
    private static let pages = Mutex<[ino_t: Set<Int64>]>([:])

    static func note(_ descriptor: Int32, _ bytes: Range<Int64>) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return }
        pages.withLock {
            $0[status.st_ino, default: []].formUnion(bytes.lowerBound / 4_096 + 1...bytes.upperBound / 4_096)
        }
    }

    /// The numbers of pages of a file that were asked for since the last call.
    static func take(_ path: String) -> Set<Int64> {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        return pages.withLock { $0.removeValue(forKey: status.st_ino) ?? [] }
    }
}

/// Stands before the C library's own. It is only a hint, so it need not be passed on.
@_cdecl("posix_fadvise")
func notedAdvice(_ descriptor: Int32, _ offset: Int, _ count: Int, _ advice: Int32) -> Int32 {
    if advice == POSIX_FADV_WILLNEED && count > 0 { Advice.note(descriptor, Int64(offset)..<Int64(offset + count)) }
    return 0
}

@Suite("What the device is asked for ahead of a read")
struct ReadAheadTests {
    private static let size = 16 << 20
    private let folder: TemporaryFolder
    private let spool: Spool
    private let address: TransferAddress
    private var path: String { folder.file("spool.db") }

    init() throws {
        folder = try TemporaryFolder("ahead")
        spool = try Spool(settings: .init(path: folder.file("spool.db")))
        address = try #require(TransferAddress(parsing: "ci/one"))
    }

    private func store() async throws {
        try await spool.transact { [address] (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            let bytes = [UInt8](repeating: 7, count: Self.size)
            _ = try ledger.store(bytes, at: 0, of: &transfer, now: .now())
        }
    }

    private func delete() async throws {
        try await spool.transact { [address] (ledger) throws(SpoolError) in
            if let former = try ledger.transfer(at: address) { try ledger.remove(former) }
        }
        while try await spool.transact({ (ledger) throws(SpoolError) in try ledger.reclaimStep() }) {}
    }

    /// The pages of each row in the order of its bytes, but for what is in the page that finds it.
    private func pagesOfRows() throws -> [[Int64]] {
        let rows = try Statement(
            Database(path: path),
            "SELECT pageno, path FROM dbstat WHERE name = 'segment' AND pagetype = 'overflow' ORDER BY path"
        )
        var pages: [[Int64]] = []
        var last: Substring?
        while try rows.step() {
            let row = rows.text(1)?.prefix { $0 != "+" }
            if row != last { pages.append([]) }
            last = row
            pages[pages.count - 1].append(rows.integer(0))
        }
        return pages
    }

    @Test("Every page of a row that is deleted was asked for")
    func deletion() async throws {
        defer { spool.close() }
        for _ in 0..<3 {
            try await store()
            let pages = try pagesOfRows()
            #expect(pages.count == 32)
            _ = Advice.take(path)
            try await delete()
            let asked = Advice.take(path)
            // A row in two pieces, where it took what others left, is asked for where it begins.
            let whole = pages.filter { abs($0[0] - $0[$0.count - 1]) == $0.count - 1 }
            #expect(whole.count > 16 && whole.joined().allSatisfy(asked.contains))
        }
    }

    /// The pages that were asked for while all was read.
    private func read() async throws -> Set<Int64> {
        _ = Advice.take(path)
        _ = try await spool.read { [address] (ledger) throws(SpoolError) in
            let key = try ledger.transfer(at: address)?.key ?? 0
            return try ledger.readChunk(key: key, from: 0, atMost: Self.size).count
        }
        return Advice.take(path)
    }

    @Test("Of a row that goes down the rest is asked for, and nothing in a file that only goes up")
    func down() async throws {
        defer { spool.close() }
        try await store()
        #expect(try await read().isEmpty)
        try await delete()
        try await store()
        let down = try pagesOfRows().filter { $0[0] - $0[$0.count - 1] == $0.count - 1 }
        let asked = try await read()
        #expect(!down.isEmpty && down.allSatisfy { $0.dropFirst().allSatisfy(asked.contains) })
    }
}
