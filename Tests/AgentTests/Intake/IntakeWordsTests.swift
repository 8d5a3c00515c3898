import FerryCore
import TestSupport
import Testing

@testable import Agent

@Suite("What acknowledgements say in words")
struct IntakeWordsTests {
    private static let plain = JSONValue.object(["name": "x.bin"]).encoded

    @Test("A sender that may read no states learns from its acknowledgements why its firmware waits")
    func whyItWaits() async throws {
        let bench = try IntakeBench(verifiesAtOnce: true)
        let file = TemporaryFolder.bytes(100)
        _ = try await bench.send([("t/one/init", Self.plain), ("t/one/0", file)])
        let held = try await bench.ack("t/one/fin/100")
        #expect(held.reasonAndState == "ok/held" && held["text"]?.string?.contains("not known") == true, "\(held)")
        #expect(try await bench.ack("t/one/query")["text"] == held["text"])

        bench.board.paused(true)
        let other = TemporaryFolder.bytes(100, seed: 2)
        let firmware: JSONValue = ["name": "y.bin", "firmware": ["product": "pumpctl", "version": "7"]]
        _ = try await bench.send([("t/two/init", firmware.encoded), ("t/two/0", other)])
        let stored = try await bench.ack("t/two/fin/100")
        #expect(stored.reasonAndState == "ok/stored" && stored["text"]?.string?.contains("paused") == true, "\(stored)")
        bench.board.paused(false)
        #expect(try await bench.ack("t/two/query")["text"] == "")
    }

    @Test("A conflict names the bytes that came, some of which differ")
    func conflictRange() async throws {
        let bench = try IntakeBench()
        let file = TemporaryFolder.bytes(1_100)
        _ = try await bench.send([
            ("t/one/init", Self.plain), ("t/one/0", Array(file[0..<600])), ("t/one/950", Array(file[950...])),
        ])
        var wrong = Array(file[800..<1_000])
        wrong[199] ^= 1
        let reply = try await bench.ack("t/one/800", wrong)
        #expect(reply.reasonAndState == "conflict/receiving", "\(reply)")
        #expect(reply["text"]?.string?.hasPrefix("Bytes from 800 to 1000 ") == true, "\(reply)")
        #expect(reply["missing"] == [[600, 950]])
    }
}
