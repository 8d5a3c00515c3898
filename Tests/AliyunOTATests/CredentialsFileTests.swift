import FerryCore
import FoundationEssentials
import TestSupport
import Testing

@testable import AliyunOTA

@Suite("Credentials file")
struct CredentialsFileTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("credentials") }

    init() throws { folder = try TemporaryFolder() }

    private func write(_ text: String) throws { try folder.write(text, to: "credentials") }

    private static func failure(_ source: CredentialsFile) async -> CloudError? {
        do throws(CloudError) {
            _ = try await source.credentials()
            return nil
        } catch {
            return error
        }
    }

    @Test("The SDKs' form is read: comments, profiles, tokens, a missing type")
    func forms() async throws {
        try write(
            """
            # keys of the gateways
            [default]
            access_key_id = fakeKeyId # until May
            access_key_secret=fake#Secret=
            [edge]
            type = sts
            access_key_id = STS.fake
            access_key_secret = other   # comment
            security_token = token+/=
            """
        )
        let first = try await CredentialsFile(path: path).credentials()
        #expect(first == Credentials(accessKeyID: "fakeKeyId", secret: Secret("fake#Secret=")))
        let second = try await CredentialsFile(path: path, profile: "edge").credentials()
        #expect(second.securityToken == Secret("token+/="))
        #expect(second.secret == Secret("other"))
    }

    @Test("A changed file is read again")
    func change() async throws {
        try write("[default]\naccess_key_id = one\naccess_key_secret = s\n")
        let source = CredentialsFile(path: path)
        #expect(try await source.credentials().accessKeyID == "one")
        try write("[default]\naccess_key_id = another\naccess_key_secret = s\n")
        #expect(try await source.credentials().accessKeyID == "another")
    }

    @Test(
        "What is missing is named, with the file",
        arguments: [
            ("[default]\naccess_key_secret = s\n", "access_key_id"),
            ("[default]\naccess_key_id = i\n", "access_key_secret"),
            ("[default]\ntype = sts\naccess_key_id = i\naccess_key_secret = s\n", "security_token"),
            ("[other]\n", "[default]"), ("[default]\ntype = rsa_key_pair\n", "type"),
        ]
    )
    func missing(text: String, name: String) async throws {
        try write(text)
        let error = try #require(await Self.failure(CredentialsFile(path: path)))
        #expect(error.reason.code == .credentials)
        #expect(error.reason.kind == .operator)
        #expect(error.disposition == .hold)
        #expect(error.reason.hint.contains(name))
        #expect(error.reason.hint.contains(path))
    }

    @Test("A file that is not there says so")
    func absent() async throws {
        let error = try #require(await Self.failure(CredentialsFile(path: path)))
        #expect(error.reason.text.contains("No such file"))
        #expect(error.underlying == "errno 2")
    }
}
