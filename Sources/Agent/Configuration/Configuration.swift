package import FerryCore
package import Logging

/// Everything that an operator can set, checked: past the loader no code looks at it again.
///
/// A fresh value holds the defaults; `ConfigurationLoader` reads the sources over them.
package struct Configuration: Sendable {
    /// The name of this gateway in topics.
    package var gateway = HostName.asName()
    package var broker = Broker()
    package var spool = Spool()
    package var intake = Intake()
    package var cloud = Cloud()
    package var upload = Upload()
    package var retry = Retry()
    package var quota = Quota()
    package var log = Log()
    /// In the order of the sources; no two share an alias.
    package var products: [Product] = []
    /// Where each key that a source set came from, by path.
    package var origins: [String: ConfigurationOrigin] = [:]
    /// What the service manager put into `$CREDENTIALS_DIRECTORY`.
    package var serviceCredentials = ServiceCredentials()

    /// The defaults.
    package init() {}

    /// `[broker]`: the way to the local broker.
    package struct Broker: Sendable, Hashable {
        package var url = BrokerAddress.default
        /// Empty: none is sent.
        package var username = "otaferry"
        /// As configured; read `Configuration.passwordFile` for the file to use.
        package var passwordFile: String?
        package var caFile: String?
        package var certFile: String?
        package var keyFile: String?
        /// Whether the `$file` topics are served too.
        package var isFileTransferEnabled = true
    }

    /// `[spool]`: the durable buffer.
    package struct Spool: Sendable, Hashable {
        package var path = "/var/lib/otaferry/spool.db"
        /// Bytes of firmware kept at most.
        package var quota = ByteCount.gibibytes(4)
        /// Bytes of the file system that are never used.
        package var reserve = ByteCount.mebibytes(64)
        /// How long a finished transfer stays in the list.
        package var keepFinal = Duration.seconds(7 * 86_400)
    }

    /// `[intake]`: what senders may do.
    package struct Intake: Sendable, Hashable {
        package var oneShotMax = ByteCount.mebibytes(16)
        package var orphanMax = ByteCount.mebibytes(8)
        package var segmentsTTL = Duration.seconds(86_400)
        package var credit = ByteCount.mebibytes(8)
        package var openTransfersMax = 64
        /// Whether product keys that no `[[product]]` lists are taken.
        package var isAnyProductKeyAllowed = true
        /// OpenSSH's file of signers; set: unsigned firmware is refused.
        package var allowedSigners: String?
    }

    /// `[cloud]`: the account's side.
    package struct Cloud: Sendable, Hashable {
        package var region = "cn-shanghai"
        /// As configured; read `Cloud.apiEndpoint` for the one to call.
        package var endpoint: CloudEndpoint?
        package var instanceID: String?
        package var signature = CloudSignature.v1
        package var format = CloudFormat.json
        package var uploadHosts = Cloud.defaultUploadHosts
        package var caFile: String?
        /// Nil: what `https_proxy` and `no_proxy` say.
        package var proxy: ProxyAddress?
        package var interface: String?
        package var credentials = Credentials()

        /// `[cloud.credentials]`: where the access key is.
        package struct Credentials: Sendable, Hashable {
            package var source = CredentialsSource.file
            /// As configured; read `Configuration.credentialsFile` for the file to use.
            package var file = "/etc/otaferry/credentials"
            package var profile = "default"
        }
    }

    /// `[upload]`: how the bytes go.
    package struct Upload: Sendable, Hashable {
        package var rateLimit: UploadRate?
        package var window: UploadWindow?
        package var stallTimeout = Duration.seconds(60)
        package var concurrent = 1
        package var registerWindow = Duration.seconds(55 * 60)
    }

    /// `[retry]`: pauses between attempts.
    package struct Retry: Sendable, Hashable {
        package var min = Duration.seconds(2)
        package var max = Duration.seconds(15 * 60)
        /// Nil: without end.
        package var attemptsMax: Int?
    }

    /// `[quota]`: this gateway's share of the account's calls.
    package struct Quota: Sendable, Hashable {
        package var callsPerSecond = 2.0
    }

    /// `[log]`
    package struct Log: Sendable, Hashable {
        package var level = Logger.Level.info
        package var format = LogFormat.auto
    }
}

/// How calls are signed.
package enum CloudSignature: String, Sendable, CaseIterable {
    case v1, v3
}

/// In which format the cloud answers.
package enum CloudFormat: String, Sendable, CaseIterable {
    case json, xml
}

/// Where the access key comes from.
package enum CredentialsSource: String, Sendable, CaseIterable {
    /// The file that the configuration or the service manager names.
    case file
    /// The order of the official SDKs.
    case chain
    /// The role of the ECS instance.
    case ecsRole = "ecs-role"
}
