import FerryCore

/// The files that the service manager placed in `$CREDENTIALS_DIRECTORY`, where they exist.
package struct ServiceCredentials: Sendable, Hashable {
    /// The broker's password.
    package var mqttPassword: String?
    /// The cloud's credentials.
    package var aliyun: String?

    /// The paths that exist.
    package init(mqttPassword: String? = nil, aliyun: String? = nil) {
        self.mqttPassword = mqttPassword
        self.aliyun = aliyun
    }

    /// Looks into the directory that the environment names.
    init(environment: [String: String]) {
        guard let directory = environment["CREDENTIALS_DIRECTORY"], directory.hasPrefix("/") else { return }
        mqttPassword = Self.existing(directory + "/mqtt-password")
        aliyun = Self.existing(directory + "/aliyun")
    }

    private static func existing(_ path: String) -> String? { FileText.exists(path) ? path : nil }
}

extension Configuration {
    /// The file with the broker's password: `broker.password-file`, else the credential `mqtt-password`, else none.
    package var passwordFile: String? { broker.passwordFile ?? serviceCredentials.mqttPassword }

    /// What to look at when the broker does not take the agent's name and password.
    package var loginRemedy: String {
        let credential = CredentialStore.path("mqtt-password")
        let password =
            if let path = broker.passwordFile {
                "the password in \(path) (broker.password-file)"
            } else if serviceCredentials.mqttPassword != nil {
                "the password in \(credential), which the agent gets when it starts"
            } else {
                "the password, which is in neither \(credential) nor a file of broker.password-file"
            }
        return "Look at broker.username, \(password), and the broker's password file"
    }

    /// The file with the cloud's credentials: `cloud.credentials.file` where a source sets it, else the credential
    /// `aliyun`, else the default.
    package var credentialsFile: String {
        if origins["cloud.credentials.file"] != nil { return cloud.credentials.file }
        return serviceCredentials.aliyun ?? cloud.credentials.file
    }

    /// A hint about the access key, with the file that it is in.
    package func named(credentialsHint hint: String) -> String {
        guard cloud.credentials.source == .file else { return hint }
        let words = "the credentials file"
        guard credentialsFile == serviceCredentials.aliyun else {
            return hint.replacing(words, with: "\(words) \(credentialsFile)")
        }
        // The service manager hands it over at the start alone.
        let path = CredentialStore.path("aliyun")
        return hint.replacing("; it is read again by itself", with: "")
            .replacing(words, with: "\(words) \(path) (then: sudo systemctl restart otaferry)")
    }

    /// The product that a sender calls by this alias; nil where none is listed.
    package func product(alias: String) -> Product? { products.first { $0.alias.text == alias } }
}

extension Configuration.Cloud {
    /// Where a ticket may send the bytes unless the file says otherwise.
    static var defaultUploadHosts: [HostPattern] { [.aliyun] }

    /// Where calls go: `cloud.endpoint`, else the region's public endpoint.
    package var apiEndpoint: CloudEndpoint { endpoint ?? CloudEndpoint(region: region) ?? .shanghai }
}
