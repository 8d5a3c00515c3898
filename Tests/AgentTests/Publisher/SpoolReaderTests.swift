import AliyunOTA
import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Agent
@testable import Spool

@Suite("A file on its way out of the spool")
struct SpoolReaderTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("spool.db") }

    init() throws { folder = try TemporaryFolder("reader") }

    /// A spool that has nothing of the file in memory, though the kernel has.
    private func spool(with bytes: [UInt8], segment: Int) async throws -> (Spool, key: Int64) {
        let address = try #require(TransferAddress(parsing: "ci/one"))
        let settings = Spool.Settings(path: path)
        let spool = try Spool(settings: settings)
        let key = try await spool.transact { (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            for start in stride(from: 0, to: bytes.count, by: segment) {
                let part = Array(bytes[start..<min(start + segment, bytes.count)])
                _ = try ledger.store(part, at: Int64(start), of: &transfer, now: .now())
            }
            return transfer.key
        }
        spool.close()
        // What was written past the page cache is in it once it was read.
        _ = try Data(contentsOf: URL(filePath: path))
        return (try Spool(settings: settings), key)
    }

    /// What a sender does: bytes at once, or so many chunks.
    private func read(
        _ source: BodySource,
        room: Int,
        each: (_ count: Int) throws -> Void = { _ in }
    ) async throws -> (bytes: [UInt8], atOnce: Int) {
        var bytes: [UInt8] = []
        var atOnce = 0
        var buffer = [UInt8](repeating: 0, count: room)
        let immediate = try #require(source.immediate)
        while true {
            switch buffer.withUnsafeMutableBytes({ immediate($0) }) {
            case .bytes(let count):
                bytes += buffer.prefix(count)
                atOnce += count
            case .later(let chunks):
                for _ in 0..<min(chunks, 1_000) {
                    guard let chunk = try await source.next() else { return (bytes, atOnce) }
                    bytes += chunk
                    try each(bytes.count)
                }
            }
            try each(bytes.count)
        }
    }

    @Test("It comes as it was stored, most of it at once", arguments: [100, 700, 9_000, 16_384, 131_072, 3 << 20])
    func whole(room: Int) async throws {
        let bytes = TemporaryFolder.bytes(20 << 20, seed: 1)
        let (spool, key) = try await spool(with: bytes, segment: 250_000)
        defer { spool.close() }
        var crc = CRC64()
        crc.update(bytes)
        var atOnce: [Int] = []
        // The kernel may take a page back at any time.
        while atOnce.count < 10, (atOnce.last ?? 0) <= bytes.count / 2 {
            let reader = SpoolReader(spool: spool, key: key, size: Int64(bytes.count))
            let read = try await self.read(reader.source, room: room)
            let isSame = read.bytes == bytes
            #expect(isSame)
            #expect(reader.sum == crc.value)
            #expect(reader.damage == nil)
            atOnce.append(read.atOnce)
        }
        #expect(atOnce.last ?? 0 > bytes.count / 2, "\(atOnce)")
    }

    @Test("It comes as it was stored in rows that are too small to be read at once")
    func small() async throws {
        let bytes = TemporaryFolder.bytes(2 << 20, seed: 2)
        let (spool, key) = try await spool(with: bytes, segment: 1_000)
        defer { spool.close() }
        let reader = SpoolReader(spool: spool, key: key, size: Int64(bytes.count))
        let read = try await self.read(reader.source, room: 100_000)
        let isSame = read.bytes == bytes
        #expect(isSame)
        #expect(read.atOnce == 0)
    }

    @Test(
        "Bytes that change under way end it as damaged, before the end of their row",
        arguments: [300_000, 9_000_000]
    )
    func damaged(after: Int) async throws {
        let bytes = TemporaryFolder.bytes(12 << 20, seed: 3)
        let (spool, key) = try await spool(with: bytes, segment: 250_000)
        defer { spool.close() }
        let reader = SpoolReader(spool: spool, key: key, size: Int64(bytes.count))
        var isChanged = false
        var given = 0
        await #expect(throws: SpoolError.self) {
            _ = try await self.read(reader.source, room: 30_000) { count in
                given = count
                guard !isChanged, count > after else { return }
                isChanged = true
                // Well behind what was given, within a row's length.
                try change(Data(bytes[count + 2_100_000..<count + 2_100_016]))
            }
        }
        #expect(isChanged)
        #expect(given < after + 3_000_000)
        #expect(reader.damage?.reason.code == .spoolDamaged)
        #expect(reader.damage?.remedy == .fail)
    }

    @Test("A row whose first pieces were not what SQLite has ends the upload for now, and no other is read so")
    func different() async throws {
        let bytes = TemporaryFolder.bytes(12 << 20, seed: 4)
        let (spool, key) = try await spool(with: bytes, segment: 250_000)
        defer { spool.close() }
        let reader = SpoolReader(spool: spool, key: key, size: Int64(bytes.count))
        let rows = try await spool.read { (ledger) throws(SpoolError) in try ledger.rows(key: key, from: 0, atMost: 100)
        }
        let row = try #require(rows.first { $0.offset > 5_000_000 })
        // A byte of the row's first pieces is wrong while they are read, and right again afterwards.
        let place = Int(row.offset) + 30_000
        var steps = 0
        await #expect(throws: SpoolError.self) {
            _ = try await self.read(reader.source, room: 20_000) { count in
                if steps == 0, count > place - 29_000 - 20_000 {
                    steps = 1
                    try change(Data(bytes[place..<place + 16]))
                } else if steps == 1, count > place + 100 {
                    steps = 2
                    try change(Data([bytes[place] ^ 1] + bytes[place + 1..<place + 16]))
                }
            }
        }
        #expect(steps == 2)
        #expect(reader.damage?.reason.kind == .retry)
        let again = SpoolReader(spool: spool, key: key, size: Int64(bytes.count))
        let read = try await self.read(again.source, room: 20_000)
        let isSame = read.bytes == bytes
        #expect(isSame)
        #expect(read.atOnce == 0)
    }

    /// Turns one bit of the byte at which these begin in the file.
    private func change(_ needle: Data) throws {
        let content = try Data(contentsOf: URL(filePath: path))
        let place = try #require(content.range(of: needle)?.lowerBound)
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.seek(toOffset: UInt64(place))
        try file.write(contentsOf: [content[place] ^ 1])
        try file.close()
    }
}
