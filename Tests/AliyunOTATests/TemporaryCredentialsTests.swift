import FerryCore
import Testing

@testable import AliyunOTA

@Suite("Temporary credentials", .timeLimit(.minutes(5)))
struct TemporaryCredentialsTests {
    private static func lease(_ number: Int64, life: Duration) -> String {
        """
        {"Code":"Success","AccessKeyId":"STS.\(number)","AccessKeySecret":"s","SecurityToken":"t",\
        "Expiration":"\((WallTime.now() + life).iso8601Seconds)"}
        """
    }

    private static func role(_ peer: ScriptedPeer) -> AssumedRole {
        var settings = AssumedRole.Settings(
            roleARN: "acs:ram::1:role/edge",
            sessionName: "gateway",
            region: "cn-shanghai"
        )
        settings.endpoint = peer.url
        return AssumedRole(
            settings: settings,
            base: FixedCredentials(),
            http: HTTPClient(link: LinkSettings(proxy: "", version: "0")),
            clock: ServerClock()
        )
    }

    @Test(
        "A role's credentials are fetched once and kept until shortly before their end",
        arguments: [
            (Duration.seconds(3_600), 1), (.seconds(100), 2),
        ]
    )
    func assumed(life: Duration, calls: Int) async throws {
        let count = Counter()
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                connection.answer(
                    200,
                    body: #"{"RequestId":"r","Credentials":\#(Self.lease(count.add(), life: life))}"#
                )
            }
        }
        defer { peer.stop() }
        let role = Self.role(peer)
        #expect(try await role.credentials().accessKeyID == "STS.1")
        #expect(try await role.credentials().accessKeyID == "STS.\(calls)")
        let query = try #require(peer.requests.first).query
        #expect(peer.requests.count == calls)
        #expect(query["Action"] == "AssumeRole" && query["Version"] == "2015-04-01")
        #expect(query["RoleArn"] == "acs%3Aram%3A%3A1%3Arole%2Fedge" && query["DurationSeconds"] == "3600")
    }

    @Test("Credentials at hand serve while new ones cannot be had")
    func fallback() async throws {
        let count = Counter()
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                let isFirst = count.add() == 1
                connection.answer(
                    isFirst ? 200 : 503,
                    body: isFirst ? #"{"RequestId":"r","Credentials":\#(Self.lease(1, life: .seconds(100)))}"# : ""
                )
            }
        }
        defer { peer.stop() }
        let role = Self.role(peer)
        for _ in 0..<2 { #expect(try await role.credentials().accessKeyID == "STS.1") }
        #expect(peer.requests.count == 2)
    }

    @Test("A token that the cloud calls over is replaced at once, whatever its own time says")
    func tokenOver() async throws {
        let count = Counter()
        let sts = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                let number = count.add()
                connection.answer(
                    200,
                    body: #"{"RequestId":"r","Credentials":\#(Self.lease(number, life: .seconds(3_600)))}"#
                )
            }
        }
        defer { sts.stop() }
        let cloud = try ScriptedPeer { connection in
            while let request = connection.readRequest() {
                let isNew = request.query["AccessKeyId"] == "STS.2"
                connection.answer(
                    isNew ? 200 : 400,
                    body: isNew
                        ? #"{"RequestId":"r","Success":true,"FirmwareInfo":{"SimpleFirmwareInfo":[]},"PageCount":0}"#
                        : #"{"RequestId":"r","Code":"InvalidSecurityToken.Expired","Message":"m"}"#
                )
            }
        }
        defer { cloud.stop() }
        var settings = CloudSettings(region: "cn-shanghai", link: LinkSettings(proxy: "", version: "0"))
        settings.endpoint = cloud.url
        let client = OTAClient(
            settings: settings,
            credentials: Self.role(sts),
            http: HTTPClient(settings: settings),
            clock: ServerClock()
        )
        #expect(try await client.listFirmware().isEmpty)
        #expect(cloud.requests.map { $0.query["AccessKeyId"] } == ["STS.1", "STS.2"])
        #expect(sts.requests.count == 2)
    }

    @Test("What STS refuses waits for a person", arguments: ["NoPermission", "EntityNotExist.Role", "Something.New"])
    func refused(code: String) async throws {
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                connection.answer(403, body: #"{"RequestId":"r","Code":"\#(code)","Message":"m"}"#)
            }
        }
        defer { peer.stop() }
        let role = Self.role(peer)
        let error = await Bench.failure { () async throws(CloudError) in try await role.credentials() }
        #expect(error?.disposition == .hold)
        #expect(error?.reason.code == .credentials)
    }

    @Test("An instance's role is read with a token, or without where the service has none", arguments: [true, false])
    func instance(hasToken: Bool) async throws {
        let peer = try ScriptedPeer { connection in
            while let request = connection.readRequest() {
                switch request.target {
                case "/latest/api/token": connection.answer(hasToken ? 200 : 404, body: "token")
                case "/latest/meta-data/ram/security-credentials/": connection.answer(200, body: "edge")
                case "/latest/meta-data/ram/security-credentials/edge":
                    connection.answer(200, body: Self.lease(1, life: .seconds(3_600)))
                default: connection.answer(500)
                }
            }
        }
        defer { peer.stop() }
        let role = InstanceRole(
            metadataURL: "http://127.0.0.1:\(peer.port)",
            // No proxy reaches an instance's own metadata service.
            http: HTTPClient(link: LinkSettings(proxy: "http://127.0.0.1:1", version: "0")),
            clock: ServerClock()
        )
        let keys = try await role.credentials()
        #expect(keys.accessKeyID == "STS.1" && keys.securityToken == Secret("t"))
        _ = try await role.credentials()
        #expect(peer.requests.count == 3)
        #expect(peer.requests[0].method == "PUT")
        #expect(peer.requests[1].headers["x-aliyun-ecs-metadata-token"] == (hasToken ? "token" : nil))
    }
}
