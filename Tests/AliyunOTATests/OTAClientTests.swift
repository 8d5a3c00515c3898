import FerryCore
import FoundationEssentials
import Synchronization
import Testing

@testable import AliyunOTA

/// Keys that are always there.
struct FixedCredentials: CredentialSource {
    func credentials() async throws(CloudError) -> Credentials {
        Credentials(accessKeyID: "fakeKeyId", secret: Secret("fakeSecret"), securityToken: Secret("fakeToken+/="))
    }
}

/// A client whose cloud is a scripted peer.
struct Bench {
    let client: OTAClient
    let clock: ServerClock

    init(endpoint: String, stall: Duration = .seconds(20), change: (inout CloudSettings) -> Void = { _ in }) {
        var settings = CloudSettings(region: "cn-shanghai", link: LinkSettings(proxy: "", version: "0"))
        settings.endpoint = endpoint
        settings.stallTimeout = stall
        change(&settings)
        clock = ServerClock()
        client = OTAClient(
            settings: settings,
            credentials: FixedCredentials(),
            http: HTTPClient(link: settings.link),
            clock: clock
        )
    }

    static func ticket(
        host: String,
        key: String = "ota/fake/x.bin",
        conditions: String = #"["starts-with","$key","ota/"],["content-length-range",1,1048576000]"#,
        expiresIn: Duration = .seconds(60)
    ) throws -> Ticket {
        let policy = #"{"expiration":"\#((WallTime.now() + expiresIn).iso8601)","conditions":[\#(conditions)]}"#
        let data: JSONValue = [
            "Key": .string(key), "Host": .string(host), "Policy": .string(Data(policy.utf8).base64EncodedString()),
            "OSSAccessKeyId": "ossKey", "Signature": "ossSignature+/=", "ObjectStorage": "OSS",
            "FirmwareUrl": .string("\(host)/\(key)"), "UtcCreate": "2026-01-01T00:00:00.000Z",
        ]
        return try Ticket(data: data, requestID: "r", receivedAt: .now())
    }

    static func failure<T>(_ call: () async throws(CloudError) -> T) async -> CloudError? {
        do throws(CloudError) {
            _ = try await call()
            return nil
        } catch {
            return error
        }
    }

    /// Pieces of `size` bytes, all 7.
    static func body(_ size: Int, piece: Int = 100_000) -> BodySource {
        let given = Counter()
        return BodySource(next: {
            let count = min(piece, size - Int(given.value))
            given.add(Int64(count))
            return count > 0 ? [UInt8](repeating: 7, count: count) : nil
        })
    }
}

@Suite("OTA client: calls", .timeLimit(.minutes(5)))
struct OTAClientCallTests {
    private static func peer(_ answers: (Int, String)..., headers: [String] = []) throws -> ScriptedPeer {
        let next = Counter()
        return try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                let (status, body) = answers[min(Int(next.add()) - 1, answers.count - 1)]
                connection.answer(status, headers: headers, body: body)
            }
        }
    }

    private static func ticketAnswer() throws -> String {
        let ticket = try Bench.ticket(host: "https://iotx-ota.oss-cn-shanghai.aliyuncs.com")
        let data: JSONValue = [
            "Key": .string(ticket.key), "Host": .string(ticket.host), "Policy": .string(ticket.policyText.text),
            "OSSAccessKeyId": "ossKey", "Signature": "s", "FirmwareUrl": .string(ticket.firmwareURL),
        ]
        return JSONValue.object(["RequestId": "r-1", "Success": true, "Data": data]).text
    }

    @Test("A ticket is asked for with a signed POST and read")
    func ticket() async throws {
        let peer = try Self.peer((200, try Self.ticketAnswer()))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url) { $0.instanceID = "iot-cn-x" }
        let ticket = try await bench.client.requestTicket(suffix: "tar.gz")
        #expect(ticket.key == "ota/fake/x.bin")
        #expect(ticket.requestID == "r-1")
        #expect(ticket.policy.size == 1...1_048_576_000)
        #expect(ticket.remaining(at: .now()) > .seconds(50))
        let request = try #require(peer.requests.first)
        #expect(request.method == "POST")
        #expect(request.query["Action"] == "GenerateOTAUploadURL")
        #expect(request.query["FileSuffix"] == "tar.gz")
        #expect(request.query["IotInstanceId"] == "iot-cn-x")
        #expect(request.query["Format"] == "JSON")
        #expect(request.query["SecurityToken"] == "fakeToken%2B%2F%3D")
        #expect(request.query["Signature"]?.hasSuffix("%3D") == true)
    }

    @Test("With signature V3 the public parameters are headers")
    func versionThree() async throws {
        let peer = try Self.peer((200, try Self.ticketAnswer()))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url) { $0.signature = .v3 }
        _ = try await bench.client.requestTicket(suffix: "bin")
        let request = try #require(peer.requests.first)
        #expect(request.target == "/?FileSuffix=bin")
        #expect(request.headers["x-acs-action"] == "GenerateOTAUploadURL")
        #expect(request.headers["host"] == "127.0.0.1:\(peer.port)")
        #expect(
            request.headers["authorization"]?.hasPrefix("ACS3-HMAC-SHA256 Credential=fakeKeyId,SignedHeaders=host;")
                == true
        )
    }

    @Test(
        "HTTP 200 is no success without Success",
        arguments: [
            (
                #"{"RequestId":"r","Success":false,"Code":"iot.system.SystemException","ErrorMessage":"later"}"#,
                ReasonCode.cloudBusy
            ),
            (#"{"RequestId":"r","Success":true,"Data":{"Key":"k"}}"#, .cloudRefused),
            (#"{"RequestId":"r","Success":true}"#, .cloudRefused), ("<html>login</html>", .cloudUnreachable),
            ("", .cloudUnreachable), (#"{"RequestId":"#, .cloudUnreachable),
        ]
    )
    func inBand(body: String, code: ReasonCode) async throws {
        let peer = try Self.peer((200, body))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = try #require(
            await Bench.failure { () async throws(CloudError) in
                try await bench.client.requestTicket(suffix: "bin")
            }
        )
        #expect(error.reason.code == code)
        #expect(error.reason.kind == .retry)
        #expect(peer.requests.count == 1)
    }

    @Test("Throttling in a 400 keeps its code, its request id and the wait in milliseconds")
    func throttled() async throws {
        let body =
            #"{"RequestId":"r-9","Code":"Throttling.User","Message":"Request was denied due to user flow control."}"#
        let peer = try Self.peer((400, body), headers: ["x-acs-retry-after: 2500"])
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = try #require(
            await Bench.failure { () async throws(CloudError) in
                try await bench.client.listFirmware()
            }
        )
        #expect(error.operation == .list)
        #expect(error.reason.code == .cloudThrottled)
        #expect(error.reason.cloudCode == "Throttling.User")
        #expect(error.requestID == "r-9")
        #expect(error.httpStatus == 400)
        #expect(error.disposition == .retry(floor: .milliseconds(2_500)))
    }

    @Test("A call refused for its time is repeated once at once with the server's time and a new nonce")
    func clockSkew() async throws {
        let next = Counter()
        let good = try Self.ticketAnswer()
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                let isFirst = next.add() == 1
                connection.answer(
                    isFirst ? 400 : 200,
                    headers: ["Date: Fri, 31 Dec 2100 12:00:00 GMT"],
                    body: isFirst ? #"{"RequestId":"r","Code":"InvalidTimeStamp.Expired","Message":"x"}"# : good
                )
            }
        }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        _ = try await bench.client.requestTicket(suffix: "bin")
        let requests = peer.requests
        #expect(requests.count == 2)
        #expect(requests[1].query["Timestamp"]?.hasPrefix("2100-12-31T12%3A00") == true)
        #expect(requests[0].query["SignatureNonce"] != requests[1].query["SignatureNonce"])
    }

    @Test("A clock that is off although nothing new was learned is reported")
    func clockOff() async throws {
        let peer = try Self.peer((400, #"{"RequestId":"r","Code":"IllegalTimestamp","Message":"x"}"#))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.requestTicket(suffix: "bin")
        }
        #expect(error?.reason.code == .clock)
        #expect(peer.requests.count == 1)
    }

    @Test("A connection that ends without an answer has no call sent again with the nonce of the first")
    func hangUp() async throws {
        let good = try Self.ticketAnswer()
        let next = Counter()
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                // The second call of a connection would be one that libcurl repeats by itself.
                guard next.add() != 2 else { return }
                connection.answer(200, body: good)
            }
        }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        _ = try await bench.client.requestTicket(suffix: "bin")
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.requestTicket(suffix: "bin")
        }
        #expect(error?.reason.code == .cloudUnreachable)
        #expect(peer.requests.count == 2 && Set(peer.requests.map { $0.query["SignatureNonce"] }).count == 2)
    }

    @Test("A code that nobody knows with a time to wait is a request to slow down", arguments: [400, 403])
    func unknownCodeWithWait(status: Int) async throws {
        let answer = #"{"RequestId":"r","Code":"SomethingNew","Message":"x"}"#
        let peer = try Self.peer((status, answer), headers: ["x-acs-retry-after: 4000"])
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.requestTicket(suffix: "bin")
        }
        #expect(error?.reason.code == .cloudThrottled && error?.disposition == .retry(floor: .seconds(4)))
    }

    @Test("A page in the place of a registration's answer leaves its outcome unknown", arguments: [302, 403, 404])
    func pageForRegistration(status: Int) async throws {
        let peer = try Self.peer((status, "<html>login</html>"))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.register(Registration(name: "n", version: "1"))
        }
        #expect(error?.disposition == .lookUp)
    }

    @Test("A used nonce is repeated once with a new one")
    func nonce() async throws {
        let peer = try Self.peer((400, #"{"RequestId":"r","Code":"SignatureNonceUsed","Message":"x"}"#))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.requestTicket(suffix: "bin")
        }
        #expect(error?.reason.cloudCode == "SignatureNonceUsed")
        #expect(Set(peer.requests.map { $0.query["SignatureNonce"] }).count == 2)
    }

    @Test("The text to sign in SignatureDoesNotMatch is compared and not copied")
    func wrongSecret() async throws {
        let peer = try ScriptedPeer { connection in
            while let request = connection.readRequest() {
                let query = request.target.dropFirst(2).split(separator: "&").filter { !$0.hasPrefix("Signature=") }
                let text = "POST&%2F&" + PercentEncoding.encode(query.sorted().joined(separator: "&"))
                let message =
                    "Specified signature is not matched with our calculation. server string to sign is:\(text)"
                connection.answer(
                    400,
                    body: JSONValue.object([
                        "RequestId": "r", "Code": "SignatureDoesNotMatch", "Message": .string(message),
                    ]).text
                )
            }
        }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = try #require(
            await Bench.failure { () async throws(CloudError) in
                try await bench.client.requestTicket(suffix: "bin")
            }
        )
        #expect(error.reason.text.contains("secret of the access key is wrong"))
        #expect(error.disposition == .hold)
        for text in [error.reason.text, error.underlying, error.reason.hint] {
            #expect(!text.contains("fakeToken") && !text.contains("POST&"))
        }
    }

    @Test("A registration sends what is set and nothing else")
    func register() async throws {
        let peer = try Self.peer(
            (200, #"{"RequestId":"r-2","Success":true,"Data":{"FirmwareId":"f1","UtcCreate":"x"}}"#)
        )
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        var registration = Registration(name: "网关(A)", version: "1.0", url: "https://h/ota/x.bin")
        registration.description = ""
        registration.size = 5
        registration.needsVerification = false
        let firmware = try await bench.client.register(registration)
        #expect(firmware == RegisteredFirmware(firmwareID: "f1", requestID: "r-2"))
        let query = try #require(peer.requests.first).query
        #expect(query["FirmwareName"] == "%E7%BD%91%E5%85%B3%28A%29")
        #expect(query["FirmwareSize"] == "5")
        #expect(query["NeedToVerify"] == "false")
        for name in ["FirmwareDesc", "Type", "SrcVersion", "ProductKey", "IotInstanceId", "Udi", "MultiFiles.1.Name"] {
            #expect(query[name] == nil)
        }
    }

    @Test(
        "A registration whose answer cannot be read has an unknown outcome",
        arguments: [
            (200, ""), (200, #"{"RequestId":"r","Success":true,"Data":{}}"#), (502, "<html>"), (200, #"{"Succ"#),
            (500, #"{"RequestId":"r","Code":"InternalError","Message":"x"}"#),
            (200, #"{"Success":false,"Code":"iot.firmware.CreateFirmwareFailure","ErrorMessage":""}"#),
        ]
    )
    func registerUnknown(status: Int, body: String) async throws {
        let peer = try Self.peer((status, body))
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = try #require(
            await Bench.failure { () async throws(CloudError) in
                try await bench.client.register(Registration(name: "n", version: "1"))
            }
        )
        #expect(error.disposition == .lookUp)
        #expect(error.reason.code == .registerUnknown)
        #expect(peer.requests.count == 1)
    }

    @Test("A registration without any answer left once and has an unknown outcome")
    func registerHangUp() async throws {
        let peer = try ScriptedPeer { connection in connection.readRequest() }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.register(Registration(name: "n", version: "1"))
        }
        #expect(error?.disposition == .lookUp)
        #expect(peer.requests.count == 1)
    }

    @Test("A registration that surely did not leave is repeated")
    func registerRefused() async {
        let bench = Bench(endpoint: "http://127.0.0.1:1/")
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.register(Registration(name: "n", version: "1"))
        }
        #expect(error?.disposition == .retry(floor: .zero))
        #expect(error?.reason.code == .cloudUnreachable)
    }

    @Test("Plain http to another machine is refused before anything is sent")
    func plainHTTP() async {
        let bench = Bench(endpoint: "http://192.0.2.1/")
        let error = await Bench.failure { () async throws(CloudError) in
            try await bench.client.requestTicket(suffix: "bin")
        }
        #expect(error?.reason.code == .hostNotAllowed)
        #expect(error?.reason.kind == .operator)
    }

    @Test("All pages are listed")
    func pages() async throws {
        let peer = try ScriptedPeer { connection in
            while let request = connection.readRequest() {
                let page = Int(request.query["CurrentPage"] ?? "") ?? 0
                let rows = (0..<(page < 3 ? 100 : 7)).map { index -> JSONValue in
                    [
                        "FirmwareId": .string("f\(page)-\(index)"), "FirmwareName": "n", "DestVersion": "1",
                        "SrcVersion": "",
                        "FirmwareSize": 12, "Type": 0,
                    ]
                }
                connection.answer(
                    200,
                    body: JSONValue.object([
                        "Success": true, "RequestId": "r", "PageCount": 3, "Total": 207,
                        "FirmwareInfo": ["SimpleFirmwareInfo": .array(rows)],
                    ]).text
                )
            }
        }
        defer { peer.stop() }
        let found = try await Bench(endpoint: peer.url).client.listFirmware(productKey: "pk", version: "1")
        #expect(found.count == 207)
        #expect(found.last?.firmwareID == "f3-6")
        #expect(found[0].sourceVersion == nil && found[0].size == 12 && found[0].kind == .full)
        #expect(peer.requests.map { $0.query["CurrentPage"] } == ["1", "2", "3"])
        #expect(peer.requests[0].query["ProductKey"] == "pk")
    }

    @Test("Answers in XML say the same")
    func xml() async throws {
        let peer = try ScriptedPeer { connection in
            while let request = connection.readRequest() {
                switch request.query["Action"] {
                case "ListOTAFirmware":
                    connection.answer(
                        200,
                        body: """
                            <?xml version='1.0' encoding='UTF-8'?><ListOTAFirmwareResponse><RequestId>r</RequestId>
                            <Success>true</Success><PageCount>1</PageCount><Total>1</Total>
                            <FirmwareInfo><SimpleFirmwareInfo>
                            <FirmwareId>f1</FirmwareId><FirmwareName>a&amp;b</FirmwareName><FirmwareSize>12</FirmwareSize>
                            <Type>1</Type></SimpleFirmwareInfo></FirmwareInfo></ListOTAFirmwareResponse>
                            """
                    )
                case "CreateOTAFirmware":
                    connection.answer(
                        200,
                        body: """
                            <CreateOTAFirmwareResponse><Success>false</Success><RequestId>r</RequestId>
                            <Code>iot.firmware.AlreadyExistedFirmwareName</Code><ErrorMessage>x</ErrorMessage>
                            </CreateOTAFirmwareResponse>
                            """
                    )
                default:
                    connection.answer(400, body: "<Error><RequestId>r</RequestId><Code>Throttling</Code></Error>")
                }
            }
        }
        defer { peer.stop() }
        let client = Bench(endpoint: peer.url) { $0.format = .xml }.client
        let found = try await client.listFirmware()
        #expect(found.count == 1 && found[0].name == "a&b" && found[0].size == 12 && found[0].kind == .delta)
        let taken = await Bench.failure { () async throws(CloudError) in
            try await client.register(Registration(name: "n", version: "1"))
        }
        #expect(taken?.reason.code == .nameTaken)
        let slow = await Bench.failure { () async throws(CloudError) in try await client.requestTicket(suffix: "bin") }
        #expect(slow?.reason.code == .cloudThrottled)
        #expect(peer.requests.allSatisfy { $0.query["Format"] == "XML" })
    }

    @Test("A cancelled call says so")
    func cancelled() async throws {
        let peer = try ScriptedPeer { connection in
            connection.readRequest()
            connection.waitForHangUp()
        }
        defer { peer.stop() }
        let bench = Bench(endpoint: peer.url)
        let task = Task {
            await Bench.failure { () async throws(CloudError) in try await bench.client.requestTicket(suffix: "bin") }
        }
        #expect(await eventually { !peer.requests.isEmpty })
        task.cancel()
        #expect(await task.value?.isCancelled == true)
    }
}
