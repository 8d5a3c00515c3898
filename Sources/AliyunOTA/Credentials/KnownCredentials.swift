import FerryCore
package import Logging

/// Credentials that do not change.
package struct KnownCredentials: CredentialSource {
    private let value: Credentials

    /// - Parameter value: what is always given.
    package init(_ value: Credentials) { self.value = value }

    /// Always the same.
    package func credentials() async throws(CloudError) -> Credentials { value }
}

/// What sources need that ask the cloud for credentials.
package struct CredentialServices: Sendable {
    let http: HTTPClient
    let clock: ServerClock
    let logger: Logger
    let region: String

    /// - Parameter region: where STS is asked.
    package init(
        http: HTTPClient,
        clock: ServerClock,
        logger: Logger = Logger(label: "aliyun-ota"),
        region: String
    ) {
        self.http = http
        self.clock = clock
        self.logger = logger
        self.region = region
    }
}

/// One named set of credentials of the SDKs' files, whichever way it is written down.
struct CredentialProfile: Sendable {
    enum Kind: Sendable {
        case keys
        case token
        case role
        case instanceRole
    }

    let kind: Kind
    /// Looks a value up by the name that the INI file has for it; nil where it is missing or empty.
    let value: @Sendable (String) -> String?

    /// The source that the profile describes; the error names the key that is missing.
    func source(_ services: CredentialServices?) throws(MissingMember) -> any CredentialSource {
        func needed(_ name: String) throws(MissingMember) -> String {
            guard let text = value(name) else { throw MissingMember(name: name) }
            return text
        }
        if kind == .instanceRole {
            guard let services else { throw MissingMember(name: "type") }
            return InstanceRole(roleName: value("role_name"), http: services.http, clock: services.clock)
        }
        let keys = KnownCredentials(
            Credentials(
                accessKeyID: try needed("access_key_id"),
                secret: Secret(try needed("access_key_secret")),
                securityToken: kind == .token ? Secret(try needed("security_token")) : nil
            )
        )
        guard kind == .role else { return keys }
        guard let services else { throw MissingMember(name: "type") }
        var settings = AssumedRole.Settings(
            roleARN: try needed("role_arn"),
            sessionName: value("role_session_name") ?? "otaferry",
            region: services.region
        )
        settings.policy = value("policy")
        return AssumedRole(
            settings: settings,
            base: keys,
            http: services.http,
            clock: services.clock,
            logger: services.logger
        )
    }
}
