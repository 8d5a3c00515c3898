import FerryCore
import TestSupport
import Testing

@testable import Spool

private func address(_ id: String) -> TransferAddress {
    TransferAddress(parsing: "ci/\(id)") ?? { fatalError("\(id) is no id") }()
}

@Suite("The ledger")
struct LedgerTests {
    private let folder: TemporaryFolder
    private let settings: Spool.Settings

    init() throws {
        folder = try TemporaryFolder("ledger")
        settings = Spool.Settings(path: folder.file("spool.db"), quota: .mebibytes(10), reserve: .zero)
    }

    private func used(_ spool: Spool) async throws -> Int64 {
        try await spool.read { (ledger) throws(SpoolError) in ledger.usage.used }
    }

    private func reclaim(_ spool: Spool) async throws {
        while try await spool.transact({ (ledger) throws(SpoolError) in try ledger.reclaimStep() }) {}
    }

    @Test("Bytes that come and are forgotten in one transaction take no room afterwards")
    func storedAndForgottenAtOnce() async throws {
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        try await spool.transact { (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address("one"), door: .segments, at: .now()))
            // More than a row, so that one is written already and one is not.
            _ = try ledger.store([UInt8](repeating: 7, count: 1_500_000), at: 0, of: &transfer, now: .now())
            try ledger.remove(transfer)
        }
        try await reclaim(spool)
        #expect(try await used(spool) == 0)
    }

    @Test("Bytes that come and are given up with a final state in one transaction take no room afterwards")
    func storedAndRefusedAtOnce() async throws {
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        try await spool.transact { (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address("one"), door: .segments, at: .now()))
            _ = try ledger.store([UInt8](repeating: 7, count: 1_500_000), at: 0, of: &transfer, now: .now())
            transfer.refuse(because: Reason(.noRoom, .permanent, "x"), at: .now())
            try ledger.save(transfer)
        }
        try await reclaim(spool)
        #expect(try await used(spool) == 0)
    }

    @Test("A transaction that fails gives back the room that it had counted")
    func failedTransaction() async throws {
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        _ = try? await spool.transact { (ledger) throws(SpoolError) in
            var transfer = try ledger.save(ledger.begin(address("one"), door: .segments, at: .now()))
            _ = try ledger.store([UInt8](repeating: 7, count: 1_500_000), at: 0, of: &transfer, now: .now())
            throw SpoolError(.misuse, operation: "test", underlying: "on purpose")
        }
        #expect(try await used(spool) == 0)
        let key = try await spool.transact { (ledger) throws(SpoolError) in
            try ledger.save(ledger.begin(address("one"), door: .segments, at: .now())).key
        }
        #expect(key == 1)
    }

    @Test("Every member of a transfer is there again after a restart")
    func everyMember() async throws {
        let now = WallTime(milliseconds: 1_777_622_400_123)
        let catalog = ProductCatalog(entries: [], acceptsAnyKey: true)
        var saved: [Transfer] = []
        do {
            let spool = try Spool(settings: settings)
            for step in 0..<9 {
                let transfer = try await spool.transact { (ledger) throws(SpoolError) -> Transfer in
                    var transfer = ledger.begin(
                        address("t\(step)"),
                        door: step % 2 == 0 ? .oneShot : .fileTransfer,
                        at: now
                    )
                    transfer.request = try? TransferRequest(document: [
                        "name": "x.bin", "size": 10, "expire_at": 1_790_000_000, "segments_ttl": 900,
                        "other": [1, nil, "x"],
                    ])
                    transfer.firmware =
                        (try? FirmwareMetadata(json: [
                            "product": "abcd1234", "version": "1", "priority": -3, "custom": ["a": 1], "type": "delta",
                            "source_version": "0", "package": ["id": "p", "files": 2],
                        ])) ?? FirmwareMetadata()
                    transfer = try ledger.save(transfer)
                    _ = try ledger.store([UInt8](repeating: UInt8(step), count: 10), at: 0, of: &transfer, now: now)
                    guard step > 0 else { return transfer }
                    transfer.end = .init(size: 10, checksum: Digest(bytes: [UInt8](repeating: 1, count: 32)))
                    guard step > 1 else { return try ledger.save(transfer) }
                    transfer.verified(
                        FileDigests(
                            sha256: Digest(bytes: [UInt8](repeating: 1, count: 32)),
                            md5: Digest(bytes: [UInt8](repeating: 2, count: 16)),
                            crc64: .max - 5
                        ),
                        catalog: catalog,
                        at: now
                    )
                    if step > 2 { _ = transfer.attemptBegan(at: now) }
                    if step > 3 { transfer.ticketReceived(at: now) }
                    if step > 4 { transfer.uploadFinished(firmwareURL: "https://u/ü", serverTime: now, at: now) }
                    if step == 6 {
                        var generator = SystemRandomNumberGenerator()
                        transfer.attemptFailed(
                            PublicationFailure(
                                reason: Reason(.cloudBusy, .retry, "t\u{0}ü", hint: "h", cloudCode: "c"),
                                remedy: .hold,
                                requestID: "r"
                            ),
                            policy: PublicationPolicy(),
                            at: now,
                            using: &generator
                        )
                    }
                    if step == 7 { transfer.firmwareRegistered(id: "f", requestID: nil, at: now) }
                    if step < 7 { try? transfer.paused() }
                    if step == 8 { try? transfer.cancelled(at: now) }
                    return try ledger.save(transfer)
                }
                saved.append(transfer)
            }
            spool.close()
        }
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        for transfer in saved {
            let found = try await spool.read { (ledger) throws(SpoolError) in try ledger.transfer(at: transfer.address)
            }
            // A state that is not receiving does not need the moment of the last byte any more.
            var read = try #require(found)
            if transfer.state != .receiving { read.lastByte = transfer.lastByte }
            #expect(read == transfer, "\(transfer.state)")
        }
    }

    @Test("seq grows over restarts, also when the transfer that had the highest is gone")
    func seqGrows() async throws {
        var last: Int64 = 0
        for round in 0..<4 {
            let spool = try Spool(settings: settings)
            let seq = try await spool.transact { (ledger) throws(SpoolError) -> Int64 in
                let transfer = try ledger.save(ledger.begin(address("one"), door: .segments, at: .now()))
                try ledger.remove(transfer)
                return transfer.seq
            }
            spool.close()
            #expect(seq > last, "round \(round)")
            last = seq
        }
    }

    @Test("Events come in order, for their transfer and for the outbox, and are gone with the transfer")
    func events() async throws {
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        let transfer = try await spool.transact { (ledger) throws(SpoolError) -> Transfer in
            let transfer = try ledger.save(ledger.begin(address("one"), door: .segments, at: .now()))
            for kind in [.state, .gap, .retry] as [TransferEvent.Kind] {
                try ledger.note(kind, of: transfer, at: .now())
            }
            return transfer
        }
        let (all, last, after) = try await spool.read { (ledger) throws(SpoolError) in
            (
                try ledger.events(of: transfer, limit: 10), try ledger.events(of: transfer, limit: 2),
                try ledger.events(after: 1, limit: 1)
            )
        }
        #expect(all.map(\.kind) == [.state, .gap, .retry] && last.map(\.kind) == [.gap, .retry])
        #expect(after.map(\.kind) == [.gap] && after.first?.address == address("one"))
        try await spool.transact { (ledger) throws(SpoolError) in try ledger.remove(transfer) }
        #expect(try await spool.read { (ledger) throws(SpoolError) in try ledger.events(after: 0, limit: 9) }.isEmpty)
    }

    @Test("Room that is promised to announced files is not given away twice")
    func promises() async throws {
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        let usage = try await spool.transact { (ledger) throws(SpoolError) -> SpoolUsage in
            var transfer = ledger.begin(address("one"), door: .segments, at: .now())
            transfer.request = try? TransferRequest(document: ["name": "x", "size": 6_000_000])
            transfer = try ledger.save(transfer)
            _ = try ledger.store([UInt8](repeating: 1, count: 1_000_000), at: 0, of: &transfer, now: .now())
            return ledger.usage
        }
        #expect(usage.used == 1_000_000 && usage.promised == 5_000_000)
        #expect(usage.free == ByteCount.mebibytes(10).rawValue - 6_000_000)
    }

    @Test("Pages of a list go on where the former ended, and keep to their filter")
    func pages() async throws {
        let spool = try Spool(settings: settings)
        defer { spool.close() }
        try await spool.transact { (ledger) throws(SpoolError) in
            for index in 0..<7 {
                var transfer = ledger.begin(address("t\(index)"), door: .segments, at: .now())
                if index % 2 == 0 { try? transfer.cancelled(at: .now()) }
                try ledger.save(transfer)
            }
        }
        var filter = TransferFilter()
        filter.state = .cancelled
        filter.limit = 3
        var ids: [String] = []
        while true {
            let asked = filter
            let page = try await spool.read { (ledger) throws(SpoolError) in try ledger.transfers(asked) }
            guard let last = page.last else { break }
            ids += page.map(\.address.id.text)
            filter.after = last.key
        }
        #expect(ids == ["t0", "t2", "t4", "t6"])
        filter.isNewestFirst = true
        filter.after = nil
        filter.limit = 1
        let newest = filter
        let last = try await spool.read { (ledger) throws(SpoolError) in try ledger.transfers(newest) }
        #expect(last.map(\.address.id.text) == ["t6"])
        filter.after = last.first?.key
        let further = filter
        let next = try await spool.read { (ledger) throws(SpoolError) in try ledger.transfers(further) }
        #expect(next.map(\.address.id.text) == ["t4"])
        let counts = try await spool.read { (ledger) throws(SpoolError) in try ledger.counts() }
        #expect(counts == [.cancelled: 4, .receiving: 3])
    }
}
