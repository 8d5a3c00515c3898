import FerryCore

/// Credentials from a URL that answers as the metadata service does.
struct CredentialsURI: CredentialSource {
    let url: String
    let http: HTTPClient
    let cache: TemporaryCredentials

    func discard(_ refused: Credentials) { cache.discard(refused) }

    func credentials() async throws(CloudError) -> Credentials {
        try await cache.current { () async throws(CloudError) in
            var request = HTTPRequest(.get, url: url)
            request.timeout = .seconds(10)
            let response: HTTPResponse
            do throws(HTTPFailure) {
                response = try await http.send(request)
            } catch {
                throw CloudError(.credentials, "from ALIBABA_CLOUD_CREDENTIALS_URI", error)
            }
            do {
                guard response.isSuccess else { throw MissingMember(name: "status 200") }
                return try TemporaryCredentials.Lease(json: JSONValue(parsing: response.body))
            } catch {
                throw CloudError(
                    .credentials,
                    "from ALIBABA_CLOUD_CREDENTIALS_URI",
                    Verdict(.retryLater, .credentials, "the answer holds none")
                )
            }
        }
    }
}
