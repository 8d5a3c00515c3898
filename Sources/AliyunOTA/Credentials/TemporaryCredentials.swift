import FerryCore
import Synchronization

/// Credentials that end by themselves, kept until shortly before.
final class TemporaryCredentials: Sendable {
    struct Lease: Sendable {
        let credentials: Credentials
        let expiration: WallTime
    }

    private let lease = Mutex<Lease?>(nil)
    private let margin: Duration
    private let clock: ServerClock

    /// - Parameter margin: how long before their end new ones are fetched.
    init(margin: Duration, clock: ServerClock) {
        self.margin = margin
        self.clock = clock
    }

    /// Forgets these, if they are those at hand.
    func discard(_ refused: Credentials) {
        lease.withLock { lease in
            if lease?.credentials == refused { lease = nil }
        }
    }

    /// Those at hand, or new ones. When fetching fails, those at hand serve until their end.
    func current(
        fetch: () async throws(CloudError) -> Lease
    ) async throws(CloudError) -> Credentials {
        let known = lease.withLock { $0 }
        let now = clock.now()
        if let known, now + margin < known.expiration { return known.credentials }
        do throws(CloudError) {
            let fresh = try await fetch()
            lease.withLock { $0 = fresh }
            return fresh.credentials
        } catch {
            guard let known, now < known.expiration, !error.isCancelled else { throw error }
            return known.credentials
        }
    }
}

extension TemporaryCredentials.Lease {
    /// Reads what STS and the metadata service write alike; the error names the member that is missing.
    init(json: JSONValue) throws(MissingMember) {
        func member(_ name: String) throws(MissingMember) -> String {
            guard let text = json[name]?.string, !text.isEmpty else { throw MissingMember(name: name) }
            return text
        }
        credentials = Credentials(
            accessKeyID: try member("AccessKeyId"),
            secret: Secret(try member("AccessKeySecret")),
            securityToken: Secret(try member("SecurityToken"))
        )
        guard let time = WallTime(iso8601: try member("Expiration")) else { throw MissingMember(name: "Expiration") }
        expiration = time
    }
}
