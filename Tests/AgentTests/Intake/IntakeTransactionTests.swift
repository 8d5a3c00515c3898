import Broker
import FerryCore
import Spool
import TestSupport
import Testing

@testable import Agent

private func document(_ members: JSONValue) -> [UInt8] { members.encoded }

private let plain = document(["name": "x.bin"])

@Suite("The intake of firmware")
struct IntakeTransactionTests {
    @Test("Segments in any order, repeated, overlapping and cut anew give the file")
    func anyOrder() async throws {
        let bench = try IntakeBench()
        let file = TemporaryFolder.bytes(9_000)
        var generator = SystemRandomNumberGenerator()
        _ = try await bench.ack("t/one/init", plain)
        for _ in 0..<60 {
            let lower = Int.random(in: 0..<9_000, using: &generator)
            let upper = min(9_000, lower + Int.random(in: 1...900, using: &generator))
            let reply = try await bench.ack("t/one/\(lower)", Array(file[lower..<upper]))
            #expect(reply.reasonAndState == "ok/receiving")
        }
        var reply = try await bench.ack("t/one/fin/9000/\(Known.sha256(file).hex)")
        for range in try #require(reply["missing"]?.array) {
            #expect(reply["reason"] == "incomplete")
            let bounds = try #require(range.array).compactMap(\.integer).map { Int($0) }
            reply = try await bench.ack("t/one/\(bounds[0])", Array(file[bounds[0]..<bounds[1]]))
        }
        #expect(
            reply["reason"] == "ok" && reply["missing"] == [] && reply["received"] == 9_000 && reply["durable"] == 9_000
        )
        #expect(try await bench.bytes() == file)
    }

    @Test(
        "An init that is refused leaves no state",
        arguments: [
            (["name": "x.exe"], "bad-suffix"), (["name": "x.bin", "size": 1_048_576_001], "too-large"),
            (["name": "x.bin", "firmware": ["product": "other"]], "unknown-product"),
            (["name": "../x"], "bad-metadata"),
            (["name": "x.bin", "size": 99_000_000], "no-room"), (["name": "x.bin", "size": 0], "bad-metadata"),
        ] as [(JSONValue, String)]
    )
    func refusedInit(document: JSONValue, reason: String) async throws {
        let bench = try IntakeBench()
        let outcome = try await bench.send([("t/one/init", document.encoded)])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["\(reason)/-"])
        #expect(outcome.replies.allSatisfy { ($0.payload["credit"] == 0) == (reason == "no-room") })
        #expect(outcome.changed.isEmpty)
        #expect(try await bench.transfer() == nil)
    }

    @Test("An init whose time is over is refused as expired, by both doors; one in the future is taken")
    func overBeforeItBegins() async throws {
        let bench = try IntakeBench()
        let now = WallTime.now().milliseconds / 1_000
        func ask(_ id: String, _ end: Int64) async throws -> String? {
            try await bench.ack("t/\(id)/init", document(["name": "x.bin", "expire_at": .integer(end)])).reasonAndState
        }
        #expect(try await ask("one", now - 1) == "expired/-")
        #expect(try await bench.transfer() == nil)
        #expect(try await ask("one", now + 3_600) == "ok/receiving")
        _ = try await bench.ack("t/two/0", [1, 2, 3])
        #expect(try await ask("two", 1) == "expired/-")
        #expect(try await bench.transfer("ci/two") == nil)
    }

    @Test("An orphan whose init is refused is gone with its bytes")
    func refusedOrphan() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/0", [1, 2, 3])
        #expect(try await bench.ack("t/one/init", document(["name": "x.exe"])).reasonAndState == "bad-suffix/-")
        #expect(try await bench.transfer() == nil)
    }

    @Test("Segments before init are kept up to the limit, and init takes them over")
    func orphans() async throws {
        let bench = try IntakeBench(orphanMax: .kibibytes(4))
        let file = TemporaryFolder.bytes(6_000)
        #expect(try await bench.ack("t/one/0", Array(file[..<4_096])).reasonAndState == "ok/receiving")
        #expect(try await bench.ack("t/one/4096", [1]).reasonAndState == "unknown-transfer/receiving")
        #expect(try await bench.ack("t/one/100", Array(file[100..<200])).reasonAndState == "ok/receiving")
        #expect(try await bench.ack("t/two/0", file).reasonAndState == "unknown-transfer/-")
        let reply = try await bench.ack("t/one/init", plain)
        #expect(reply.reasonAndState == "ok/receiving" && reply["durable"] == 4_096)
        #expect(try await bench.ack("t/one/4096", Array(file[4_096...])).reasonAndState == "ok/receiving")
        #expect(try await bench.bytes() == file)
    }

    @Test("A second init that says the same in other words is the same, one that says something else is a conflict")
    func secondInit() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", Array("{\"name\":\"x.bin\",\"size\":1e2,\"user_data\":{\"a\":1.0}}".utf8))
        let same = Array("{ \"user_data\": {\"a\": 1}, \"size\": 100, \"name\": \"x.bin\" }".utf8)
        #expect(try await bench.ack("t/one/init", same).reasonAndState == "ok/receiving")
        let more = Array("{\"name\":\"x.bin\",\"size\":100,\"user_data\":{\"a\":1},\"b\":2}".utf8)
        #expect(try await bench.ack("t/one/init", more).reasonAndState == "conflict/receiving")
    }

    @Test("The same init is the same after a restart, whichever way its numbers were written")
    func initAfterRestart() async throws {
        let document = Array("{\"name\":\"x.bin\",\"size\":1e2,\"user_data\":{\"a\":[1.0,0.1,1e300]}}".utf8)
        let folder = try TemporaryFolder("restart")
        do {
            let bench = try IntakeBench(folder: folder)
            _ = try await bench.ack("t/one/init", document)
        }
        let bench = try IntakeBench(folder: folder)
        #expect(try await bench.ack("t/one/init", document).reasonAndState == "ok/receiving")
    }

    @Test("A file of 1000 MB and a segment behind it are refused by name")
    func tooLarge() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", plain)
        #expect(try await bench.ack("t/one/1048576000", [1]).reasonAndState == "too-large/receiving")
        #expect(try await bench.ack("t/one/fin/1048576001").reasonAndState == "too-large/receiving")
        #expect(try await bench.ack("t/one/fin/0").reasonAndState == "bad-metadata/receiving")
        #expect(try await bench.transfer()?.end == nil)
    }

    @Test("A segment that is not what its topic says is not stored, and is to be sent again")
    func segmentChecksum() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", plain)
        let sum = Known.sha256([1, 2, 3]).hex
        #expect(try await bench.ack("t/one/0/\(sum)", [1, 2, 4]).reasonAndState == "checksum-mismatch/receiving")
        #expect(try await bench.transfer()?.received.isEmpty == true)
        #expect(try await bench.ack("t/one/0/\(sum)", [1, 2, 3]).reasonAndState == "ok/receiving")
    }

    @Test("A wrong topic of a transfer is told to its sender, one that names nobody to nobody")
    func badTopics() async throws {
        let bench = try IntakeBench()
        #expect(try await bench.ack("t/one/stop").reasonAndState == "bad-topic/-")
        #expect(try await bench.send([("x/y", [])]).replies.isEmpty)
    }

    // MARK: - Room

    @Test("Two files that fit one by one are not both let in by one batch")
    func overbooking() async throws {
        let bench = try IntakeBench(quota: .mebibytes(10))
        let large = document(["name": "x.bin", "size": 7_000_000])
        let outcome = try await bench.send([("t/one/init", large), ("t/two/init", large)])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["ok/receiving", "no-room/-"])
    }

    @Test("Two messages that fit one by one are not both let in by one batch")
    func overbookingOneShots() async throws {
        let bench = try IntakeBench(quota: .kibibytes(100))
        let outcome = try await bench.send([
            ("put/pumpctl/1", TemporaryFolder.bytes(60_000, seed: 1)),
            ("put/pumpctl/2", TemporaryFolder.bytes(60_000, seed: 2)),
        ])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["ok/receiving", "no-room/failed"])
        #expect(try await bench.used == 60_000)
    }

    @Test("A fin that promises more than there is room for does not open the spool beyond its quota")
    func greedyFin() async throws {
        let bench = try IntakeBench(quota: .kibibytes(64))
        _ = try await bench.ack("t/one/init", plain)
        #expect(try await bench.ack("t/one/fin/900000000").reasonAndState == "no-room/receiving")
        for part in 0..<4 as Range<Int> {
            _ = try await bench.ack("t/one/\(part * 30_000)", TemporaryFolder.bytes(30_000))
        }
        #expect(try await bench.used <= 65_536)
        #expect(try await bench.ack("t/one/fin/60000").reasonAndState == "ok/receiving")
    }

    @Test("A file that no room would be enough for is told so, with the quota")
    func neverFits() async throws {
        let bench = try IntakeBench(quota: .kibibytes(64))
        let refused = try await bench.ack("t/one/init", document(["name": "x.bin", "size": 65_537]))
        #expect(refused.reasonAndState == "no-room/-" && refused["quota"] == 65_536)
        #expect(refused["text"]?.string?.contains("(spool.quota)") == true, "\(refused.text)")
        _ = try await bench.ack("t/two/init", plain)
        let late = try await bench.ack("t/two/fin/65537")
        #expect(late.reasonAndState == "no-room/receiving" && late["quota"] == 65_536, "\(late.text)")
        #expect(try await bench.ack("t/three/init", document(["name": "y.bin", "size": 60_000]))["quota"] == nil)
        let small = try IntakeBench(quota: .kibibytes(32))
        let whole = try await small.send([("put/pumpctl/1", TemporaryFolder.bytes(40_000, seed: 1))])
        #expect(whole.changed.first?.reason?.hint.contains("raise spool.quota") == true)
    }

    @Test("Where there is no room, the answer is no-room with a credit of 0, and what is stored stays")
    func noRoom() async throws {
        let bench = try IntakeBench(quota: .kibibytes(64))
        _ = try await bench.ack("t/one/init", plain)
        _ = try await bench.ack("t/one/0", TemporaryFolder.bytes(60_000))
        let reply = try await bench.ack("t/one/60000", TemporaryFolder.bytes(30_000))
        #expect(reply.reasonAndState == "no-room/receiving" && reply["received"] == 60_000)
        #expect(reply["credit"] == .integer(65_536 - 60_000))
        _ = try await bench.ack("t/one/60000", TemporaryFolder.bytes(5_536))
        let last = try await bench.ack("t/one/65536", [1])
        #expect(last.reasonAndState == "no-room/receiving" && last["credit"] == 0)
        #expect(try await bench.ack("t/two/0", [1]).reasonAndState == "no-room/-")
    }

    @Test("A full disk refuses what needs room, with a credit of 0, and answers the rest")
    func fullDisk() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", plain)
        _ = try await bench.ack("t/one/0", [1, 2, 3])
        for (topic, payload) in [
            ("t/one/3", [4]), ("t/one/fin/3", []), ("t/two/init", plain), ("t/two/0", [1]), ("put/pumpctl/1", [1]),
        ] as [(String, [UInt8])] {
            let reply = try await bench.ack(topic, payload, isFull: true)
            #expect(reply["reason"] == "no-room" && reply["credit"] == 0, "\(topic): \(reply.text)")
        }
        #expect(try await bench.ack("t/one/query", isFull: true).reasonAndState == "ok/receiving")
        #expect(try await bench.transfer()?.received == ByteRanges(0..<3))
        #expect(try await bench.transfer("ci/two") == nil)
    }

    @Test("Segments and their abort in one batch take no room afterwards")
    func abortInBatch() async throws {
        let bench = try IntakeBench()
        _ = try await bench.send([
            ("t/one/init", plain), ("t/one/0", TemporaryFolder.bytes(50_000)), ("t/one/abort", []),
        ])
        while try await bench.spool.transact({ (ledger) throws(SpoolError) in try ledger.reclaimStep() }) {}
        #expect(try await bench.used == 0)
    }

    @Test("The credit is shared by those that are sending, and is never less than a segment")
    func credit() async throws {
        let bench = try IntakeBench(credit: .kibibytes(16))
        let now = WallTime.now()
        for (count, share) in [(1, 16_384), (2, 8_192), (3, 5_461), (4, 4_096)] as [(Int, Int64)] {
            let outcome = try await bench.send([("t/t\(count)/init", plain)], at: now)
            let reply = try #require(outcome.replies.last?.payload)
            #expect(reply["credit"] == .integer(share) && reply["segment"] == 1_024)
        }
        let small = try IntakeBench(credit: .init(rawValue: 100))
        #expect(try await small.ack("t/one/init", plain)["credit"] == 1_024)
        // A transfer that fell silent takes no part.
        let later = try await bench.send([("t/t1/query", [])], at: now + .seconds(60))
        #expect(later.replies.last?.payload["credit"] == 16_384)
    }

    @Test("More open transfers than allowed are refused, and an end makes room for another")
    func tooMany() async throws {
        let bench = try IntakeBench(openTransfersMax: 2)
        _ = try await bench.ack("t/one/init", plain)
        _ = try await bench.ack("t/two/0", [1])
        #expect(try await bench.ack("t/three/init", plain).reasonAndState == "too-many-transfers/-")
        #expect(try await bench.ack("t/three/0", [1]).reasonAndState == "too-many-transfers/-")
        #expect(try await bench.ack("t/two/init", plain).reasonAndState == "ok/receiving")
        _ = try await bench.ack("t/one/abort")
        #expect(try await bench.ack("t/three/init", plain).reasonAndState == "ok/receiving")
    }

    // MARK: - Answers

    @Test("All bytes of a batch get one acknowledgement, and refusals are said besides")
    func oneAcknowledgement() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", plain)
        let outcome = try await bench.send([("t/one/0", [1]), ("t/one/1", [2]), ("t/one/0", [9]), ("t/one/2", [3])])
        #expect(outcome.replies.map { $0.payload["reason"]?.string } == ["conflict"] || outcome.replies.count == 2)
        #expect(outcome.replies.contains { $0.payload["reason"] == "conflict" })
        #expect(outcome.replies.allSatisfy { $0.payload["received"] == 3 })
        let quiet = try await bench.send([("t/one/3", [1]), ("t/one/4", [2])])
        #expect(quiet.replies.map(\.payload.reasonAndState) == ["ok/receiving"])
    }

    @Test("A jump ahead of the order is told at once, with what is missing")
    func gap() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", plain)
        let address = Known.address("ci/one")
        let (rules, now) = (bench.rules, WallTime.now())
        let outcome = try await bench.spool.transact { (ledger) throws(SpoolError) -> IntakeOutcome in
            var intake = IntakeTransaction(ledger: ledger, rules: rules, now: now)
            try intake.apply(Delivery(.segment(address, offset: 0, bytes: [1, 2], isJump: false)))
            try intake.apply(Delivery(.segment(address, offset: 5, bytes: [6], isJump: true)))
            return try intake.finish()
        }
        let reply = try #require(outcome.replies.last?.payload)
        #expect(reply["reason"] == "gap" && reply["missing"] == [[2, 5]])
        let transfer = try #require(try await bench.transfer())
        let events = try await bench.spool.read { (ledger) throws(SpoolError) in
            try ledger.events(of: transfer, limit: 9)
        }
        #expect(events.map(\.kind) == [.state, .gap])
    }

    @Test("A fin that brings the checksum later has its bytes compared with it")
    func laterChecksum() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack(
            "t/one/init",
            document(["name": "x", "checksum": .string(String(repeating: "0", count: 64))])
        )
        _ = try await bench.send([("t/one/0", [1, 2]), ("t/one/fin/2", [])])
        try await bench.change { transfer in
            transfer.verified(
                .init(sha256: Known.sha256([1, 2]), md5: .init(bytes: []), crc64: 0),
                catalog: Known.catalog,
                at: .now()
            )
        }
        #expect(try await bench.ack("t/one/fin/2").reasonAndState == "checksum-mismatch/receiving")
        let outcome = try await bench.send([("t/one/fin/2/\(Known.sha256([1, 2]).hex)", [])])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["ok/receiving"])
        #expect(outcome.arrived.count == 1)
        #expect(try await bench.transfer()?.hasWrongChecksum == false)
        #expect(try await bench.ack("t/one/fin/2/\(Known.sha256([1]).hex)").reasonAndState == "conflict/receiving")
    }

    @Test("After abort the same id begins anew with other contents")
    func anew() async throws {
        let bench = try IntakeBench()
        _ = try await bench.send([("t/one/init", plain), ("t/one/0", [1, 2, 3])])
        let outcome = try await bench.send([
            ("t/one/abort", []), ("t/one/init", document(["name": "y.bin"])), ("t/one/0", [9]),
        ])
        #expect(outcome.removed == [Known.address("ci/one")])
        #expect(try await bench.bytes() == [9])
        #expect(try await bench.transfer()?.request?.name == "y.bin")
    }

    // MARK: - One message

    @Test("One message is stored whole under the beginning of its SHA-256, and its repeat changes nothing")
    func oneShot() async throws {
        let bench = try IntakeBench()
        let file = TemporaryFolder.bytes(3_000)
        let id = Known.sha256(file).hex.prefix(16)
        let reply = try await bench.ack("put/pumpctl/1.4.2/pumpctl.bin", file)
        #expect(
            reply.reasonAndState == "ok/receiving" && reply["id"] == .string(String(id)) && reply["durable"] == 3_000
        )
        #expect(try await bench.bytes("ci/\(id)") == file)
        let transfer = try #require(try await bench.transfer("ci/\(id)"))
        #expect(transfer.firmware.product == Known.name("pumpctl") && transfer.firmware.version == Known.name("1.4.2"))
        #expect(transfer.isComplete && transfer.expectedSHA256 == Known.sha256(file) && transfer.door == .oneShot)

        #expect(try await bench.ack("put/pumpctl/1.4.2/pumpctl.bin", file).reasonAndState == "ok/receiving")
        #expect(try await bench.ack("put/pumpctl/9/pumpctl.bin", file).reasonAndState == "conflict/receiving")
        #expect(try await bench.ack("put/pumpctl", file).reasonAndState == "bad-topic/receiving")
        #expect(try await bench.transfer("ci/\(id)")?.key == transfer.key)
        try await bench.change("ci/\(id)") { transfer in
            transfer.verified(
                .init(sha256: Known.sha256(file), md5: .init(bytes: []), crc64: 0),
                catalog: Known.catalog,
                at: .now()
            )
        }
        #expect(try await bench.ack("put/pumpctl/1.4.2/pumpctl.bin", file).reasonAndState == "ok/stored")
    }

    @Test("Firmware that waits for its digest takes no place among the open transfers, and no credit from others")
    func manyOneShots() async throws {
        let bench = try IntakeBench(openTransfersMax: 2)
        let now = WallTime.now()
        _ = try await bench.send([("t/one/0", [1])], at: now)
        let messages = (1...20).map {
            ("put/pumpctl/1.\($0)/pumpctl.bin", TemporaryFolder.bytes(100, seed: UInt64($0)))
        }
        let replies = try await bench.send(messages, at: now).replies.map(\.payload.reasonAndState)
        #expect(replies == [String](repeating: "ok/receiving", count: 20))
        let other = try await bench.send([("t/two/0", [1])], at: now).replies.last?.payload
        #expect(other?["credit"]?.integer == 4 << 20)
        #expect(try await bench.ack("t/three/0", [1])["reason"] == "too-many-transfers")
    }

    @Test(
        "A message that is refused leaves failed with its reason, and may come again",
        arguments: [
            ("put/pumpctl/1", 70_000, "too-large"), ("put/other/1", 10, "unknown-product"),
            ("put/pumpctl/1/x.exe", 10, "bad-suffix"),
            ("put/pumpctl/1", 0, "bad-metadata"),
        ]
    )
    func refusedOneShot(topic: String, count: Int, reason: String) async throws {
        let bench = try IntakeBench()
        let file = TemporaryFolder.bytes(count)
        for _ in 0..<2 {
            let outcome = try await bench.send([(topic, file)])
            #expect(outcome.replies.map(\.payload.reasonAndState) == ["\(reason)/failed"])
            #expect(outcome.changed.map(\.state) == [.failed])
            #expect(outcome.changed.first?.reason?.code.rawValue == reason)
        }
        #expect(try await bench.used == 0)
    }

    @Test(
        "A version with a suffix of its own needs no file name",
        arguments: ["1.4.2", "1.4.2-rc.a", "2.0.beta", "1.zip", "1.0.exe"]
    )
    func oneShotWithoutName(version: String) async throws {
        let bench = try IntakeBench()
        #expect(try await bench.ack("put/pumpctl/\(version)", [1, 2, 3]).reasonAndState == "ok/receiving")
    }

    @Test("A version that is registered with other bytes is refused, with the same bytes it is not")
    func versionExists() async throws {
        let bench = try IntakeBench()
        let firmware: JSONValue = ["product": "pumpctl", "version": "1"]
        _ = try await bench.send([
            ("t/old/init", document(["name": "x.bin", "firmware": firmware])), ("t/old/0", [1]), ("t/old/fin/1", []),
        ])
        try await bench.change("ci/old") { transfer in
            transfer.verified(
                .init(sha256: Known.sha256([1]), md5: .init(bytes: []), crc64: 0),
                catalog: Known.catalog,
                at: .now()
            )
            _ = transfer.attemptBegan(at: .now())
            transfer.ticketReceived(at: .now())
            transfer.uploadFinished(firmwareURL: "https://u", serverTime: .now(), at: .now())
            transfer.firmwareRegistered(id: "f", requestID: nil, at: .now())
        }
        func code(_ id: String, _ firmware: JSONValue, _ bytes: [UInt8]) async throws -> String {
            let request: JSONValue = [
                "name": "x.bin", "checksum": .string(Known.sha256(bytes).hex), "firmware": firmware,
            ]
            return try await bench.ack("t/\(id)/init", request.encoded).reasonAndState
        }
        #expect(try await code("a", firmware, [2]) == "version-exists/-")
        #expect(try await code("b", firmware, [1]) == "ok/receiving")
        #expect(try await code("c", ["product": "pumpctl", "version": "2"], [2]) == "ok/receiving")
        #expect(try await code("d", ["product": "pumpctl", "version": "1", "module": "other"], [2]) == "ok/receiving")
        #expect(
            try await code("e", ["product": "pumpctl", "version": "1", "type": "delta", "source_version": "0"], [2])
                == "ok/receiving"
        )
        // Names are unique in the cloud, and those that the template makes are the same for all of these.
        var names: [String] = []
        for id in ["ci/b", "ci/d", "ci/e"] {
            let firmware = try await bench.transfer(id)?.firmware
            names.append(firmware.flatMap { CloudFirmware($0, catalog: Known.catalog) }?.name ?? "")
        }
        #expect(names[0] == "pumpctl-1" && Set(names).count == 3, "\(names)")
        #expect(names.dropFirst().allSatisfy { $0.hasPrefix("pumpctl-1-") }, "\(names)")
        let given: JSONValue = ["product": "pumpctl", "version": "3", "name": "pumpctl-1"]
        #expect(try await code("f", given, [2]) == "bad-metadata/-")
        let shot = try await bench.ack("put/pumpctl/1/x.bin", [2])
        #expect(shot.reasonAndState == "version-exists/failed")
    }

    @Test(
        "A version that is registered is the same under the product's key and with its default module named",
        arguments: [
            ["product": "a1B2c3D4e5F", "version": "1"], ["product": "pumpctl", "version": "1", "module": "default"],
        ] as [JSONValue]
    )
    func versionExistsByOtherName(firmware: JSONValue) async throws {
        let bench = try IntakeBench()
        _ = try await bench.send([("put/pumpctl/1/x.bin", [1])])
        try await bench.change("ci/\(Known.sha256([1]).hex.prefix(16))") { transfer in
            transfer.verified(
                .init(sha256: Known.sha256([1]), md5: .init(bytes: []), crc64: 0),
                catalog: Known.catalog,
                at: .now()
            )
            _ = transfer.attemptBegan(at: .now())
            transfer.ticketReceived(at: .now())
            transfer.uploadFinished(firmwareURL: "https://u", serverTime: .now(), at: .now())
            transfer.firmwareRegistered(id: "f", requestID: nil, at: .now())
        }
        let request: JSONValue = ["name": "x.bin", "checksum": .string(Known.sha256([2]).hex), "firmware": firmware]
        #expect(try await bench.ack("t/one/init", request.encoded).reasonAndState == "version-exists/-")
    }

    @Test("Product and version are found by the rule for the name of the file, where init does not say them")
    func rules() async throws {
        let bench = try IntakeBench()
        _ = try await bench.ack("t/one/init", document(["name": "ruled-x.bin"]))
        #expect(try await bench.transfer()?.firmware.version == Known.name("7"))
        _ = try await bench.ack("t/two/init", document(["name": "ruled-x.bin", "firmware": ["version": "8"]]))
        let two = try await bench.transfer("ci/two")
        #expect(two?.firmware.version == Known.name("8") && two?.firmware.product == Known.name("pumpctl"))
    }
}
