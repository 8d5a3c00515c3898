import Crypto
import FerryCore
import Foundation
import Spool
import Testing

/// A folder of its own for each test, gone afterwards.
private func withFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "spool-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

private let address = TransferAddress(parsing: "ci/one") ?? { fatalError("ci/one is an address") }()

@Suite("The spool")
struct SpoolTests {
    @Test("Bytes are read as they are, also before their commit and after others were in their place")
    func readsWhatIsNotWrittenYet() async throws {
        try await withFolder { folder in
            let spool = try Spool(settings: Spool.Settings(path: folder + "/spool.db"))
            defer { spool.close() }
            for round in 0..<3 {
                let bytes = [UInt8](repeating: UInt8(round), count: 600_000)
                try await spool.transact { (ledger) throws(SpoolError) in
                    // What was there before is gone with the same transaction, its pages are used again.
                    if let former = try ledger.transfer(at: address) { try ledger.remove(former) }
                    while try ledger.reclaimStep() {}
                    var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
                    let key = transfer.key
                    for start in stride(from: 0, to: bytes.count, by: 200_000) {
                        let part = Array(bytes[start..<start + 200_000])
                        _ = try ledger.store(part, at: Int64(start), of: &transfer, now: .now())
                        let back = try ledger.readChunk(key: key, from: Int64(start), atMost: 200_000)
                        #expect(back == part)
                    }
                }
                let back = try await spool.read { (ledger) throws(SpoolError) in
                    let key = try ledger.transfer(at: address)?.key ?? 0
                    return try ledger.readChunk(key: key, from: 0, atMost: 600_000)
                }
                #expect(back == bytes)
            }
        }
    }

    @Test("Bytes, transfers and events are there again after it was closed")
    func survivesClosing() async throws {
        try await withFolder { folder in
            let settings = Spool.Settings(path: folder + "/spool.db")
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            do {
                let spool = try Spool(settings: settings)
                try await spool.transact { (ledger) throws(SpoolError) in
                    var transfer = ledger.begin(address, door: .segments, at: .now())
                    transfer = try ledger.save(transfer)
                    try ledger.note(.state, of: transfer, at: .now())
                    var offset = 0
                    while offset < bytes.count {
                        let part = Array(bytes[offset..<min(bytes.count, offset + 100_000)])
                        let stored = try ledger.store(part, at: Int64(offset), of: &transfer, now: .now())
                        #expect(stored == .bytes(Int64(part.count)))
                        offset += part.count
                    }
                }
                spool.close()
            }
            let spool = try Spool(settings: settings)
            defer { spool.close() }
            let transfer = try #require(
                try await spool.read { (ledger) throws(SpoolError) in try ledger.transfer(at: address) }
            )
            #expect(transfer.received == ByteRanges(0..<3_000_000))
            let back = try await spool.read { (ledger) throws(SpoolError) in
                try ledger.readChunk(key: transfer.key, from: 0, atMost: 5_000_000)
            }
            #expect(back == bytes)
            let middle = try await spool.read { (ledger) throws(SpoolError) in
                try ledger.readChunk(key: transfer.key, from: 1_234_567, atMost: 10)
            }
            #expect(middle == Array(bytes[1_234_567..<1_234_577]))
            let events = try await spool.read { (ledger) throws(SpoolError) in
                try ledger.events(of: transfer, limit: 10)
            }
            #expect(events.count == 1)
            let usage = try await spool.read { (ledger) throws(SpoolError) in ledger.usage }
            #expect(usage.used == 3_000_000)
        }
    }

    @Test("A transaction that throws leaves everything as it was")
    func rollsBack() async throws {
        try await withFolder { folder in
            let spool = try Spool(settings: .init(path: folder + "/spool.db"))
            defer { spool.close() }
            await #expect(throws: SpoolError.self) {
                try await spool.transact { (ledger) throws(SpoolError) in
                    var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
                    _ = try ledger.store([1, 2, 3], at: 0, of: &transfer, now: .now())
                    throw SpoolError(.misuse, operation: "test", underlying: "on purpose")
                }
            }
            let (transfer, usage) = try await spool.read { (ledger) throws(SpoolError) in
                (try ledger.transfer(at: address), ledger.usage)
            }
            #expect(transfer == nil)
            #expect(usage.used == 0)
        }
    }

    @Test("Random segments give the same bytes as a plain array, and bytes that differ are a conflict")
    func randomSegments() async throws {
        try await withFolder { folder in
            let spool = try Spool(settings: .init(path: folder + "/spool.db"))
            defer { spool.close() }
            var generator = SystemRandomNumberGenerator()
            let size = 5_000
            let file = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let key = try await spool.transact { (ledger) throws(SpoolError) in
                try ledger.save(ledger.begin(address, door: .segments, at: .now())).key
            }
            var model = [Bool](repeating: false, count: size)
            for _ in 0..<400 {
                let lower = Int.random(in: 0..<size, using: &generator)
                let upper = min(size, lower + Int.random(in: 1...200, using: &generator))
                var part = Array(file[lower..<upper])
                let isCorrupt = Int.random(in: 0..<10, using: &generator) == 0
                if isCorrupt { part[0] ^= 1 }
                let known = model[lower]
                if isCorrupt && !known { continue }
                let bytes = part
                let stored = try await spool.transact { (ledger) throws(SpoolError) -> Ledger.Stored in
                    guard var transfer = ledger.openTransfer(key: key) else { return .conflict }
                    return try ledger.store(bytes, at: Int64(lower), of: &transfer, now: .now())
                }
                if isCorrupt {
                    #expect(stored == .conflict)
                    continue
                }
                let new = model[lower..<upper].filter { !$0 }.count
                #expect(stored == .bytes(Int64(new)))
                for index in lower..<upper { model[index] = true }
            }
            let ranges = try await spool.read { (ledger) throws(SpoolError) in
                ledger.openTransfer(key: key)?.received.ranges ?? []
            }
            for range in ranges {
                let back = try await spool.read { (ledger) throws(SpoolError) in
                    try ledger.readChunk(key: key, from: range.lowerBound, atMost: range.count)
                }
                #expect(back == Array(file[Int(range.lowerBound)..<Int(range.upperBound)]))
            }
            #expect(ranges.reduce(0) { $0 + $1.count } == model.filter { $0 }.count)
        }
    }

    @Test("The rows of a cancelled transfer are deleted step by step, and what is left at a stop is found again")
    func reclaims() async throws {
        try await withFolder { folder in
            let settings = Spool.Settings(path: folder + "/spool.db")
            do {
                let spool = try Spool(settings: settings)
                try await spool.transact { (ledger) throws(SpoolError) in
                    var transfer = try ledger.save(ledger.begin(address, door: .segments, at: .now()))
                    // More rows than are deleted at once with the last change of a transfer.
                    for offset in stride(from: Int64(0), to: 2_000, by: 200) {
                        _ = try ledger.store([UInt8](repeating: 7, count: 100), at: offset, of: &transfer, now: .now())
                    }
                }
                try await spool.transact { (ledger) throws(SpoolError) in
                    guard var transfer = try ledger.transfer(at: address) else { return }
                    try? transfer.cancelled(at: .now())
                    try ledger.save(transfer)
                }
                spool.close()
            }
            let spool = try Spool(settings: settings)
            defer { spool.close() }
            #expect(try await spool.read { (ledger) throws(SpoolError) in ledger.usage.used } == 1_000)
            let isMore = try await spool.transact { (ledger) throws(SpoolError) in try ledger.reclaimStep() }
            #expect(!isMore)
            #expect(try await spool.read { (ledger) throws(SpoolError) in ledger.usage.used } == 0)
        }
    }

    @Test("An address that ends and begins anew in one transaction is found again", arguments: 0..<20)
    func beginsAnewInOneTransaction(_: Int) async throws {
        try await withFolder { folder in
            let spool = try Spool(settings: .init(path: folder + "/spool.db"))
            defer { spool.close() }
            try await spool.transact { (ledger) throws(SpoolError) in
                try ledger.save(ledger.begin(address, door: .segments, at: .now()))
            }
            let key = try await spool.transact { (ledger) throws(SpoolError) -> Int64 in
                guard let former = try ledger.transfer(at: address) else { return 0 }
                try ledger.remove(former)
                return try ledger.save(ledger.begin(address, door: .segments, at: .now())).key
            }
            let found = try await spool.read { (ledger) throws(SpoolError) in try ledger.transfer(at: address)?.key }
            #expect(found == key)
        }
    }

    @Test("A second agent on the same spool is refused with a sentence")
    func refusesASecondAgent() async throws {
        // The lock belongs to the process, so another process has to try.
        try await withFolder { folder in
            let spool = try Spool(settings: .init(path: folder + "/spool.db"))
            defer { spool.close() }
            let other = Process()
            other.executableURL = URL(filePath: "/usr/bin/python3")
            other.arguments = [
                "-c", "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB)",
                folder + "/spool.db.lock",
            ]
            other.standardError = Pipe()
            try other.run()
            other.waitUntilExit()
            #expect(other.terminationStatus != 0)
        }
    }

    @Test("The files are for their owner alone")
    func rights() async throws {
        try await withFolder { folder in
            let spool = try Spool(settings: .init(path: folder + "/inner/spool.db"))
            try await spool.transact { (ledger) throws(SpoolError) in try ledger.setSetting("a", "b") }
            spool.close()
            for (path, mode) in [("/inner", 0o700), ("/inner/spool.db", 0o600), ("/inner/spool.db-journal", 0o600)] {
                let attributes = try FileManager.default.attributesOfItem(atPath: folder + path)
                #expect(attributes[.posixPermissions] as? Int == mode, "\(path)")
            }
        }
    }
}
