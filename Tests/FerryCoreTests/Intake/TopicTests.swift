import FerryCore
import TestSupport
import Testing

private let hash = String(repeating: "0a", count: 32)

private let steps: [(text: String, step: IntakeTopic.Step)] = [
    ("init", .initialize),
    ("0", .segment(offset: 0, checksum: nil)),
    ("786432", .segment(offset: 786_432, checksum: nil)),
    ("1048576000", .segment(offset: 1_048_576_000, checksum: nil)),
    ("42/\(hash)", .segment(offset: 42, checksum: Known.digest(0x0a))),
    ("42/\(hash.dropFirst())", .segment(offset: 42, checksum: Known.digest(0x0a))),
    ("fin/0", .finish(size: 0, checksum: nil)),
    ("fin/10485760", .finish(size: 10_485_760, checksum: nil)),
    ("fin/7/\(hash)", .finish(size: 7, checksum: Known.digest(0x0a))),
    ("abort", .abort),
    ("query", .query),
]

private let wrongSteps = [
    "", "Init", "init/x", "init/", "abort/", "query/now", "fin", "fin/", "fin/x", "fin/-1", "fin/1/", "fin/1/zz",
    "fin/1/\(hash)/x", "fin/1/\(hash)0", "-1", "+1", "1.5", "0x10", "1e3", " 1", "1 ", "٣", "1/", "1/xyz",
    "1/\(hash)/1",
    "9223372036854775807", "9223372036854775808", "999999999999999", "1/2/3/4", "stop",
]

@Suite("Topics of senders")
struct IntakeTopicTests {
    /// The topic as its sender has to write it.
    private static func print(_ topic: IntakeTopic) -> String {
        func sum(_ digest: Digest?) -> String { digest.map { "/\($0.hex)" } ?? "" }
        switch topic {
        case .oneShot(let sender, let product, let version, let name):
            return "\(sender)/put/\(product)/\(version)" + (name.map { "/\($0)" } ?? "")
        case .step(let address, let step):
            let start = "\(address.sender)/t/\(address.id)/"
            switch step {
            case .initialize: return start + "init"
            case .segment(let offset, let checksum): return start + "\(offset)" + sum(checksum)
            case .finish(let size, let checksum): return start + "fin/\(size)" + sum(checksum)
            case .abort: return start + "abort"
            case .query: return start + "query"
            }
        }
    }

    @Test("Each step of a delivery in segments has its topic", arguments: steps)
    func accepts(text: String, step: IntakeTopic.Step) throws {
        #expect(try IntakeTopic(levels: Known.levels("ci/t/one/\(text)")) == .step(Known.address, step))
    }

    @Test("A wrong step is refused with a sentence, and its sender can be told", arguments: wrongSteps)
    func refuses(text: String) {
        let refusal = #expect(throws: IntakeTopic.Refusal.self) {
            try IntakeTopic(levels: Known.levels("ci/t/one/\(text)"))
        }
        #expect(refusal?.address == Known.address)
        #expect(refusal?.text.isEmpty == false)
    }

    @Test("One message needs product and version, and may have a file name")
    func oneShot() throws {
        let (sender, product) = (Known.name("ci"), Known.name("pumpctl"))
        let version = Known.name("1.4.2")
        #expect(
            try IntakeTopic(levels: Known.levels("ci/put/pumpctl/1.4.2"))
                == .oneShot(sender: sender, product: product, version: version, fileName: nil)
        )
        #expect(
            try IntakeTopic(levels: Known.levels("ci/put/pumpctl/1.4.2/a b.bin"))
                == .oneShot(sender: sender, product: product, version: version, fileName: "a b.bin")
        )
    }

    @Test(
        "What names nobody who can be told is refused without an address",
        arguments: [
            "", "/", "ci", "ci/", "ci/x", "ci/t", "ci/t/", "ci/t/a b/init", "ci/t//init", "a b/t/one/init", "ci/put",
            "ci/put/p", "ci/put/p/", "ci/put//1", "ci/put/p/1/", "ci/put/p/1/..", "ci/put/p/1/a:b", "ci/put/p/1/a/b",
            "/t/one/init",
            "ci/T/one/init", "ci/t/+/init",
        ]
    )
    func refusesWithoutAddress(text: String) {
        let refusal = #expect(throws: IntakeTopic.Refusal.self) { try IntakeTopic(levels: Known.levels(text)) }
        #expect(refusal != nil && refusal?.address == nil)
        #expect(refusal?.text.isEmpty == false)
    }

    @Test("Whatever a topic holds, it is refused or is printed back as the same", arguments: 0..<500 as Range<UInt64>)
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let words = [
            "ci", "put", "t", "one", "init", "fin", "abort", "query", "0", "17", hash, "", "a.bin", "\u{301}", "é",
            "..",
            "99999999999999999999", "-1", "007",
        ]
        let levels = (0..<Int.random(in: 0...7, using: &generator)).map { index in
            let fixed: String? =
                Int.random(in: 0..<4, using: &generator) == 0 ? nil : ["ci", seed % 2 == 0 ? "t" : "put"][safe: index]
            return Substring(fixed ?? words[Int.random(in: 0..<words.count, using: &generator)])
        }
        guard let topic = try? IntakeTopic(levels: levels) else { return }
        #expect(try IntakeTopic(levels: Known.levels(Self.print(topic))) == topic)
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}

@Suite("Topics of a gateway")
struct GatewayTopicsTests {
    private let topics = GatewayTopics(gateway: Known.name("gw1"))

    @Test("They are those of the contract")
    func names() {
        #expect(topics.acknowledgement(Known.address) == "otaferry/v1/gw1/out/ci/one/ack")
        #expect(topics.state(Known.address) == "otaferry/v1/gw1/state/ci/one")
        #expect(topics.progress(Known.address) == "otaferry/v1/gw1/progress/ci/one")
        #expect(topics.event(Known.address) == "otaferry/v1/gw1/event/ci/one")
        #expect(topics.status == "otaferry/v1/gw1/status")
        #expect(topics.intakeFilter == "otaferry/v1/gw1/in/#")
        #expect(topics.commandFilter == "otaferry/v1/gw1/cmd/#")
        #expect(topics.result("r1") == "otaferry/v1/gw1/res/r1")
    }

    @Test(
        "Only topics that carry bytes of a file are segments",
        arguments: [
            ("otaferry/v1/gw1/in/ci/t/one/0", true), ("otaferry/v1/gw1/in/ci/t/one/17/ab01", true),
            ("otaferry/v1/gw1/in/ci/t/fin/12", true), ("$file/7/1024", true), ("$file-async/a b/0/aa", true),
            ("otaferry/v1/gw1/in/ci/t/one/init", false), ("otaferry/v1/gw1/in/ci/t/one/fin/12", false),
            ("otaferry/v1/gw1/in/ci/t/one/fin/12/ab", false), ("otaferry/v1/gw1/in/ci/put/p/1", false),
            ("otaferry/v1/gw2/in/ci/t/one/0", false), ("$file/7/fin/1024", false), ("$file/7/init", false), ("", false),
        ]
    )
    func segments(topic: String, isSegment: Bool) throws {
        let topics = try GatewayTopics(gateway: #require(Name("gw1")))
        #expect(topics.isSegment(topic) == isSegment)
    }

    @Test("A topic is taken apart into its levels, empty ones too")
    func levels() {
        #expect(topics.intakeLevels("otaferry/v1/gw1/in/ci/t//init") == ["ci", "t", "", "init"])
        #expect(topics.intakeLevels("otaferry/v1/gw2/in/ci/t/one/init") == nil)
        #expect(topics.intakeLevels("otaferry/v1/gw1/in") == nil)
        #expect(topics.intakeLevels("") == nil)
        #expect(topics.verb("otaferry/v1/gw1/cmd/list") == "list")
        #expect(topics.verb("otaferry/v1/gw1/cmd/list/x") == nil)
        #expect(topics.verb("otaferry/v1/gw1/in/list") == nil)
    }

    @Test("A user whose name begins with a combining character does not speak for another sender")
    func combiningSender() {
        // Swift's characters join the slash and the accent; the broker, which checks the rights, does not.
        #expect(topics.intakeLevels("otaferry/v1/gw1/in/\u{301}ci/t/one/init")?.first != "ci")
        #expect(topics.intakeLevels("otaferry/v1/gw1/in/\u{301}ci/t/one/init")?.count == 4)
        #expect(topics.verb("otaferry/v1/gw1/cmd/\u{301}list") != "list")
    }
}

@Suite("Topics of EMQX's file transfer")
struct FileTransferTopicTests {
    @Test("Both beginnings take every step but query", arguments: ["$file", "$file-async"])
    func accepts(beginning: String) throws {
        for (text, step) in steps where step != .query {
            let topic = try FileTransferTopic(topic: "\(beginning)/my file/\(text)")
            #expect(topic.fileID == "my file")
            #expect(topic.step == step)
        }
        #expect(throws: FileTransferTopic.Refusal.self) { try FileTransferTopic(topic: "\(beginning)/id/query") }
    }

    @Test("A wrong step is refused and its transfer is named", arguments: wrongSteps)
    func refuses(text: String) {
        let refusal = #expect(throws: FileTransferTopic.Refusal.self) {
            try FileTransferTopic(topic: "$file/id/\(text)")
        }
        #expect(refusal?.fileID == "id")
    }

    @Test("The file id is one level of 1 to 255 bytes")
    func ids() throws {
        let longest = String(repeating: "ü", count: 127) + "x"
        #expect(try FileTransferTopic(topic: "$file/\(longest)/init").fileID == longest)
        for id in ["", longest + "y"] {
            #expect(throws: FileTransferTopic.Refusal.self) { try FileTransferTopic(topic: "$file/\(id)/init") }
        }
    }

    @Test("An id that begins with a combining character is an id", arguments: ["\u{301}x", "\u{20dd}", "\u{fe0f}"])
    func combiningID(id: String) throws {
        let topic = "$file/\(id)/init"
        #expect(FileTransferTopic.isOne(topic))
        #expect(try FileTransferTopic(topic: topic).fileID.unicodeScalars.elementsEqual(id.unicodeScalars))
    }

    @Test(
        "Other topics are not meant for this door",
        arguments: ["", "$file", "$filex/a", "file/a", "$SYS/x", "x/$file/a/init"]
    )
    func others(topic: String) { #expect(!FileTransferTopic.isOne(topic)) }

    @Test(
        "Each reason of ours has its code of EMQX's",
        arguments: [
            (.ok, 0), (.gap, 0), (.incomplete, 128), (.checksumMismatch, 128), (.unknownTransfer, 128), (.noRoom, 151),
            (.tooManyTransfers, 151), (.conflict, 131), (.tooLarge, 131), (.badTopic, 131), (.badMetadata, 131),
            (.unknownProduct, 131), (.badSuffix, 131), (.versionExists, 131), (.expired, 131), (.notAllowed, 131),
        ] as [(ReasonCode, Int64)]
    )
    func results(reason: ReasonCode, code: Int64) {
        #expect(FileTransferResult(reason: reason, text: "why").reasonCode == code)
    }

    @Test("The answer has the members that EMQX's clients read")
    func payload() {
        #expect(
            FileTransferResult.success.payload(topic: "$file/x/init", packetID: 0)
                == [
                    "vsn": "0.1", "topic": "$file/x/init", "packet_id": 0, "reason_code": 0,
                    "reason_description": "success",
                ]
        )
    }
}
