import FerryCore
package import Logging

/// Credentials of a role that other credentials may assume, from STS `AssumeRole`.
package final class AssumedRole: CredentialSource {
    /// Which role, and how.
    package struct Settings: Sendable {
        /// `acs:ram::<account>:role/<name>`
        package var roleARN: String
        /// Shows in the cloud's audit log; 2 to 32 of letters, digits and `.@-_`.
        package var sessionName: String
        /// Narrows what the role may do.
        package var policy: String?
        /// What the role may demand of foreign accounts.
        package var externalID: String?
        /// At least 900 seconds, at most what the role allows.
        package var duration = Duration.seconds(3_600)
        /// Where STS is asked.
        package var region: String
        /// The URL of STS; nil: `https://sts.<region>.aliyuncs.com/`.
        package var endpoint: String?

        /// One hour, no narrowing policy.
        package init(roleARN: String, sessionName: String, region: String) {
            self.roleARN = roleARN
            self.sessionName = sessionName
            self.region = region
        }
    }

    private let settings: Settings
    private let caller: PlatformCaller
    private let cache: TemporaryCredentials

    /// - Parameter base: signs the call to STS.
    package init(
        settings: Settings,
        base: any CredentialSource,
        http: HTTPClient,
        clock: ServerClock,
        logger: Logger = Logger(label: "aliyun-ota")
    ) {
        self.settings = settings
        caller = PlatformCaller(
            endpointURL: settings.endpoint ?? "https://sts.\(settings.region).aliyuncs.com/",
            region: settings.region,
            signature: .v1,
            format: .json,
            credentials: base,
            http: http,
            clock: clock,
            logger: logger
        )
        cache = TemporaryCredentials(margin: .seconds(300), clock: clock)
    }

    /// Those at hand, or new ones shortly before their end.
    package func credentials() async throws(CloudError) -> Credentials {
        try await cache.current { () async throws(CloudError) in try await assume() }
    }

    package func discard(_ refused: Credentials) { cache.discard(refused) }

    /// What STS refuses for good a person can mend; no firmware has to fail for it.
    private static func mendable(_ error: CloudError) -> CloudError {
        guard error.disposition == .fail else { return error }
        var error = error
        error.disposition = .hold
        error.reason.code = .credentials
        error.reason.kind = .operator
        return error
    }

    private func assume() async throws(CloudError) -> TemporaryCredentials.Lease {
        let object = "of role \(settings.roleARN)"
        var call = RPCCall(action: "AssumeRole", version: "2015-04-01", hasSuccessMember: false)
        call.parameters.add("RoleArn", settings.roleARN)
        call.parameters.add("RoleSessionName", settings.sessionName)
        call.parameters.add("DurationSeconds", String(settings.duration.components.seconds))
        call.parameters.add("Policy", settings.policy)
        call.parameters.add("ExternalId", settings.externalID)
        let answer: PlatformAnswer
        do {
            answer = try await caller.perform(call, .credentials, object: object)
        } catch {
            throw Self.mendable(error)
        }
        do {
            return try TemporaryCredentials.Lease(json: answer.content["Credentials"] ?? .null)
        } catch {
            throw CloudError(
                .credentials,
                object,
                Verdict(.retryLater, .credentials, "the answer of STS lacks \(error.name)")
            )
        }
    }
}
