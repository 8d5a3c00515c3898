import Broker
import Crypto
import FerryCore
import Logging
import Spool
import Synchronization
import TestSupport
import Testing

@testable import Agent

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

extension IntakeBench {
    /// Runs a digester over the spool for as long as `body` does.
    fileprivate func digesting(
        rest: Duration = .milliseconds(100),
        _ body: (Digester) async throws -> Void
    ) async throws {
        let digester = try Digester(
            spool: spool,
            verification: Verification(herald: herald, signatures: nil),
            logger: quiet,
            rest: rest,
            isStored: {}
        )
        let work = Task { await digester.run() }
        do { try await body(digester) } catch {
            work.cancel()
            await work.value
            digester.close()
            throw error
        }
        work.cancel()
        await work.value
        digester.close()
    }

    fileprivate func state(_ text: String = "ci/one") async throws -> TransferState? { try await transfer(text)?.state }
}

@Suite("The digests of files")
struct DigesterTests {
    private static let file = TemporaryFolder.bytes(2_500_000, seed: 9)

    @Test("They are those of the file, whatever order its bytes came in, and its sender is told")
    func digests() async throws {
        let bench = try IntakeBench()
        try await bench.digesting { digester in
            _ = try await bench.ack(
                "t/one/init",
                Array("{\"name\":\"x\",\"firmware\":{\"product\":\"pumpctl\",\"version\":\"1\"}}".utf8)
            )
            for start in [1_500_000, 0, 500_000, 2_000_000, 1_000_000] {
                let part = Array(Self.file[start..<(start + 500_000)])
                let outcome = try await bench.send([("t/one/\(start)", part)])
                digester.bytesArrived(outcome.arrived)
            }
            let outcome = try await bench.send([("t/one/fin/2500000/\(Known.sha256(Self.file).hex)", [])])
            digester.bytesArrived(outcome.arrived)
            try await eventually { try await bench.state() == .stored }
        }
        let transfer = try #require(try await bench.transfer())
        var crc64 = CRC64()
        crc64.update(Self.file)
        #expect(transfer.digests?.sha256 == Known.sha256(Self.file))
        #expect(transfer.digests?.md5.bytes == Array(Insecure.MD5.hash(data: Self.file)))
        #expect(transfer.digests?.crc64 == crc64.value)
        #expect(bench.mailbox.payloads(on: "otaferry/v1/gw/out/ci/one/ack").last?.reasonAndState == "ok/stored")
        #expect(bench.mailbox.payloads(on: "otaferry/v1/gw/state/ci/one").last?["state"] == "stored")
    }

    @Test("They are those of the official SDKs")
    func vectors() async throws {
        let vectors = try Vectors.checksums().filter { !$0.bytes.isEmpty }
        #expect(vectors.count > 10)
        let bench = try IntakeBench(openTransfersMax: 32)
        try await bench.digesting { digester in
            for vector in vectors {
                let bytes = vector.bytes
                let text = "{\"name\":\"x\",\"firmware\":{\"product\":\"pumpctl\",\"version\":\"\(vector.id)\"}}"
                let outcome = try await bench.send([
                    ("t/\(vector.id)/init", Array(text.utf8)), ("t/\(vector.id)/0", bytes),
                    ("t/\(vector.id)/fin/\(bytes.count)/\(vector.sha256Hex)", []),
                ])
                digester.bytesArrived(outcome.arrived)
                try await eventually("\(vector.id)") { try await bench.state("ci/\(vector.id)") == .stored }
                let digests = try #require(try await bench.transfer("ci/\(vector.id)")?.digests)
                #expect(digests.md5.hex == vector.md5Hex && digests.sha256.hex == vector.sha256Hex, "\(vector.id)")
                #expect(String(digests.crc64) == vector.crc64Decimal, "\(vector.id)")
            }
        }
    }

    @Test("The end of a file is verified at once, also when bytes came just before it")
    func endAfterBytes() async throws {
        let bench = try IntakeBench()
        // So long that only the end itself can bring it on.
        try await bench.digesting(rest: .seconds(3_600)) { digester in
            let outcome = try await bench.send([("t/one/init", Array("{\"name\":\"x\"}".utf8)), ("t/one/0", [1, 2])])
            digester.bytesArrived(outcome.arrived)
            let other = try await bench.send([
                ("t/two/init", Array("{\"name\":\"x\"}".utf8)), ("t/two/0", [1]), ("t/two/fin/1", []),
            ])
            digester.bytesArrived(other.arrived)
            // When this is stored, the first has been looked at and left for later.
            try await eventually { try await bench.state("ci/two") == .held }
            let end = try await bench.send([("t/one/fin/2", [])])
            digester.bytesArrived(end.arrived)
            try await eventually { try await bench.state() == .held }
        }
    }

    @Test("After a restart in the middle they are those of the whole file")
    func restart() async throws {
        let folder = try TemporaryFolder("digest-restart")
        do {
            let bench = try IntakeBench(folder: folder)
            try await bench.digesting { digester in
                _ = try await bench.ack("t/one/init", Array("{\"name\":\"x\"}".utf8))
                let outcome = try await bench.send([("t/one/0", Array(Self.file[..<1_200_000]))])
                digester.bytesArrived(outcome.arrived)
            }
        }
        let bench = try IntakeBench(folder: folder)
        try await bench.digesting { digester in
            let outcome = try await bench.send([
                ("t/one/1200000", Array(Self.file[1_200_000...])), ("t/one/fin/2500000", []),
            ])
            digester.bytesArrived(outcome.arrived)
            try await eventually { try await bench.state() == .held }
        }
        #expect(try await bench.transfer()?.digests?.sha256 == Known.sha256(Self.file))
    }

    @Test("A file that is not the announced one is never stored, and a fin with the right checksum mends it")
    func wrongChecksum() async throws {
        let bench = try IntakeBench()
        try await bench.digesting { digester in
            let wrong = String(repeating: "1", count: 64)
            let outcome = try await bench.send([
                ("t/one/init", Array("{\"name\":\"x\",\"checksum\":\"\(wrong)\"}".utf8)), ("t/one/0", [1, 2, 3]),
                ("t/one/fin/3", []),
            ])
            digester.bytesArrived(outcome.arrived)
            let topic = "otaferry/v1/gw/out/ci/one/ack"
            try await eventually {
                bench.mailbox.payloads(on: topic).last?.reasonAndState == "checksum-mismatch/receiving"
            }
            #expect(try await bench.state() == .receiving)
            // Nothing is hashed again without a reason.
            digester.bytesArrived(outcome.arrived)
            let again = try await bench.send([("t/one/fin/3/\(Known.sha256([1, 2, 3]).hex)", [])])
            digester.bytesArrived(again.arrived)
            try await eventually { try await bench.state() == .held }
            #expect(
                bench.mailbox.payloads(on: topic).map(\.reasonAndState) == ["checksum-mismatch/receiving", "ok/held"]
            )
        }
    }

    @Test("EMQX's fin is answered when the digest is compared", arguments: [true, false])
    func fileTransfer(isRight: Bool) async throws {
        let bench = try IntakeBench()
        try await bench.digesting { digester in
            let sum = Known.sha256(isRight ? [7] : [8]).hex
            let outcome = try await bench.send([
                ("$file/one/init", Array("{\"name\":\"x\",\"user_data\":{\"client_id\":\"c\"}}".utf8)),
                ("$file/one/0", [7]),
                ("$file/one/fin/1/\(sum)", []),
            ])
            #expect(outcome.fileEnds.count == 1)
            bench.herald.tell(outcome)
            digester.bytesArrived(outcome.arrived)
            try await eventually { bench.mailbox.payloads(on: "$file-response/c").count == 3 }
            let answer = try #require(bench.mailbox.payloads(on: "$file-response/c").last)
            #expect(answer["reason_code"] == (isRight ? 0 : 128))
            #expect(answer["topic"]?.string?.hasPrefix("$file/one/fin/1/") == true)
        }
    }

    @Test("A transfer that is gone when its turn comes harms nobody")
    func gone() async throws {
        let bench = try IntakeBench()
        try await bench.digesting { digester in
            let outcome = try await bench.send([("t/one/init", Array("{\"name\":\"x\"}".utf8)), ("t/one/0", [1])])
            _ = try await bench.ack("t/one/abort")
            digester.bytesArrived(outcome.arrived.union([4_711]))
            let other = try await bench.send([
                ("t/two/init", Array("{\"name\":\"x\"}".utf8)), ("t/two/0", [1]), ("t/two/fin/1", []),
            ])
            digester.bytesArrived(other.arrived)
            try await eventually { try await bench.state("ci/two") == .held }
        }
    }
}
