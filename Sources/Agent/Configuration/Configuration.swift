package import FerryCore
package import Logging

/// Everything that an operator can set, checked: past the loader no code looks at it again.
///
/// A fresh value holds the defaults; `ConfigurationLoader` reads the sources over them.
package struct Configuration: Sendable {
    /// The name of this gateway in topics.
    package var gateway = HostName.asName()
    /// The way to the local broker.
    package var broker = Broker()
    /// The durable buffer.
    package var spool = Spool()
    /// What senders may do.
    package var intake = Intake()
    /// The account's side.
    package var cloud = Cloud()
    /// How the bytes go.
    package var upload = Upload()
    /// Pauses between attempts.
    package var retry = Retry()
    /// This gateway's share of the account's calls.
    package var quota = Quota()
    /// What is measured for others.
    package var metrics = Metrics()
    /// What is logged, and how.
    package var log = Log()
    /// In the order of the sources; no two share an alias.
    package var products: [Product] = []
    /// The files that were read, in order.
    package var files: [String] = []
    /// Where each key that a source set came from, by path; products are `product.<alias>`.
    package var origins: [String: ConfigurationOrigin] = [:]
    /// What the service manager put into `$CREDENTIALS_DIRECTORY`.
    package var serviceCredentials = ServiceCredentials()

    /// The defaults.
    package init() {}

    /// `[broker]`: the way to the local broker.
    package struct Broker: Sendable, Hashable {
        /// Where the broker listens.
        package var url = BrokerAddress.default
        /// Empty: none is sent.
        package var username = "otaferry"
        /// As configured; read `Configuration.passwordFile` for the file to use.
        package var passwordFile: String?
        /// Who may have signed the broker's certificate; nil: the system's store.
        package var caFile: String?
        /// The agent's certificate; never without `keyFile`.
        package var certFile: String?
        /// The key of `certFile`; never without it.
        package var keyFile: String?
        /// Whether the `$file` topics are served too.
        package var isFileTransferEnabled = true
        /// Whether thin-edge.io is told of the agent's health.
        package var isThinEdgeEnabled = false
    }

    /// `[spool]`: the durable buffer.
    package struct Spool: Sendable, Hashable {
        /// The SQLite file, as an absolute path.
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
        /// The largest firmware in one message.
        package var oneShotMax = ByteCount.mebibytes(16)
        /// Bytes of one transfer kept before its `init`.
        package var orphanMax = ByteCount.mebibytes(8)
        /// How long an incomplete transfer may get no byte.
        package var segmentsTTL = Duration.seconds(86_400)
        /// Bytes that a sender may have on the way before an `ack`.
        package var credit = ByteCount.mebibytes(8)
        /// Incomplete transfers at the same time.
        package var openTransfersMax = 64
        /// Whether product keys that no `[[product]]` lists are taken.
        package var isAnyProductKeyAllowed = true
        /// OpenSSH's file of signers; set: unsigned firmware is refused.
        package var allowedSigners: String?
    }

    /// `[cloud]`: the account's side.
    package struct Cloud: Sendable, Hashable {
        /// The region of the IoT instance; letters, digits and hyphens.
        package var region = "cn-shanghai"
        /// As configured; read `Cloud.apiEndpoint` for the one to call.
        package var endpoint: CloudEndpoint?
        /// An enterprise instance; nil: the public one.
        package var instanceID: String?
        /// How calls are signed; never `.v3` with the format `.xml`.
        package var signature = CloudSignature.v1
        /// The format of answers.
        package var format = CloudFormat.json
        /// Where a ticket may send the bytes, besides the endpoint's own host.
        package var uploadHosts = Cloud.defaultUploadHosts
        /// Who may have signed the cloud's certificates; nil: the system's store.
        package var caFile: String?
        /// Nil: what `https_proxy` and `no_proxy` say.
        package var proxy: ProxyAddress?
        /// A network interface or source address; nil: the routing table decides.
        package var interface: String?
        /// Where the access key is.
        package var credentials = Credentials()

        /// `[cloud.credentials]`: where the access key is.
        package struct Credentials: Sendable, Hashable {
            /// Which way the access key is found.
            package var source = CredentialsSource.file
            /// As configured; read `Configuration.credentialsFile` for the file to use.
            package var file = "/etc/otaferry/credentials"
            /// The section of the INI file.
            package var profile = "default"
        }
    }

    /// `[upload]`: how the bytes go.
    package struct Upload: Sendable, Hashable {
        /// The speed of one upload; nil: as fast as the link.
        package var rateLimit: UploadRate?
        /// When uploads start; nil: at any time.
        package var window: UploadWindow?
        /// How long an attempt may get no byte accepted.
        package var stallTimeout = Duration.seconds(60)
        /// Uploads at the same time.
        package var concurrent = 1
        /// How long after its upload a firmware may be registered.
        package var registerWindow = Duration.seconds(55 * 60)
    }

    /// `[retry]`: pauses between attempts.
    package struct Retry: Sendable, Hashable {
        /// The first pause.
        package var min = Duration.seconds(2)
        /// The longest pause; never below `min`.
        package var max = Duration.seconds(15 * 60)
        /// Nil: without end.
        package var attemptsMax: Int?
    }

    /// `[quota]`: this gateway's share of the account's calls.
    package struct Quota: Sendable, Hashable {
        /// All calls together; above 0, at most 10.
        package var callsPerSecond = 2.0
    }

    /// `[metrics]`: what is measured for others.
    package struct Metrics: Sendable, Hashable {
        /// A file for node_exporter's textfile collector.
        package var textfile: String?
    }

    /// `[log]`
    package struct Log: Sendable, Hashable {
        /// The least level that is logged.
        package var level = Logger.Level.info
        /// How lines look.
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
