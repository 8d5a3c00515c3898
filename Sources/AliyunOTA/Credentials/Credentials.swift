/// The keys of a cloud account or of a role.
package struct Credentials: Sendable, Equatable {
    /// The public half; it travels with every call.
    package let accessKeyID: String
    /// The key of the signature.
    package let secret: Secret
    /// Present with temporary credentials; it is signed and sent like any parameter.
    package let securityToken: Secret?

    /// Keys as they were written down.
    package init(accessKeyID: String, secret: Secret, securityToken: Secret? = nil) {
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.securityToken = securityToken
    }
}

/// Where credentials come from. It is asked before every call, so that changed ones take effect without a restart.
package protocol CredentialSource: Sendable {
    /// The credentials to sign the next call with. An error has the reason code `credentials`.
    func credentials() async throws(CloudError) -> Credentials

    /// The cloud says that these are over, whatever their own time says: others are to be found for the next call.
    func discard(_ refused: Credentials)

    /// Whether what they are read from has changed since the last time this was asked; false the first time.
    func takeChange() -> Bool
}

extension CredentialSource {
    /// Nothing where they are read anew for every call anyway.
    package func discard(_ refused: Credentials) {}

    /// Never where they come from no file.
    package func takeChange() -> Bool { false }
}
