import FerryCore
import FoundationEssentials

/// The configuration of Alibaba Cloud's command-line client, `~/.aliyun/config.json`.
struct CommandLineProfile: CredentialSource {
    let path: String
    /// nil: the one that the file calls current.
    let name: String?
    let services: CredentialServices

    /// The names of the file for those of the INI form.
    private static let names = [
        "security_token": "sts_token", "role_arn": "ram_role_arn", "role_session_name": "ram_session_name",
        "role_name": "ram_role_name",
    ]
    private static let kinds: [String: CredentialProfile.Kind] = [
        "AK": .keys, "StsToken": .token, "RamRoleArn": .role, "EcsRamRole": .instanceRole,
    ]

    func credentials() async throws(CloudError) -> Credentials {
        guard let data = try? Data(contentsOf: URL(filePath: path)), let json = try? JSONValue(parsing: Array(data))
        else { throw failure("it is missing or no JSON") }
        guard let name = name ?? json["current"]?.string,
            let profile = json["profiles"]?.array?.first(where: { $0["name"]?.string == name })
        else { throw failure("it has no such profile") }
        guard let kind = Self.kinds[profile["mode"]?.string ?? "AK"] else { throw failure("its mode is not supported") }
        let source: any CredentialSource
        do {
            source = try CredentialProfile(kind: kind) { key in
                profile[Self.names[key] ?? key]?.string.flatMap { $0.isEmpty ? nil : $0 }
            }.source(services)
        } catch {
            throw failure("\(Self.names[error.name] ?? error.name) is missing")
        }
        return try await source.credentials()
    }

    private func failure(_ sentence: String) -> CloudError {
        CloudError(
            .credentials,
            "in \(path)",
            Verdict(.hold, .credentials, sentence, hint: "Run `aliyun configure`, or use a credentials file.")
        )
    }
}
