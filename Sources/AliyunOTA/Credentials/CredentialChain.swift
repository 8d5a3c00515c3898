import FerryCore

/// The default chain of the official SDKs: the first source that has credentials gives them.
///
/// The order: environment, the command-line client's profile, the INI file, the instance's role where
/// `ALIBABA_CLOUD_ECS_METADATA` names it, `ALIBABA_CLOUD_CREDENTIALS_URI`. The SDKs' OIDC role is not supported.
package struct CredentialChain: CredentialSource {
    private let sources: [any CredentialSource]

    /// - Parameters:
    ///   - environment: the process's environment.
    ///   - home: the directory that the files of the chain are in.
    package init(environment: [String: String], home: String, services: CredentialServices) {
        func value(_ name: String) -> String? {
            environment["ALIBABA_CLOUD_\(name)"].flatMap { $0.isEmpty ? nil : $0 }
        }
        func isOff(_ name: String) -> Bool { value(name)?.lowercased() == "true" }
        var sources: [any CredentialSource] = []
        if let id = value("ACCESS_KEY_ID"), let secret = value("ACCESS_KEY_SECRET") {
            let token = value("SECURITY_TOKEN").map(Secret.init)
            sources.append(KnownCredentials(Credentials(accessKeyID: id, secret: Secret(secret), securityToken: token)))
        }
        if !isOff("CLI_PROFILE_DISABLED") {
            let path = "\(home)/.aliyun/config.json"
            sources.append(CommandLineProfile(path: path, name: value("PROFILE"), services: services))
        }
        // The Python package says credentials.ini, all others credentials.
        let files =
            value("CREDENTIALS_FILE").map { [$0] }
            ?? ["credentials.ini", "credentials"].map { "\(home)/.alibabacloud/\($0)" }
        for path in files {
            sources.append(CredentialsFile(path: path, profile: value("PROFILE") ?? "default", services: services))
        }
        if let role = value("ECS_METADATA"), !isOff("ECS_METADATA_DISABLED") {
            sources.append(InstanceRole(roleName: role, http: services.http, clock: services.clock))
        }
        if let url = value("CREDENTIALS_URI") {
            let cache = TemporaryCredentials(margin: .seconds(300), clock: services.clock)
            sources.append(CredentialsURI(url: url, http: services.http, cache: cache))
        }
        self.sources = sources
    }

    package func discard(_ refused: Credentials) {
        for source in sources { source.discard(refused) }
    }

    package func takeChange() -> Bool { sources.count { $0.takeChange() } > 0 }

    /// Those of the first source that has any. An error names all that were asked.
    package func credentials() async throws(CloudError) -> Credentials {
        var passing: CloudError?
        var reasons: [String] = []
        for source in sources {
            do {
                return try await source.credentials()
            } catch {
                if error.isCancelled { throw error }
                // A source that is there and only fails just now tells more than those that are not.
                if passing == nil, error.reason.kind == .retry { passing = error }
                reasons.append(error.reason.text)
            }
        }
        if let passing { throw passing }
        throw CloudError(
            .credentials,
            "from the default chain",
            Verdict(
                .hold,
                .credentials,
                "no source has any",
                hint:
                    "Set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or write a credentials file."
            ),
            underlying: reasons.joined(separator: "; ")
        )
    }
}
