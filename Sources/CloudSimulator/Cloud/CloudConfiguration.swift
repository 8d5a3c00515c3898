/// How the simulated cloud is set up. Every value has a default, so that a test names only what it is about.
package struct CloudConfiguration: Sendable {
    /// An access key of the simulated account.
    package struct AccessKey: Sendable, Hashable {
        package var id: String
        package var secret: String
        /// With a token the key is temporary: every call has to carry the token.
        package var securityToken: String?

        package init(id: String, secret: String, securityToken: String? = nil) {
            self.id = id
            self.secret = secret
            self.securityToken = securityToken
        }

        /// The key that works where no other is configured.
        package static let standard = AccessKey(id: "simulated-key", secret: "simulated-secret")
    }

    /// When the expiration of a ticket is compared with the clock. What the real service does is not documented; the
    /// strict reading is the default.
    package enum ExpiryCheck: Sendable {
        /// When the form has been read, before the file.
        case form
        /// Then, and again when the last byte has come.
        case wholeRequest
    }

    /// TCP port on the loopback interface; 0 takes a free one.
    package var port: UInt16 = 0
    /// Where objects and the firmware list are kept; they survive a restart.
    package var folder: String
    /// The keys that may call.
    package var accessKeys: [AccessKey] = [.standard]
    /// Product keys that exist; empty: any that is well-formed.
    package var products: Set<String> = []
    /// Modules that exist besides `default`; empty: any that is well-formed.
    package var modules: Set<String> = []
    /// The id that `IotInstanceId` has to name; nil: an instance without id, where it has to be left out.
    package var instanceID: String?
    /// How long a ticket may be used.
    package var ticketLife: Duration = .seconds(60)
    /// When the life of a ticket is looked at.
    package var expiryCheck = ExpiryCheck.wholeRequest
    /// How long an object waits for its registration.
    package var objectLife: Duration = .seconds(3_600)
    /// The largest file, as the policy of a ticket states it.
    package var sizeMaximum: Int64 = 1_048_576_000
    /// How many packages an account holds.
    package var packagesMaximum = 500
    /// Calls in any one second that the account may make, all actions together; nil: no limit.
    package var callsPerSecond: Int? = 10
    /// How far the server's clock is ahead of the system's.
    package var clockOffset: Duration = .zero
    /// How far a caller's clock may be away.
    package var clockTolerance: Duration = .seconds(900)
    /// How long a new package stays invisible to `ListOTAFirmware`.
    package var listingDelay: Duration = .zero
    /// What a ticket names as `Host`; nil: the simulator itself.
    package var ticketHost: String?
    /// Bytes that the kernel may hold for a connection before the simulator reads them; nil: the system's default.
    /// A small value makes a held or slowed upload visible to the sender early.
    package var receiveBuffer: Int?

    package init(folder: String) { self.folder = folder }
}
