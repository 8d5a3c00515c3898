import FerryCore
import Logging

/// The table of all keys, in the order of the documentation. Everything else follows from it: reading, messages,
/// suggestions, effective values, documentation.
package enum ConfigurationKeys {
    /// All keys but those of `[[product]]`.
    package static let all: [ConfigurationKey<Configuration>] =
        gateway + broker + spool + intake + cloud + credentials + upload + pacing + metrics + log

    /// Short for rows whose default is that of `Configuration`.
    private static func key<Value: Sendable>(
        _ path: String,
        _ target: any WritableKeyPath<Configuration, Value> & Sendable,
        _ shape: ConfigurationShape<Value>,
        default defaultText: String? = nil,
        _ effect: String
    ) -> ConfigurationKey<Configuration> {
        ConfigurationKey(path, target, shape, of: Configuration(), default: defaultText, effect: effect)
    }

    private static let gateway = [
        key(
            "gateway",
            \.gateway,
            .name("gw1"),
            default: "the host name",
            """
            The name of this gateway in every topic: `otaferry/v1/<gateway>/…`.
            Two agents on one broker need two names, and `broker.file-transfer` is for one of them only.
            Characters of the host name that a name cannot have become hyphens.
            """
        )
    ]

    private static let broker = [
        key(
            "broker.url",
            \.broker.url,
            .parsed(
                "URL",
                range: "mqtt://host:1883, mqtts://host:8883, mqtt+unix:///path",
                expected: "mqtt://host:1883, mqtts://host:8883 or mqtt+unix:///run/mosquitto.sock",
                BrokerAddress.init(parsing:)
            ),
            """
            Where the local broker listens.
            `mqtts` uses TLS and checks the broker's certificate and host name.
            The ports may be left out where they are 1883 and 8883.
            """
        ),
        key(
            "broker.username",
            \.broker.username,
            .token("user name", range: "up to 256 bytes, or empty", example: "otaferry") { $0.utf8.count <= 256 },
            """
            The name under which the agent logs in to the broker.
            Empty: it logs in without a name and without a password.
            """
        ),
        key(
            "broker.password-file",
            \.broker.passwordFile,
            ConfigurationShape<String>.path.orEmpty(),
            """
            A file that holds the broker's password on its first line.
            Empty: the service manager's credential `mqtt-password` if there is one, else no password is sent.
            """
        ),
        key(
            "broker.ca-file",
            \.broker.caFile,
            ConfigurationShape<String>.path.orEmpty(),
            """
            Certificates, in PEM form, of the authorities that may have signed the broker's certificate.
            Empty: the system's store.
            """
        ),
        key(
            "broker.cert-file",
            \.broker.certFile,
            ConfigurationShape<String>.path.orEmpty(),
            """
            The agent's own certificate in PEM form, for brokers that ask for one.
            It needs `broker.key-file`.
            """
        ),
        key(
            "broker.key-file",
            \.broker.keyFile,
            ConfigurationShape<String>.path.orEmpty(),
            """
            The private key of `broker.cert-file` in PEM form, without a pass phrase.
            """
        ),
        key(
            "broker.file-transfer",
            \.broker.isFileTransferEnabled,
            .boolean,
            """
            Whether the agent also takes files under `$file/…` and `$file-async/…`, as clients written for EMQX send them.
            Turn it off on EMQX itself, which keeps these topics for its own use.
            These topics name no gateway: of the agents on one broker only one may have it on, or each takes every file.
            """
        ),
        key(
            "broker.thin-edge",
            \.broker.isThinEdgeEnabled,
            .boolean,
            """
            Whether the agent tells thin-edge.io that it is up or down.
            The message is retained on `te/device/main/service/otaferry/status/health`.
            The agent's user needs the right to write there.
            """
        ),
    ]

    private static let spool = [
        key(
            "spool.path",
            \.spool.path,
            .path,
            """
            The SQLite file that holds the firmware until it is in the cloud.
            Its directory must be on a local disk and writable for the agent.
            """
        ),
        key(
            "spool.quota",
            \.spool.quota,
            .size(.mebibytes(1)..., example: "4GiB"),
            """
            How many bytes of firmware are kept at most.
            What does not fit is refused until there is room.
            """
        ),
        key(
            "spool.reserve",
            \.spool.reserve,
            .size(.zero..., example: "64MiB").range("0B or more"),
            """
            How many bytes of the file system stay free whatever the quota allows.
            """
        ),
        key(
            "spool.keep-final",
            \.spool.keepFinal,
            .duration(.zero ... .days(365), example: "7d"),
            """
            How long a transfer that has ended stays in the list; its bytes go at once.
            """
        ),
    ]

    private static let intake = [
        key(
            "intake.one-shot-max",
            \.intake.oneShotMax,
            .size(.kibibytes(1) ... .megabytes(256), upperText: "256MB", example: "16MiB"),
            """
            The largest firmware that may come in one message.
            Larger ones come in segments, as `otaferry push` sends them.
            A message is held in memory until it is stored.
            """
        ),
        key(
            "intake.orphan-max",
            \.intake.orphanMax,
            .size(.zero ... .megabytes(256), upperText: "256MB", example: "8MiB").range("0B to 256MB"),
            """
            How many bytes of one transfer are kept while its `init` has not come yet.
            """
        ),
        key(
            "intake.segments-ttl",
            \.intake.segmentsTTL,
            .duration(.seconds(300) ... .days(30), example: "24h"),
            """
            A transfer that gets no byte for this long before it is complete ends as `expired`.
            """
        ),
        key(
            "intake.credit",
            \.intake.credit,
            .size(.kibibytes(256) ... .mebibytes(64), upperText: "64MiB", example: "8MiB"),
            """
            How many bytes a sender may have on the way before it waits for an `ack`.
            """
        ),
        key(
            "intake.open-transfers-max",
            \.intake.openTransfersMax,
            .integer(1...1_024),
            """
            How many transfers may be incomplete at the same time; further ones are refused.
            """
        ),
        key(
            "intake.any-product-key",
            \.intake.isAnyProductKeyAllowed,
            .boolean,
            """
            Whether senders may name a product key that no `[[product]]` lists.
            False: only listed products are taken.
            """
        ),
        key(
            "intake.allowed-signers",
            \.intake.allowedSigners,
            ConfigurationShape<String>.path.orEmpty(),
            """
            A file in the format of OpenSSH's `allowed_signers`; its principals are senders.
            Keys are `ssh-ed25519` or `ecdsa-sha2-nistp256`, `-nistp384`, `-nistp521`.
            Options are `namespaces`, `valid-after` and `valid-before`.
            Set: firmware without a valid signature of one of them, for `otaferry`, is refused.
            Empty: signatures are not asked for.
            The file is read when the agent starts: restart it after a change, above all when a key is taken away.
            """
        ),
    ]
}
