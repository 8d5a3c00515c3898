import Glibc

/// The folder that the service manager takes the agent's credentials from (systemd.exec(5), `LoadCredential=`); root alone
/// sees what is in it.
struct CredentialStore: Sendable {
    var host = HostFiles()

    private static let folder = "/etc/credstore"

    /// Where the service manager looks for a credential.
    static func path(_ name: String) -> String { "\(folder)/otaferry.\(name)" }

    /// The file of a credential that this user may read.
    func file(_ name: String) -> String? {
        let path = Self.path(name)
        return access(host.root + path, R_OK) == 0 ? path : nil
    }

    /// Whether there may be credentials in it that this user does not see.
    var isHidden: Bool { host.exists(Self.folder) && access(host.root + Self.folder, X_OK) != 0 }

    /// The same of one of them.
    func isHidden(_ name: String) -> Bool { isHidden || host.exists(Self.path(name)) && file(name) == nil }
}

extension ServiceCredentials {
    /// Takes what the service manager would hand over to the agent; what it has handed over to this process counts more.
    mutating func adopt(_ store: CredentialStore) {
        aliyun = aliyun ?? store.file("aliyun")
        mqttPassword = mqttPassword ?? store.file("mqtt-password")
    }
}
