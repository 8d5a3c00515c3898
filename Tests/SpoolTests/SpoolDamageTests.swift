import FerryCore
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Spool

@Suite("A spool whose file is damaged")
struct SpoolDamageTests {
    private static let count = 100
    private static let firmwareBytes = 6_000

    /// The bytes of the n-th firmware: two rows of them.
    private static func bytes(_ number: Int) -> [UInt8] {
        (0..<firmwareBytes).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
    }

    private static func address(_ number: Int) -> TransferAddress? { TransferAddress(parsing: "ci/t\(number)") }

    /// Transfers that are stored, one by one, each with its events.
    private static func fill(_ path: String) async throws {
        let spool = try Spool(settings: .init(path: path))
        let addresses = (0..<count).compactMap(address)
        do {
            let document = try JSONValue(
                parsing: #"{"name":"x.bin","user_data":{"pad":"\#(String(repeating: "p", count: 300))"}}"#
            )
            let request = try TransferRequest(document: document, isChecksumLenient: false)
            try await spool.transact { (ledger) throws(SpoolError) in
                let now = WallTime.now()
                for (number, address) in addresses.enumerated() {
                    var transfer = ledger.begin(address, door: .segments, at: now)
                    transfer.request = request
                    transfer = try ledger.save(transfer)
                    _ = try ledger.store(Array(bytes(number).prefix(4_000)), at: 0, of: &transfer, now: now)
                    try ledger.flushRows()
                    _ = try ledger.store(Array(bytes(number).dropFirst(4_000)), at: 4_000, of: &transfer, now: now)
                    transfer.end = Transfer.FileEnd(size: Int64(firmwareBytes), checksum: nil)
                    transfer.verified(
                        FileDigests(sha256: Digest(bytes: [1]), md5: Digest(bytes: [2]), crc64: 3),
                        catalog: ProductCatalog(entries: [], acceptsAnyKey: true),
                        at: now
                    )
                    let saved = try ledger.save(transfer)
                    try ledger.note(.state, of: saved, at: now)
                }
            }
        }
        spool.close()
    }

    /// Everything that the spool says is whole is what was stored.
    ///
    /// - Returns: how many transfers are whole, and how many have failed for want of bytes.
    private static func verify(_ spool: Spool) async throws -> (whole: Int, failed: Int) {
        var whole = 0
        var failed = 0
        for number in 0..<count {
            guard let address = address(number) else { continue }
            let expected = bytes(number)
            let state = try await spool.read { (ledger) throws(SpoolError) -> TransferState? in
                guard let transfer = try ledger.transfer(at: address) else { return nil }
                guard !transfer.state.isFinal else { return transfer.state }
                #expect(transfer.received.count == Int64(firmwareBytes))
                #expect(try ledger.readChunk(key: transfer.key, from: 0, atMost: firmwareBytes) == expected)
                return transfer.state
            }
            if state == .failed { failed += 1 } else if state != nil { whole += 1 }
        }
        return (whole, failed)
    }

    private static func change(_ path: String, _ body: (FileHandle, UInt64) throws -> Void) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let size = try file.seekToEnd()
        try body(file, size)
        try file.close()
    }

    private static func page(_ number: UInt64, of file: FileHandle, becomes bytes: Data) throws {
        try file.seek(toOffset: number * 4_096)
        try file.write(contentsOf: bytes)
    }

    @Test("A file that never was a spool is left alone", arguments: [0, 1])
    func otherFile(again: Int) async throws {
        let folder = try TemporaryFolder("other")
        let path = try folder.write(Array("listener 1883\n".utf8), to: "mosquitto.conf")
        for _ in 0...again {
            let error = #expect(throws: SpoolError.self) { try Spool(settings: Spool.Settings(path: path)) }
            #expect(error?.code == .unusable && error?.underlying.contains("is no SQLite database") == true)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["mosquitto.conf"])
    }

    @Test("A file of garbage is set aside whole, and the spool begins anew")
    func garbage() async throws {
        let folder = try TemporaryFolder("garbage")
        let path = folder.file("spool.db")
        let garbage = Data(TemporaryFolder.bytes(100_000))
        try garbage.write(to: URL(fileURLWithPath: path))
        // An agent had its spool here.
        try folder.write([], to: "spool.db.lock")
        let spool = try Spool(settings: .init(path: path))
        let damage = try #require(spool.damage)
        #expect(damage.transfers == 0 && damage.bytes == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: damage.path)) == garbage)
        #expect(Spool.damagedFiles(beside: path) == [damage.path])
        #expect(damage.path.contains(#/spool\.db\.damaged-\d{8}T\d{6}Z$/#))
        spool.close()
        // The next start finds a sound one.
        let again = try Spool(settings: .init(path: path))
        #expect(again.damage == nil)
        again.close()
    }

    @Test("Of a file that was cut off, what is before the cut is saved")
    func truncated() async throws {
        let folder = try TemporaryFolder("truncated")
        let path = folder.file("spool.db")
        try await Self.fill(path)
        try Self.change(path) { file, size in try file.truncate(atOffset: size / 4_096 / 2 * 4_096) }
        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        let damage = try #require(spool.damage)
        let (whole, failed) = try await Self.verify(spool)
        #expect(whole > 5 && whole + failed == damage.transfers)
    }

    @Test("A transfer whose row was changed by somebody else is left out, the others are saved")
    func changedRow() async throws {
        let folder = try TemporaryFolder("row")
        let path = folder.file("spool.db")
        try await Self.fill(path)
        let other = try Database(path: path)
        try other.execute("UPDATE transfer SET priority = 99 WHERE id = 't7'", "test")
        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        #expect(spool.damage?.transfers == Self.count - 1)
        #expect(try await Self.verify(spool) == (Self.count - 1, 0))
        #expect(spool.damage?.bytes == Int64((Self.count - 1) * Self.firmwareBytes))
    }

    @Test("After an unclean stop a damaged index is found, and everything is saved")
    func index() async throws {
        let folder = try TemporaryFolder("index")
        let path = folder.file("spool.db")
        try await Self.fill(path)
        let root = try UInt64(
            Database(path: path).number("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_transfer_1'")
        )
        try Self.change(path) { file, _ in
            try Self.page(root - 1, of: file, becomes: Data(repeating: 0xAB, count: 4_096))
        }
        // As whoever was killed leaves it.
        try Data("open\n".utf8).write(to: URL(fileURLWithPath: path + ".lock"))
        let spool = try Spool(settings: .init(path: path))
        defer { spool.close() }
        #expect(spool.damage?.transfers == Self.count)
        #expect(try await Self.verify(spool) == (Self.count, 0))
    }

    @Test("A clean stop is told from an unclean one by the lock file")
    func mark() async throws {
        let folder = try TemporaryFolder("mark")
        let path = folder.file("spool.db")
        let spool = try Spool(settings: .init(path: path))
        #expect(try String(contentsOfFile: path + ".lock", encoding: .utf8) == "open\n")
        spool.close()
        #expect(try String(contentsOfFile: path + ".lock", encoding: .utf8).isEmpty)
    }

    @Test("Whatever page is destroyed, the spool opens and holds no wrong byte", arguments: [1, 2])
    func anyPage(seed: UInt64) async throws {
        let folder = try TemporaryFolder("pages")
        let path = folder.file("spool.db")
        try await Self.fill(path)
        let sound = try Data(contentsOf: URL(fileURLWithPath: path))
        var generator = SeededGenerator(seed: seed)
        var saved = 0
        var lost = 0
        for _ in 0..<15 {
            try sound.write(to: URL(fileURLWithPath: path))
            try? FileManager.default.removeItem(atPath: path + "-journal")
            let pages = UInt64(sound.count / 4_096)
            try Self.change(path) { file, _ in
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let content =
                        Bool.random(using: &generator) ? Data(count: 4_096) : Data(TemporaryFolder.bytes(4_096))
                    try Self.page(.random(in: 0..<pages, using: &generator), of: file, becomes: content)
                }
            }
            try Data("open\n".utf8).write(to: URL(fileURLWithPath: path + ".lock"))
            let spool = try Spool(settings: .init(path: path))
            do {
                let (whole, failed) = try await Self.verify(spool)
                saved += whole
                lost += Self.count - whole - failed
            } catch let error as SpoolError {
                // A row of bytes alone is damaged: found when it is read.
                #expect(error.code == .damaged && spool.damage == nil)
                saved += Self.count - 1
            }
            spool.close()
        }
        // Most of what was there is there still.
        #expect(saved > 15 * Self.count * 8 / 10, "saved \(saved), lost \(lost)")
    }

    @Test(
        "A damage among the bytes of firmware, where no start looks, is found by the start after somebody came across it"
    )
    func hidden() async throws {
        let folder = try TemporaryFolder("damage")
        let path = folder.file("spool.db")
        let troubles = Mutex(0)
        var spool = try Spool(settings: .init(path: path))
        let address = try #require(Self.address(1))
        let other = try #require(Self.address(2))
        let large = TemporaryFolder.bytes(100_000, seed: 5)
        try await spool.transact { (ledger) throws(SpoolError) in
            for address in [address, other] {
                var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
                let bytes = address == other ? Array(large.reversed()) : large
                _ = try ledger.store(bytes, at: 0, of: &transfer, now: .now())
            }
        }
        spool.close()

        // The link of an overflow page stands before what it has of the bytes.
        var file = try Data(contentsOf: URL(filePath: path))
        let found = try #require(file.range(of: Data(large[60_000..<60_032])))
        let page = found.lowerBound / 4_096 * 4_096
        file.replaceSubrange(page..<page + 4, with: [0x7f, 0xff, 0xff, 0xff])
        try file.write(to: URL(filePath: path))

        spool = try Spool(settings: .init(path: path)) { _ in troubles.withLock { $0 += 1 } }
        #expect(spool.damage == nil)
        await #expect(throws: SpoolError.self) {
            try await spool.transact { (ledger) throws(SpoolError) in
                guard let transfer = try ledger.transfer(at: address) else { return }
                try ledger.remove(transfer)
                while try ledger.reclaimStep() {}
            }
        }
        #expect(troubles.withLock { $0 } > 0)
        spool.close()

        spool = try Spool(settings: .init(path: path))
        #expect(spool.damage != nil && Spool.damagedFiles(beside: path).count == 1)
        try await spool.read { (ledger) throws(SpoolError) in
            let transfer = try ledger.transfer(at: other)
            let bytes = try ledger.readChunk(key: transfer?.key ?? 0, from: 0, atMost: large.count)
            #expect(bytes == Array(large.reversed()))
        }
        spool.close()
        spool = try Spool(settings: .init(path: path))
        #expect(spool.damage == nil)
        spool.close()
    }

    @Test("A file that is sound after all, since the device could not be read for a moment, stays")
    func passing() async throws {
        let folder = try TemporaryFolder("damage")
        let path = folder.file("spool.db")
        try await Self.fill(path)
        try folder.write("damaged\n", to: "spool.db.lock")
        for _ in 0..<2 {
            let spool = try Spool(settings: .init(path: path))
            #expect(spool.damage == nil)
            #expect(try await Self.verify(spool).whole == Self.count)
            spool.close()
        }
        #expect(Spool.damagedFiles(beside: path).isEmpty)
    }
}
