import FerryCore
import Spool
import TestSupport
import Testing

@testable import Agent

private let plain = JSONValue.object(["name": "x.bin"]).encoded

@Suite("Small files are verified with their last byte")
struct VerificationTests {
    @Test(
        "A small file is compared in the transaction of its last byte, and its sender is told at once what came of it"
    )
    func verifiedAtOnce() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        let file = TemporaryFolder.bytes(9_000)
        let request = JSONValue.object(["name": "x.bin", "firmware": ["product": "pumpctl", "version": "1"]]).encoded
        _ = try await bench.ack("t/one/init", request)
        _ = try await bench.ack("t/one/0", Array(file[..<4_000]))
        let fin = "t/one/fin/9000/\(Known.sha256(file).hex)"
        let outcome = try await bench.send([("t/one/4000", Array(file[4_000...])), (fin, [])])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["ok/stored"])
        #expect(outcome.changed.map(\.state) == [.receiving, .stored] && outcome.arrived.isEmpty)
        #expect(try await bench.transfer()?.digests?.sha256 == Known.sha256(file))
        #expect(try await bench.bytes() == file)
        #expect(try await bench.ack(fin).reasonAndState == "ok/stored")
    }

    @Test("A small file with a wrong checksum is refused at once, and the right one is taken afterwards")
    func refusedAtOnce() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        let file = TemporaryFolder.bytes(900)
        let wrong = String(repeating: "0", count: 64)
        _ = try await bench.ack("t/one/init", plain)
        let outcome = try await bench.send([("t/one/0", file), ("t/one/fin/900/\(wrong)", [])])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["checksum-mismatch/receiving"])
        #expect(try await bench.ack("t/one/abort").reasonAndState == "ok/-")
        let again = try await bench.send([
            ("t/one/init", plain), ("t/one/0", file), ("t/one/fin/900/\(Known.sha256(file).hex)", []),
        ])
        #expect(again.replies.last?.payload.reasonAndState == "ok/held")
    }

    @Test("Only so much is compared at once; the rest is left to the digester")
    func verifiedLater() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        let file = TemporaryFolder.bytes((2 << 20) + 1)
        _ = try await bench.ack("t/one/init", plain)
        let outcome = try await bench.send([("t/one/0", file), ("t/one/fin/\(file.count)", [])])
        #expect(outcome.replies.map(\.payload.reasonAndState) == ["ok/receiving"])
        #expect(outcome.arrived.count == 1 && outcome.concluded.isEmpty)
    }

    @Test("A full disk ends no delivery")
    func notVerifiedWhenFull() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        let file = TemporaryFolder.bytes(900)
        _ = try await bench.ack("t/one/init", plain)
        _ = try await bench.ack("t/one/0", file)
        let answer = try await bench.ack("t/one/fin/900", isFull: true)
        #expect(answer.reasonAndState == "no-room/receiving")
    }

    @Test("Other bytes of a registered version are held before anything is uploaded, also where no checksum came first")
    func versionExists() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        let request = JSONValue.object(["name": "x.bin", "firmware": ["product": "pumpctl", "version": "1"]]).encoded
        _ = try await bench.send([("t/one/init", request), ("t/one/0", [1, 2, 3]), ("t/one/fin/3", [])])
        try await bench.change { transfer in
            _ = transfer.attemptBegan(at: .now())
            transfer.ticketReceived(at: .now())
            transfer.uploadFinished(firmwareURL: "https://u", serverTime: .now(), at: .now())
            transfer.firmwareRegistered(id: "f", requestID: nil, at: .now())
        }
        _ = try await bench.send([("t/two/init", request), ("t/two/0", [4, 5, 6]), ("t/two/fin/3", [])])
        let held = try await bench.transfer("ci/two")
        #expect(held?.state == .held && held?.reason?.code == .versionExists)
        _ = try await bench.send([("t/three/init", request), ("t/three/0", [1, 2, 3]), ("t/three/fin/3", [])])
        #expect(try await bench.transfer("ci/three")?.state == .stored)
    }

    @Test("A file that comes after its package is registered without it fails, and does not wait for others")
    func lateFile() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        func send(_ id: String, _ name: String, _ bytes: [UInt8], package: String = "p") async throws -> String? {
            let firmware: JSONValue = [
                "product": "pumpctl", "version": "1", "package": ["id": .string(package), "files": 2],
            ]
            let request = JSONValue.object(["name": .string(name), "firmware": firmware]).encoded
            let outcome = try await bench.send([
                ("t/\(id)/init", request), ("t/\(id)/0", bytes), ("t/\(id)/fin/3", []),
            ])
            return outcome.replies.last?.payload.reasonAndState
        }
        #expect(try await send("one", "a.bin", [1, 2, 3]) == "ok/stored")
        #expect(try await send("two", "b.bin", [4, 5, 6]) == "ok/stored")
        for address in ["ci/one", "ci/two"] {
            try await bench.change(address) { transfer in
                _ = transfer.attemptBegan(at: .now())
                transfer.ticketReceived(at: .now())
                transfer.uploadFinished(firmwareURL: "https://u", serverTime: .now(), at: .now())
                transfer.firmwareRegistered(id: "f", requestID: nil, at: .now())
            }
        }
        #expect(try await send("three", "c.bin", [7, 8, 9]) == "version-exists/failed")
        let late = try await bench.transfer("ci/three")
        #expect(late?.reason?.code == .versionExists && late?.reason?.kind == .permanent && late?.hasBytes == false)
        #expect(late?.reason?.hint.contains("new version") == true)
        // The registered files themselves may come again, as another package.
        #expect(try await send("four", "a.bin", [1, 2, 3], package: "q") == "ok/stored")
        #expect(try await bench.transfer("ci/four")?.reason?.code == .packageIncomplete)
        #expect(try await send("five", "b.bin", [7, 8, 9], package: "q") == "version-exists/failed")
        #expect(try await bench.transfer("ci/four")?.reason?.text == "The package has 1 of its 2 files")
    }
}
