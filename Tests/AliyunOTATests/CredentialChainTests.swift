import FerryCore
import FoundationEssentials
import TestSupport
import Testing

@testable import AliyunOTA

@Suite("Credential chain", .timeLimit(.minutes(5)))
struct CredentialChainTests {
    private let folder: TemporaryFolder
    private var home: String { folder.path }

    init() throws { folder = try TemporaryFolder() }
    private let services = CredentialServices(
        http: HTTPClient(link: LinkSettings(proxy: "", version: "0")),
        clock: ServerClock(),
        region: "cn-shanghai"
    )

    private func write(_ path: String, _ text: String) throws {
        let url = URL(filePath: "\(home)/\(path)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    private func keyID(_ environment: [String: String] = [:]) async throws -> String {
        try await CredentialChain(environment: environment, home: home, services: services).credentials().accessKeyID
    }

    @Test("The environment comes before the client's profile, that before the INI files")
    func order() async throws {
        try write(".alibabacloud/credentials", "[default]\naccess_key_id = ini\naccess_key_secret = s\n")
        #expect(try await keyID() == "ini")
        try write(".alibabacloud/credentials.ini", "[default]\naccess_key_id = ini2\naccess_key_secret = s\n")
        #expect(try await keyID() == "ini2")
        try write(
            ".aliyun/config.json",
            """
            {"current":"a","profiles":[{"name":"a","mode":"AK","access_key_id":"cli","access_key_secret":"s"},
            {"name":"b","mode":"StsToken","access_key_id":"cli-b","access_key_secret":"s","sts_token":"t"}]}
            """
        )
        #expect(try await keyID() == "cli")
        #expect(try await keyID(["ALIBABA_CLOUD_PROFILE": "b"]) == "cli-b")
        #expect(try await keyID(["ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"]) == "ini2")
        let environment = ["ALIBABA_CLOUD_ACCESS_KEY_ID": "env", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"]
        #expect(try await keyID(environment) == "env")
        #expect(try await keyID(environment.mapValues { $0 == "s" ? "" : $0 }) == "cli")
    }

    @Test("A URL gives credentials where nothing else does")
    func uri() async throws {
        let peer = try ScriptedPeer { connection in
            while connection.readRequest() != nil {
                connection.answer(
                    200,
                    body: """
                        {"Code":"Success","AccessKeyId":"uri","AccessKeySecret":"s","SecurityToken":"t",\
                        "Expiration":"2100-01-01T00:00:00Z"}
                        """
                )
            }
        }
        defer { peer.stop() }
        #expect(try await keyID(["ALIBABA_CLOUD_CREDENTIALS_URI": peer.url]) == "uri")
    }

    @Test("A chain without any credentials names every place it looked at")
    func nothing() async throws {
        let chain = CredentialChain(environment: [:], home: home, services: services)
        let error = try #require(await Bench.failure { () async throws(CloudError) in try await chain.credentials() })
        #expect(error.disposition == .hold)
        #expect(error.underlying.contains(".aliyun/config.json") && error.underlying.contains("credentials.ini"))
    }

    @Test("A role in the INI file names what it lacks, and needs its services", arguments: [true, false])
    func role(hasServices: Bool) async throws {
        try write("c", "[default]\ntype = ram_role_arn\naccess_key_id = i\naccess_key_secret = s\n")
        let source = CredentialsFile(path: "\(home)/c", services: hasServices ? services : nil)
        let error = try #require(await Bench.failure { () async throws(CloudError) in try await source.credentials() })
        #expect(error.reason.text.contains(hasServices ? "role_arn is missing" : "is not supported"))
    }
}
