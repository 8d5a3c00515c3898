import FerryCore
import Testing

private let hash = String(repeating: "0a", count: 32)

@Suite("The document of init")
struct TransferRequestTests {
    private static func problem(_ text: String) -> FirmwareMetadata.Problem? {
        do throws(FirmwareMetadata.Problem) {
            _ = try TransferRequest(payload: Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test("Every member is read")
    func everything() throws {
        let text = """
            { "name": "pumpctl-1.4.2.bin", "size": 10485760, "checksum": "\(hash)", "expire_at": 1790000000,
              "segments_ttl": 86400, "user_data": {}, "future": [1],
              "firmware": {
                "product": "pumpctl", "version": "1.4.2", "name": "pumpctl-1_4_2", "module": "default", "type": "delta",
                "source_version": "1.4.1", "description": "d", "verify": true, "custom": {"a": 1},
                "sign_method": "sha256",
                "priority": -7, "signature": "s", "package": {"id": "spring", "files": 3}, "future": 1 } }
            """
        let request = try TransferRequest(payload: Array(text.utf8))
        #expect(request.name == "pumpctl-1.4.2.bin")
        #expect(request.size == 10_485_760)
        #expect(request.checksum == Known.digest(0x0a))
        #expect(request.expireAt == WallTime(milliseconds: 1_790_000_000_000))
        #expect(request.segmentsTTL == .seconds(86_400))
        #expect(request.document["future"] == [1])
        let firmware = request.firmware
        #expect(firmware.product?.text == "pumpctl" && firmware.version?.text == "1.4.2")
        #expect(firmware.name == "pumpctl-1_4_2" && firmware.module?.text == "default")
        #expect(firmware.kind == .delta && firmware.sourceVersion?.text == "1.4.1")
        #expect(firmware.description == "d" && firmware.needsVerification == true && firmware.custom == "{\"a\":1}")
        #expect(firmware.signMethod == .sha256 && firmware.priority == -7 && firmware.signature == "s")
        #expect(firmware.package?.id == Known.name("spring") && firmware.package?.files == 3)
    }

    @Test("The name alone suffices, and null is the same as nothing")
    func least() throws {
        for text in [
            "{\"name\":\"x\"}",
            "{\"name\":\"x\",\"size\":null,\"checksum\":null,\"firmware\":null}",
            "{\"name\":\"x\",\"expire_at\":null,\"segments_ttl\":null}",
            "{\"name\":\"x\",\"firmware\":{\"product\":null,\"verify\":null,\"custom\":{},\"description\":\"\"}}",
        ] {
            let request = try TransferRequest(payload: Array(text.utf8))
            #expect(request.size == nil && request.checksum == nil && request.segmentsTTL == nil)
            #expect(request.firmware == FirmwareMetadata())
        }
    }

    @Test(
        "Wrong members are refused as bad-metadata, with a sentence that names them",
        arguments: [
            ("[]", "object"), ("", "JSON"), ("{", "JSON"), ("{}", "name"), ("{\"name\":7}", "name"),
            ("{\"name\":\"\"}", "name"),
            ("{\"name\":\"a/b\"}", "name"), ("{\"name\":\"x\",\"size\":-1}", "size"),
            ("{\"name\":\"x\",\"size\":\"7\"}", "size"),
            ("{\"name\":\"x\",\"size\":1.5}", "size"), ("{\"name\":\"x\",\"checksum\":\"abc\"}", "checksum"),
            ("{\"name\":\"x\",\"checksum\":7}", "checksum"), ("{\"name\":\"x\",\"expire_at\":\"soon\"}", "expire_at"),
            ("{\"name\":\"x\",\"expire_at\":-1}", "expire_at"),
            ("{\"name\":\"x\",\"expire_at\":9223372036854775807}", "expire_at"),
            ("{\"name\":\"x\",\"segments_ttl\":0}", "segments_ttl"),
            ("{\"name\":\"x\",\"segments_ttl\":\"1h\"}", "segments_ttl"),
            ("{\"name\":\"x\",\"firmware\":[]}", "firmware"), ("{\"name\":\"x\",\"firmware\":\"y\"}", "firmware"),
        ]
    )
    func refuses(text: String, word: String) throws {
        let problem = try #require(Self.problem(text))
        #expect(problem.code == .badMetadata)
        #expect(problem.text.contains(word), "\(problem.text)")
    }

    @Test("segments_ttl is kept between 5 minutes and 30 days")
    func ttl() {
        for (given, kept) in [
            (1, 300), (300, 300), (3_600, 3_600), (2_592_000, 2_592_000), (99_999_999, 2_592_000), (.max, 2_592_000),
        ] as [(Int64, Int64)] {
            #expect(Known.request(["name": "x", "segments_ttl": .integer(given)]).segmentsTTL == .seconds(kept))
        }
    }

    @Test("A document over 64 KiB is refused")
    func tooLong() {
        let filler = String(repeating: "x", count: 64 << 10)
        #expect(Self.problem("{\"name\":\"x\",\"user_data\":\"\(filler)\"}")?.text.contains("larger") == true)
    }

    @Test("EMQX's clients give metadata in user_data, and may lose the zeros of a checksum")
    func fileTransfer() throws {
        let short = hash.dropFirst()
        let text = """
            {"name":"x.bin","checksum":"\(short)","user_data":{
            "client_id":"c1","product":"pumpctl","version":"2","priority":3}}
            """
        let request = try TransferRequest(fileTransferPayload: Array(text.utf8), fileID: "für Pumpe 7")
        #expect(request.checksum == Known.digest(0x0a))
        #expect(request.clientID == "c1" && request.fileID == "für Pumpe 7")
        let same = try TransferRequest(fileTransferPayload: Array(text.utf8), fileID: "für Pumpe 7")
        #expect(request.saysTheSame(as: same))
        #expect(request.firmware.product?.text == "pumpctl" && request.firmware.priority == 3)
        let plain = try TransferRequest(
            fileTransferPayload: Array("{\"name\":\"x\",\"user_data\":{\"description\":7}}".utf8),
            fileID: "f"
        )
        #expect(plain.firmware == FirmwareMetadata())
        let bare = Array("{\"name\":\"x\"}".utf8)
        // The same through another door says the same.
        #expect(try TransferRequest(fileTransferPayload: bare, fileID: "f").saysTheSame(as: .init(payload: bare)))
        #expect(throws: FirmwareMetadata.Problem.self) {
            try TransferRequest(fileTransferPayload: Array("[]".utf8), fileID: "f")
        }
    }
}

@Suite("Metadata of a firmware")
struct FirmwareMetadataTests {
    @Test(
        "Wrong members are refused by name",
        arguments: [
            ["product": "a b"], ["product": 7], ["version": "1/2"],
            ["version": .string(String(repeating: "1", count: 65))],
            ["name": "1.4"], ["name": "-x"], ["name": .string(String(repeating: "x", count: 41))], ["module": "a b"],
            ["type": "half"], ["type": true], ["type": "delta"],
            ["type": "delta", "source_version": "1", "version": "1"],
            ["source_version": "a b"], ["description": 7], ["description": .string(String(repeating: "x", count: 101))],
            ["verify": "yes"], ["verify": 1], ["custom": .string(String(repeating: "x", count: 4_097))],
            ["sign_method": "SHA1"],
            ["priority": 101], ["priority": -101], ["priority": .double(1.5)], ["priority": "1"], ["signature": 7],
            ["package": "x"],
            ["package": ["id": "x"]], ["package": ["id": "x", "files": 0]], ["package": ["id": "x", "files": 21]],
            ["package": ["id": "a b", "files": 2]],
        ] as [JSONValue]
    )
    func refuses(document: JSONValue) {
        #expect(throws: FirmwareMetadata.Problem.self) { try FirmwareMetadata(json: document) }
    }

    @Test(
        "The limits themselves are fine, and so are members that nobody knows",
        arguments: [
            ["description": .string(String(repeating: "固", count: 100))],
            ["custom": .string(String(repeating: "x", count: 4_096))],
            ["priority": 100], ["priority": -100], ["priority": .double(10)], ["sign_method": "md5"],
            ["unknown": ["x": 1]],
            ["package": ["id": "x", "files": 20]], ["package": ["id": "x", "files": 1]],
            ["type": "full", "source_version": "1"],
            ["version": .string(String(repeating: "1", count: 64))], ["product": ""],
        ] as [JSONValue]
    )
    func accepts(document: JSONValue) throws { _ = try FirmwareMetadata(json: document) }

    @Test("Characters that the cloud counts more than once are counted so before the bytes are sent")
    func countsAsTheCloud() {
        // One character for Swift, eleven units for the cloud.
        let family = "👨‍👩‍👧‍👦"
        #expect(throws: FirmwareMetadata.Problem.self) {
            try FirmwareMetadata(json: ["description": .string(String(repeating: family, count: 100))])
        }
        #expect(throws: FirmwareMetadata.Problem.self) {
            try FirmwareMetadata(json: ["description": .string(String(repeating: "\r\n", count: 51))])
        }
        #expect(throws: FirmwareMetadata.Problem.self) {
            try FirmwareMetadata(json: ["custom": .string(String(repeating: family, count: 4_000))])
        }
    }

    private static let rich: JSONValue = [
        "product": "pumpctl", "version": "1.4.2", "name": "pump", "module": "mcu", "type": "delta",
        "source_version": "1.4.1",
        "description": "d", "verify": false, "custom": ["a": [1, "x"]], "sign_method": "SHA256", "priority": 5,
        "signature": "sig", "package": ["id": "spring", "files": 2],
    ]

    @Test(
        "What the spool keeps is read back as the same",
        arguments: [[:], rich, ["custom": "plain"], ["custom": "{}"]] as [JSONValue]
    )
    func stored(document: JSONValue) {
        let metadata = Known.metadata(document)
        #expect(FirmwareMetadata(storedText: metadata.storedText) == metadata)
    }

    @Test("Other texts are no metadata", arguments: ["", "[]", "{\"priority\":999}"])
    func storedGarbage(text: String) { #expect(FirmwareMetadata(storedText: text) == nil) }

    @Test("describe changes the members that it names and no others, and null takes one away")
    func corrections() throws {
        let metadata = Known.metadata(Self.rich)
        var expected = metadata
        expected.version = Known.name("2")
        expected.description = nil
        expected.priority = 0
        #expect(
            try metadata.corrected(by: ["version": "2", "description": nil, "priority": nil, "unknown": 1]) == expected
        )
        #expect(try metadata.corrected(by: [:]) == metadata)
        let full = try metadata.corrected(by: [
            "type": nil, "sign_method": nil, "package": nil, "custom": nil, "verify": nil,
        ])
        #expect(full.kind == .full && full.signMethod == .md5 && full.package == nil && full.custom == nil)
    }

    @Test(
        "A correction that leaves something wrong is refused",
        arguments: [["source_version": nil], ["version": "1.4.1"], ["name": "1.4"], "x", [1], nil] as [JSONValue]
    )
    func wrongCorrections(changes: JSONValue) {
        #expect(throws: FirmwareMetadata.Problem.self) { try Known.metadata(Self.rich).corrected(by: changes) }
    }
}

@Suite("Products")
struct ProductCatalogTests {
    private let open = ProductCatalog(entries: [], acceptsAnyKey: true)

    @Test("A product is found by alias and by key")
    func finds() {
        #expect(Known.catalog.entry(for: Known.name("pumpctl"))?.productKey == "a1B2c3D4e5F")
        #expect(Known.catalog.entry(for: Known.name("a1B2c3D4e5F"))?.alias == Known.name("pumpctl"))
        #expect(Known.catalog.entry(for: Known.name("PUMPCTL")) == nil)
        #expect(Known.catalog.entry(for: Known.name("otherProductKey")) == nil)
    }

    @Test(
        "Any product key counts only where the configuration allows it, and has 8 to 32 letters and digits",
        arguments: [
            ("abcd1234", true), (String(repeating: "x", count: 32), true), ("abc1234", false),
            (String(repeating: "x", count: 33), false), ("abcd-1234", false),
        ]
    )
    func anyKey(text: String, isOne: Bool) {
        #expect((open.entry(for: Known.name(text)) != nil) == isOne)
        #expect(Known.catalog.entry(for: Known.name(text)) == nil)
    }

    @Test("Defaults fill in what the sender did not say")
    func defaults() throws {
        let firmware = try #require(
            CloudFirmware(Known.metadata(["product": "pumpctl", "version": "1.4.2"]), catalog: Known.catalog)
        )
        #expect(firmware.productKey == "a1B2c3D4e5F" && firmware.module == "mcu" && firmware.version == "1.4.2")
        #expect(firmware.name == "pumpctl-1_4_2-mcu")
        #expect(!firmware.isDelta && firmware.signMethod == .md5 && firmware.description == nil)
        let other = try #require(CloudFirmware(Known.metadata(["product": "abcd1234", "version": "1"]), catalog: open))
        #expect(other.name == "abcd1234-1" && other.module == "default")
        let named = try #require(
            CloudFirmware(
                Known.metadata(["product": "pumpctl", "version": "1", "name": "x", "module": "m"]),
                catalog: Known.catalog
            )
        )
        #expect(named.name == "x" && named.module == "m")
    }

    @Test("Without product, version or entry there is no firmware for the cloud")
    func incomplete() {
        for document in [[:], ["product": "pumpctl"], ["version": "1"], ["product": "unknown", "version": "1"]]
            as [JSONValue]
        {
            #expect(CloudFirmware(Known.metadata(document), catalog: Known.catalog) == nil)
        }
    }
}

@Suite("Admission")
struct AdmissionTests {
    private static let admission = Admission(catalog: Known.catalog, openTransfersMax: 3)

    private static func code(_ document: JSONValue, open: Int = 0, room: Int64 = 1 << 40, registered: Digest? = nil)
        -> ReasonCode?
    {
        admission.refusal(
            of: Known.request(document),
            facts: .init(openTransfers: open, room: room, registeredVersions: registered.map { [$0] } ?? [])
        )?.code
    }

    @Test("What nothing speaks against comes in")
    func admits() {
        #expect(Self.code(["name": "x"]) == nil)
        #expect(
            Self.code(
                ["name": "x.bin", "size": 1_048_576_000, "firmware": ["product": "pumpctl"]],
                open: 2,
                room: 1_048_576_000
            ) == nil
        )
        #expect(Self.code(["name": "x", "checksum": .string(hash)], registered: Known.digest(0x0a)) == nil)
        #expect(Self.code(["name": "x"], room: 0) == nil)
        #expect(Self.code(["name": "x"], registered: Known.digest(1)) == nil)
    }

    /// Each document with facts that speak against it in one way, in the order in which they are told.
    private static let against: [(member: String, value: JSONValue, code: ReasonCode)] = [
        ("size", 1_048_576_001, .tooLarge), ("name", "x.exe", .badSuffix), ("product", "other", .unknownProduct),
        ("checksum", .string(hash), .versionExists), ("open", true, .tooManyTransfers), ("room", true, .noRoom),
    ]

    @Test("Of several refusals the first in order is told", arguments: 0..<6)
    func order(first: Int) {
        var members: [String: JSONValue] = ["name": "x.bin", "size": 10]
        var open = 0
        var room: Int64 = 1 << 40
        for (member, value, _) in Self.against[first...] {
            switch member {
            case "open": open = 3
            case "room": room = 9
            case "product": members["firmware"] = ["product": value]
            default: members[member] = value
            }
        }
        let code = Self.code(.object(members), open: open, room: room, registered: Known.digest(1))
        #expect(code == Self.against[first].code)
    }

    @Test("A version of several files is not told by the digest of one of them")
    func versionOfSeveral() {
        func refusal(_ registered: Set<Digest>) -> Admission.Refusal? {
            let request = Known.request([
                "name": "x", "size": 9, "checksum": .string(Known.digest(7).hex),
                "firmware": ["product": "pumpctl", "version": "1"],
            ])
            let facts = Admission.Facts(openTransfers: 0, room: 1_000, registeredVersions: registered)
            return Self.admission.refusal(of: request, facts: facts)
        }
        #expect(refusal([Known.digest(1)])?.text.contains(Known.digest(1).hex) == true)
        let several = refusal([Known.digest(1), Known.digest(2)])
        #expect(several?.code == .versionExists && several?.text.contains("2 files") == true, "\(several?.text ?? "")")
        #expect(refusal([Known.digest(1), Known.digest(7)]) == nil)
    }

    @Test("A file that is a little too large is seen to be larger than the room")
    func littleRoom() {
        func text(room: Int64, quota: Int64) -> String? {
            let facts = Admission.Facts(openTransfers: 0, room: room, quota: quota, registeredVersions: [])
            return Self.admission.refusal(of: Known.request(["name": "x", "size": 60_000_000]), facts: facts)?.text
        }
        let close = "The file has 60000000 bytes, the spool has room for 59999997"
        #expect(text(room: 59_999_997, quota: 1 << 40) == close)
        #expect(text(room: 4_000_000, quota: 1 << 40) == "The file has 60.0 MB, the spool has room for 4.0 MB")
        #expect(text(room: 0, quota: 59_999_999)?.contains("59999999 (spool.quota)") == true)
    }

    @Test("A refusal for want of room tells whether the quota or the disk is the limit, and whether waiting helps")
    func limit() {
        func refusal(_ size: Int64, room: Int64, capacity: Int64) -> Admission.Refusal? {
            let facts = Admission.Facts(
                openTransfers: 0,
                room: room,
                quota: 100_000_000,
                capacity: capacity,
                registeredVersions: []
            )
            return Self.admission.refusal(of: Known.request(["name": "x", "size": .integer(size)]), facts: facts)
        }
        let disk = refusal(8_000_000, room: 6_800_000, capacity: 6_800_000)
        #expect(
            disk?.text == "The file has 8.0 MB, the disk of the gateway has room for 6.8 MB without spool.reserve"
        )
        #expect(disk?.code == .noRoom && disk?.remedy.hasPrefix("Waiting does not help") == true)
        // What is in the spool makes room when it leaves.
        let full = refusal(8_000_000, room: 1_000_000, capacity: 9_000_000)
        #expect(full?.text == "The file has 8.0 MB, the spool has room for 1.0 MB on its disk")
        #expect(full?.remedy.hasPrefix("The spool of the gateway is full until") == true)
        #expect(refusal(8_000_000, room: 8_000_000, capacity: 8_000_000) == nil)
        let quota = refusal(8_000_000, room: 1_000_000, capacity: 100_000_000)
        #expect(quota?.text == "The file has 8.0 MB, the spool has room for 1.0 MB")
    }

    @Test("An empty file is refused: the cloud takes none")
    func empty() { #expect(Self.code(["name": "x", "size": 0]) == .badMetadata) }
}
