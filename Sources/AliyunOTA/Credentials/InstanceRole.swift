import FerryCore

/// Credentials of the role of an ECS instance, from the metadata service.
package final class InstanceRole: CredentialSource {
    private let base: String
    private let roleName: String?
    private let http: HTTPClient
    private let cache: TemporaryCredentials

    /// The metadata service's address on every instance.
    package static let metadataURL = "http://100.100.100.200"
    private static let timeout = Duration.seconds(1)
    private static let tokenLife = "21600"
    private static let path = "/latest/meta-data/ram/security-credentials/"

    /// - Parameters:
    ///   - roleName: nil asks the service.
    ///   - metadataURL: for stand-ins, without a slash at the end.
    package init(
        roleName: String? = nil,
        metadataURL: String = InstanceRole.metadataURL,
        http: HTTPClient,
        clock: ServerClock
    ) {
        base = metadataURL
        self.roleName = roleName
        self.http = http
        cache = TemporaryCredentials(margin: .seconds(900), clock: clock)
    }

    /// Those at hand, or new ones shortly before their end.
    package func credentials() async throws(CloudError) -> Credentials {
        try await cache.current { () async throws(CloudError) in try await fetch() }
    }

    package func discard(_ refused: Credentials) { cache.discard(refused) }

    private func fetch() async throws(CloudError) -> TemporaryCredentials.Lease {
        let token = try await token()
        let role = try await role(token: token)
        return try await lease(get(Self.path + PercentEncoding.encode(role), token: token))
    }

    private func role(token: String?) async throws(CloudError) -> String {
        if let roleName { return roleName }
        let name = try await get(Self.path, token: token)
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") }) else {
            throw failure("the instance has no role", hint: "Give the instance a role in the ECS console.")
        }
        return name
    }

    private func lease(_ text: String) throws(CloudError) -> TemporaryCredentials.Lease {
        do {
            let json = try JSONValue(parsing: text)
            guard json["Code"]?.string == "Success" else { throw MissingMember(name: "Code Success") }
            return try TemporaryCredentials.Lease(json: json)
        } catch {
            let name = (error as? MissingMember)?.name ?? "JSON"
            throw failure("the metadata service's answer lacks \(name)", hint: "Look at the instance's role.")
        }
    }

    /// The token of the hardened mode; an old service has none, and plain requests serve.
    private func token() async throws(CloudError) -> String? {
        var request = HTTPRequest(.put, url: base + "/latest/api/token")
        request.headers = [HTTPHeader("X-aliyun-ecs-metadata-token-ttl-seconds", Self.tokenLife)]
        let response = try await send(request)
        return response.isSuccess ? String(decoding: response.body, as: UTF8.self) : nil
    }

    private func get(_ path: String, token: String?) async throws(CloudError) -> String {
        var request = HTTPRequest(.get, url: base + path)
        if let token { request.headers = [HTTPHeader("X-aliyun-ecs-metadata-token", token)] }
        let response = try await send(request)
        guard response.isSuccess else {
            throw failure(
                "the metadata service answers with status \(response.status)",
                hint: "Give the instance a role in the ECS console."
            )
        }
        return String(decoding: response.body, as: UTF8.self)
    }

    private func send(_ request: HTTPRequest) async throws(CloudError) -> HTTPResponse {
        var request = request
        request.timeout = Self.timeout
        request.route = .direct
        do {
            return try await http.send(request)
        } catch {
            var failure = failure(
                "the metadata service does not answer",
                hint: "Only ECS instances have one; elsewhere use cloud.credentials.source = \"file\".",
                underlying: error.text
            )
            failure.isCancelled = error.kind == .cancelled
            throw failure
        }
    }

    private func failure(_ sentence: String, hint: String, underlying: String = "") -> CloudError {
        CloudError(
            .credentials,
            "of the instance's role",
            Verdict(.retryLater, .credentials, sentence, hint: hint),
            underlying: underlying
        )
    }
}
