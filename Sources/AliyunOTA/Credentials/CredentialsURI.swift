import FerryCore

/// Credentials from a URL that answers as the metadata service does.
struct CredentialsURI: CredentialSource {
    let url: String
    let http: HTTPClient
    let cache: TemporaryCredentials

    func discard(_ refused: Credentials) { cache.discard(refused) }

    func credentials() async throws(CloudError) -> Credentials {
        try await cache.current { () async throws(CloudError) in try Self.lease(in: try await answer()) }
    }

    private static let place = "from ALIBABA_CLOUD_CREDENTIALS_URI"

    private func answer() async throws(CloudError) -> HTTPResponse {
        var request = HTTPRequest(.get, url: url)
        request.timeout = .seconds(10)
        do throws(HTTPFailure) {
            return try await http.send(request)
        } catch {
            throw CloudError(.credentials, Self.place, error)
        }
    }

    /// By itself: together with the call Swift 6.3 fails to compile it for release.
    @inline(never)
    private static func lease(in response: HTTPResponse) throws(CloudError) -> TemporaryCredentials.Lease {
        do {
            guard response.isSuccess else { throw MissingMember(name: "status 200") }
            return try TemporaryCredentials.Lease(json: JSONValue(parsing: response.body))
        } catch {
            throw CloudError(.credentials, place, Verdict(.retryLater, .credentials, "the answer holds none"))
        }
    }
}
