import Broker
import FerryCore
import Spool
import TestSupport
import Testing

@testable import Agent

private func message(_ topic: String, _ payload: String = "", reply: String? = nil, correlation: [UInt8]? = nil)
    -> InboundMessage
{
    var properties = MessageProperties()
    properties.responseTopic = reply
    properties.correlationData = correlation
    return InboundMessage(topic: topic, payload: Array(payload.utf8), properties: properties)
}

private func code(_ message: OutboundMessage?) -> Int64? {
    message.flatMap { try? JSONValue(parsing: $0.payload) }?["reason_code"]?.integer
}

@Suite("EMQX's file transfer")
struct FileTransferIntakeTests {
    @Test("An abort is answered to the client that init named, and an answer that may not go where it is asked for too")
    func answers() async throws {
        let bench = try IntakeBench()
        let outcome = try await bench.send([
            message("$file/one/init", #"{"name":"x","user_data":{"client_id":"c1"}}"#),
            message("$file/one/0", "abc", reply: "otaferry/v1/gw/res/q"),
            message("$file/one/3", "def", reply: "otaferry/v1/gw/cmd/cancel"), message("$file/one/abort"),
        ])
        #expect(outcome.fileAnswers.map(code) == [0, 0, 0, 0])
        #expect(
            outcome.fileAnswers.map(\.topic)
                == ["$file-response/c1", "otaferry/v1/gw/res/q", "$file-response/c1", "$file-response/c1"]
        )
    }

    @Test("A client whose name no answer can have is not kept in mind")
    func clientThatCannotBeAnswered() {
        func named(_ client: String) -> String? {
            let payload = "{\"name\":\"x\",\"user_data\":{\"client_id\":\"\(client)\"}}"
            return FileCommand(message("$file/one/init", payload), Known.topics).namedClient
        }
        #expect(named("c1") == "c1")
        #expect(named(String(repeating: "c", count: 5_000)) == nil)
        #expect(named("a/#") == nil)
    }

    @Test("A client waits for room, and gives up where no room would do")
    func room() async throws {
        let bench = try IntakeBench(quota: .kibibytes(64))
        func initialize(_ id: String, _ size: Int) -> InboundMessage {
            message("$file/\(id)/init", "{\"name\":\"x\",\"size\":\(size),\"user_data\":{\"client_id\":\"c\"}}")
        }
        let outcome = try await bench.send([
            initialize("one", 60_000), initialize("two", 60_000), initialize("three", 65_537),
            message("$file/one/fin/65537"), message("$file/three/0", "abc", reply: "r"),
            message("$file/three/fin/65537", reply: "r"),
        ])
        #expect(outcome.fileAnswers.map(code) == [0, 151, 131, 131, 131, 131])
    }

    @Test("A whole delivery as EMQX's clients do it is answered step by step")
    func delivery() async throws {
        let bench = try IntakeBench()
        let sum = Known.sha256(Array("abcdef".utf8)).hex
        let outcome = try await bench.send([
            message(
                "$file/one/init",
                "{\"name\":\"x\",\"user_data\":{\"client_id\":\"c1\",\"product\":\"pumpctl\",\"version\":\"3\"}}"
            ),
            message("$file/one/0", "abc", reply: "r", correlation: [7]),
            message("$file-async/one/3/\(Known.sha256(Array("def".utf8)).hex)", "def"),
            message("$file/one/6", ""),
            message("$file/one/fin/6/\(sum)"),
        ])
        #expect(outcome.fileAnswers.map(code) == [0, 0, 0, 0])
        #expect(
            outcome.fileAnswers.map(\.topic) == ["$file-response/c1", "r", "$file-response/c1", "$file-response/c1"]
        )
        #expect(outcome.fileAnswers[1].correlationData == [7])
        // fin is answered once the digest is compared.
        #expect(outcome.fileEnds.map(\.command.topic) == ["$file/one/fin/6/\(sum)"])
        let transfer = try #require(try await bench.transfer("emqx/one"))
        #expect(transfer.isComplete && transfer.door == .fileTransfer)
        #expect(transfer.firmware.version == Known.name("3") && transfer.expectedSHA256?.hex == sum)
    }

    @Test(
        "Every refusal has its code",
        arguments: [
            ("$file/one/fin/9", "", 128), ("$file/one/0", "zzz", 131), ("$file/one/init", "{\"name\":\"other\"}", 131),
            ("$file/one/stop", "", 131), ("$file/two/init", "{", 131),
            ("$file/two/init", "{\"name\":\"x\",\"size\":99000000}", 131),
            ("$file/two/init", "{\"name\":\"x\",\"expire_at\":1}", 131),
            ("$file/two/fin/6", "", 128), ("$file/one/0/\(String(repeating: "1", count: 64))", "abc", 128),
            ("$file/one/abort", "", 0),
        ]
    )
    func refusals(topic: String, payload: String, expected: Int64) async throws {
        let bench = try IntakeBench()
        _ = try await bench.send([message("$file/one/init", "{\"name\":\"x\"}"), message("$file/one/0", "abc")])
        let outcome = try await bench.send([message(topic, payload, reply: "answers")])
        #expect(outcome.fileAnswers.count == 1)
        #expect(code(outcome.fileAnswers.first) == expected)
        #expect(outcome.fileAnswers.first?.topic == "answers")
    }

    @Test(
        "A client that goes on after its init was refused hears that with each step, and leaves nothing behind",
        arguments: [
            (#"{"name":"a/b.bin"}"#, 131), (#"{"name":"x","checksum":"deadbeef"}"#, 131),
            (#"{"name":"x","size":99000000}"#, 131), ("{", 131),
        ]
    )
    func refusedInit(payload: String, expected: Int64) async throws {
        let bench = try IntakeBench()
        let outcome = try await bench.send([
            message("$file/one/init", payload, reply: "r"), message("$file/one/0", "abc", reply: "r"),
            message("$file/one/fin/3", reply: "r"),
        ])
        #expect(outcome.fileAnswers.map(code) == [expected, expected, expected])
        #expect(try await bench.transfer("emqx/one") == nil)
        #expect(outcome.storedBytes == 0 && outcome.changed.isEmpty)
        // A better init begins, and so does whoever gives up and sends its segments first.
        let better = message("$file/one/init", #"{"name":"x"}"#, reply: "r")
        let later = try await bench.send([better, message("$file/one/0", "abc", reply: "r")])
        #expect(later.fileAnswers.map(code) == [0, 0])
        let first = try await bench.send([
            message("$file/two/init", "{", reply: "r"), message("$file/two/abort", reply: "r"),
            message("$file/two/0", "abc", reply: "r"),
        ])
        #expect(first.fileAnswers.map(code) == [131, 0, 0])
        #expect(try await bench.transfer("emqx/two")?.received.count == 3)
    }

    @Test("What is said of a refused init is forgotten after a minute")
    func refusalsEnd() {
        let refused = RefusedInits()
        let now = ContinuousClock.now
        let address = Known.address("emqx/one")
        refused.note(address, .badMetadata, "No JSON", at: now)
        #expect(refused.refusal(of: address, at: now + .seconds(59))?.1 == "init was refused: No JSON")
        #expect(refused.refusal(of: address, at: now + .seconds(60)) == nil)
        #expect(refused.refusal(of: address, at: now) == nil)
    }

    @Test("A refusal is renewed also where no other would be remembered")
    func refusalsAreRenewed() {
        let refused = RefusedInits()
        let now = ContinuousClock.now
        let addresses = (0..<1_025).map { Known.address("emqx/f\($0)") }
        for address in addresses { refused.note(address, .badMetadata, "No JSON", at: now) }
        #expect(refused.refusal(of: addresses[1_024], at: now) == nil)
        refused.note(addresses[0], .noRoom, "Full", at: now + .seconds(50))
        #expect(refused.refusal(of: addresses[0], at: now + .seconds(70))?.1 == "init was refused: Full")
    }

    @Test("A fin without a size is refused with what it lacks, at either door")
    func finWithoutSize() async throws {
        let bench = try IntakeBench()
        let outcome = try await bench.send([
            message("$file/one/init", #"{"name":"x","size":3}"#), message("$file/one/0", "abc"),
            message("$file/one/fin", reply: "r"), message("otaferry/v1/gw/in/ci/t/one/fin"),
        ])
        let text = outcome.fileAnswers.first.flatMap { try? JSONValue(parsing: $0.payload) }?["reason_description"]?
            .string
        #expect(text == "bad-topic: fin needs the size of the file: fin/<size>")
        #expect(outcome.replies.map { $0.payload["text"]?.string ?? "" }.filter { $0.contains("fin needs") }.count == 2)
        #expect(try await bench.transfer("emqx/one")?.state == .receiving)
    }

    @Test(
        "Whoever cannot be answered is not, and nobody is answered on a wildcard",
        arguments: [nil, "", "a/#", "+"] as [String?]
    )
    func unanswerable(reply: String?) async throws {
        let bench = try IntakeBench()
        let outcome = try await bench.send([message("$file/one/init", "{\"name\":\"x\"}", reply: reply)])
        #expect(outcome.fileAnswers.isEmpty)
        #expect(outcome.replies.count == 1)
    }

    @Test(
        "An id that is no name is called by the beginning of its SHA-256",
        arguments: ["my file", "é", "\u{301}x", "a:b", "..%2f", String(repeating: "x", count: 65), "😀"]
    )
    func nastyIDs(id: String) async throws {
        let bench = try IntakeBench()
        _ = try await bench.send([message("$file/\(id)/init", "{\"name\":\"x\"}")])
        let name = Known.sha256(Array(id.utf8)).hex.prefix(16)
        #expect(try await bench.transfer("emqx/\(name)")?.state == .receiving)
        let plain = try await bench.send([message("$file/v1.2_x-/init", "{\"name\":\"x\"}")])
        #expect(plain.replies.first?.address == Known.address("emqx/v1.2_x-"))
    }

    @Test("A checksum that lost its leading zeros counts")
    func lostZeros() async throws {
        // SHA-256 of this number begins with a zero digit.
        let bytes = try #require((0..<500).map { Array("\($0)".utf8) }.first { Known.sha256($0).hex.hasPrefix("0") })
        let short = String(Known.sha256(bytes).hex.drop { $0 == "0" })
        let bench = try IntakeBench()
        let text = String(decoding: bytes, as: UTF8.self)
        let outcome = try await bench.send([
            message("$file/one/init", "{\"name\":\"x\",\"checksum\":\"\(short)\"}", reply: "r"),
            message("$file/one/0/\(short)", text, reply: "r"),
            message("$file/one/fin/\(bytes.count)/\(short)", reply: "r"),
        ])
        #expect(outcome.fileAnswers.map(code) == [0, 0])
        #expect(outcome.fileEnds.count == 1)
    }

    @Test("Without product and version it is stored and waits for describe")
    func needsMetadata() async throws {
        let bench = try IntakeBench()
        _ = try await bench.send([
            message("$file/one/init", "{\"name\":\"x\"}"), message("$file/one/0", "abc"), message("$file/one/fin/3"),
        ])
        try await bench.change("emqx/one") { transfer in
            transfer.verified(
                .init(sha256: Known.sha256([1]), md5: .init(bytes: []), crc64: 0),
                catalog: Known.catalog,
                at: .now()
            )
        }
        let transfer = try await bench.transfer("emqx/one")
        #expect(transfer?.state == .held && transfer?.reason?.code == .needsMetadata)
    }
}

/// A watch that an expectation can ask.
private final class Watch {
    private var watch = SequenceWatch()

    func isJump(_ address: TransferAddress, offset: Int64, count: Int) -> Bool {
        watch.isJump(address, offset: offset, count: count)
    }
    func forget(_ address: TransferAddress) { watch.forget(address) }
}

@Suite("The watch over the order of segments")
struct SequenceWatchTests {
    private static let one = Known.address("ci/one")

    @Test(
        "Only a jump ahead of a sender that had been sending in order is one",
        arguments: [
            ([(0, 10), (10, 10), (30, 10)], [false, false, true]), ([(0, 10), (20, 10)], [false, false]),
            ([(0, 10), (10, 10), (0, 10), (50, 10)], [false, false, false, false]),
            ([(0, 10), (10, 10), (20, 0), (30, 10)], [false, false, false, true]),
            ([(0, 10), (10, 10), (30, 10), (40, 10), (60, 1)], [false, false, true, false, true]),
            ([(30, 10), (20, 10), (10, 10)], [false, false, false]),
        ] as [([(Int64, Int)], [Bool])]
    )
    func jumps(segments: [(Int64, Int)], expected: [Bool]) {
        let watch = Watch()
        let jumps = segments.map { watch.isJump(Self.one, offset: $0.0, count: $0.1) }
        #expect(jumps == expected)
    }

    @Test("Transfers do not disturb each other, and a forgotten one begins anew")
    func separate() {
        let watch = Watch()
        let two = Known.address("ci/two")
        for offset in [0, 10] as [Int64] {
            #expect(!watch.isJump(Self.one, offset: offset, count: 10))
            #expect(!watch.isJump(two, offset: offset, count: 10))
        }
        watch.forget(Self.one)
        #expect(!watch.isJump(Self.one, offset: 90, count: 10))
        #expect(watch.isJump(two, offset: 90, count: 10))
    }

    @Test("It stays small whoever sends")
    func bounded() {
        let watch = Watch()
        for number in 0..<5_000 { _ = watch.isJump(Known.address("ci/t\(number)"), offset: 0, count: 1) }
        #expect(!watch.isJump(Self.one, offset: 0, count: 1))
    }
}
