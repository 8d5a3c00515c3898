import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Spool

@Suite("Rows that are read in pieces, without the spool's thread")
struct RowPiecesTests {
    private let folder: TemporaryFolder
    private let spool: Spool
    private let address: TransferAddress
    private var path: String { folder.file("spool.db") }

    init() throws {
        folder = try TemporaryFolder("pieces")
        spool = try Spool(settings: .init(path: folder.file("spool.db")))
        address = try #require(TransferAddress(parsing: "ci/one"))
    }

    /// Stores a file in segments of these lengths, in place of one before.
    private func store(_ bytes: [UInt8], segments: [Int]) async throws -> Int64 {
        try await remove()
        return try await spool.transact { [address] (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            var offset = 0
            for count in segments {
                _ = try ledger.store(
                    Array(bytes[offset..<offset + count]),
                    at: Int64(offset),
                    of: &transfer,
                    now: .now()
                )
                offset += count
            }
            return transfer.key
        }
    }

    private func remove() async throws {
        try await spool.transact { [address] (ledger) throws(SpoolError) in
            if let former = try ledger.transfer(at: address) { try ledger.remove(former) }
        }
        while try await spool.transact({ (ledger) throws(SpoolError) in try ledger.reclaimStep() }) {}
    }

    private func rows(_ key: Int64, from offset: Int = 0, atMost limit: Int = 1_000) async throws -> [RowPieces] {
        try await spool.read { (ledger) throws(SpoolError) in
            try ledger.rows(key: key, from: Int64(offset), atMost: limit)
        }
    }

    /// All of these rows, in pieces that fit rooms of random size.
    private func read(_ rows: [RowPieces], waits: Bool = true, room: ClosedRange<Int>) -> (
        bytes: [UInt8], isDifferent: Bool
    ) {
        var bytes: [UInt8] = []
        var former: RowPieces?
        for var row in rows {
            if let former, Bool.random() { row.follow(former) }
            while !row.isDone {
                let count = Int.random(in: room)
                var piece = RowPieces.Piece.absent
                bytes += [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                    piece = spool.read(&row, into: UnsafeMutableRawBufferPointer(buffer), waits: waits)
                    if case .bytes(let got) = piece { filled = got }
                }
                guard case .bytes(let got) = piece, got > 0 else { return (bytes, piece == .different) }
            }
            former = row
        }
        return (bytes, false)
    }

    @Test("They give the file, wherever its pages lie and however much fits")
    func bytes() async throws {
        defer { spool.close() }
        for round in 0..<12 {
            // Each finds the pages that another left, in another order.
            let segments = (0..<40).map { _ in Int.random(in: 1...262_144) }
            let bytes = TemporaryFolder.bytes(segments.reduce(0, +), seed: UInt64(round))
            let key = try await store(bytes, segments: segments)
            let rows = try await rows(key)
            #expect(rows.reduce(0) { $0 + $1.count } == bytes.count)
            let whole = read(rows, room: RowPieces.leastRoom...400_000).bytes == bytes
            #expect(whole)
            var sum: UInt64 = 0
            for row in rows { sum = CRC64.combine(sum, row.sum, secondCount: Int64(row.count)) }
            var crc = CRC64()
            crc.update(bytes)
            #expect(sum == crc.value)
        }
    }

    @Test("They begin at the row that is asked for, and end behind the last")
    func limits() async throws {
        defer { spool.close() }
        let bytes = TemporaryFolder.bytes(1 << 20, seed: 1)
        // More than a row takes, so that the last bytes are a row of their own.
        let key = try await store(bytes, segments: [1 << 20])
        let all = try await rows(key)
        #expect(all.count >= 2)
        let second = all[1].offset
        #expect(try await rows(key, from: Int(second)).map(\.offset) == all.dropFirst().map(\.offset))
        #expect(try await rows(key, from: Int(second), atMost: 1).count == 1)
        #expect(try await rows(key, from: Int(second) + 1).isEmpty)
        #expect(try await rows(key, from: 1 << 20).isEmpty)
    }

    @Test("What the kernel does not have in memory is left for those who may wait, who get it")
    func absent() async throws {
        defer { spool.close() }
        let bytes = TemporaryFolder.bytes(8 << 20, seed: 2)
        let key = try await store(bytes, segments: [8 << 20])
        let rows = try await rows(key)
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        // Pages that were never read are not in memory: they were written past it.
        #expect(fsync(descriptor) == 0)
        #expect(forgetPages(descriptor) == 0)
        var row = try #require(rows.dropFirst(2).first)
        var piece = RowPieces.Piece.bytes(0)
        _ = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, _ in
            piece = spool.read(&row, into: UnsafeMutableRawBufferPointer(buffer), waits: false)
        }
        #expect(piece == .absent)
        #expect(row.given == 0)
        let whole = read(rows, room: 100_000...400_000).bytes == bytes
        #expect(whole)
        // Now it has, unless it has taken a page back.
        let isImmediate = (0..<10).contains { _ in
            read(rows, waits: false, room: 100_000...400_000).bytes == bytes
        }
        #expect(isImmediate)
    }

    @Test("Bytes that are not those that were written end with `different` before the row's end", arguments: 0..<20)
    func damaged(round: Int) async throws {
        defer { spool.close() }
        let bytes = TemporaryFolder.bytes(600_000, seed: UInt64(round))
        let key = try await store(bytes, segments: [200_000, 200_000, 200_000])
        let rows = try await rows(key)
        let file = try FileHandle(forUpdating: URL(filePath: path))
        let content = try Data(contentsOf: URL(filePath: path))
        // Somewhere in the second row, found by its bytes; some lie on two pages.
        let found = (0..<10).lazy.compactMap { step -> (place: Int, byte: UInt8)? in
            let start = 250_000 + round * 3_000 + step * 50
            let range = content.range(of: Data(bytes[start..<start + 16]))
            return range.map { ($0.lowerBound, bytes[start]) }
        }
        let (place, byte) = try #require(found.first)
        try file.seek(toOffset: UInt64(place))
        try file.write(contentsOf: [byte ^ 1])
        let (got, isDifferent) = read(rows, room: RowPieces.leastRoom...60_000)
        #expect(isDifferent)
        #expect(got.count >= Int(rows[1].offset) && got.count < Int(rows[1].offset) + rows[1].count)
    }

    @Test("A row that was deleted, and whose pages are another's, is not given to its end")
    func deleted() async throws {
        defer { spool.close() }
        let bytes = TemporaryFolder.bytes(4 << 20, seed: 3)
        let key = try await store(bytes, segments: [4 << 20])
        let rows = try await rows(key)
        _ = try await store(TemporaryFolder.bytes(4 << 20, seed: 4), segments: [4 << 20])
        for row in rows.dropLast() {
            let (got, isDifferent) = read([row], room: 50_000...200_000)
            #expect(isDifferent)
            #expect(got.count < row.count)
        }
    }

    @Test("Once the way is closed nothing is read on it")
    func closed() async throws {
        defer { spool.close() }
        let key = try await store(TemporaryFolder.bytes(300_000, seed: 5), segments: [300_000])
        let rows = try await rows(key)
        spool.closeStream()
        let (got, isDifferent) = read(rows, room: 100_000...200_000)
        #expect(got.isEmpty && !isDifferent)
    }
}

/// The C library's own by its other name: another suite stands before the usual one.
private func forgetPages(_ descriptor: Int32) -> Int32 {
    typealias Advise = @convention(c) (Int32, Int, Int, Int32) -> Int32
    guard let symbol = dlsym(nil, "posix_fadvise64") else { return -1 }
    return unsafeBitCast(symbol, to: Advise.self)(descriptor, 0, 0, POSIX_FADV_DONTNEED)
}
