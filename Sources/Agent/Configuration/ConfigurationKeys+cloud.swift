import FerryCore
import Logging

extension ConfigurationKeys {
    private static func key<Value: Sendable>(
        _ path: String,
        _ target: any WritableKeyPath<Configuration, Value> & Sendable,
        _ shape: ConfigurationShape<Value>,
        _ effect: String
    ) -> ConfigurationKey<Configuration> {
        ConfigurationKey(path, target, shape, of: Configuration(), effect: effect)
    }

    static let cloud = [
        key(
            "cloud.region",
            \.cloud.region,
            .token("region", range: "lower-case letters, digits, hyphens", example: "cn-shanghai") { text in
                (2...32).contains(text.utf8.count) && text.first != "-"
                    && text.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
            },
            """
            The region of the IoT instance; it decides the endpoint.
            """
        ),
        key(
            "cloud.endpoint",
            \.cloud.endpoint,
            ConfigurationShape<CloudEndpoint>.parsed(
                "URL",
                range: "https://host/, http only to a loopback address",
                expected: "https://host/, or http only to a loopback address such as http://127.0.0.1:8080/",
                CloudEndpoint.init(parsing:)
            ).orEmpty(),
            """
            Where the cloud's API is called.
            Empty: `https://iot.<region>.aliyuncs.com/`.
            Plain http is for the simulated cloud on the same machine.
            """
        ),
        key(
            "cloud.instance-id",
            \.cloud.instanceID,
            ConfigurationShape<String>.token(
                "instance",
                range: "letters, digits, hyphens, underscores",
                example: "iot-cn-0pp1n8t"
            ) {
                text in
                (1...64).contains(text.utf8.count)
                    && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            }.orEmpty(),
            """
            The id of an enterprise instance, as the console shows it.
            Empty: the public instance.
            """
        ),
        key(
            "cloud.signature",
            \.cloud.signature,
            .choice,
            """
            How calls are signed: `v1` is HMAC-SHA1 in the query, `v3` is ACS3-HMAC-SHA256 in a header.
            """
        ),
        key(
            "cloud.format",
            \.cloud.format,
            .choice,
            """
            The format of the cloud's answers.
            `xml` needs signature `v1`.
            """
        ),
        key(
            "cloud.upload-hosts",
            \.cloud.uploadHosts,
            .hosts,
            """
            The hosts to which a ticket may send the bytes; any other is refused.
            The endpoint's own host is always allowed.
            """
        ),
        key(
            "cloud.ca-file",
            \.cloud.caFile,
            ConfigurationShape<String>.path.orEmpty(),
            """
            Certificates, in PEM form, of the authorities that may have signed the cloud's certificates.
            Empty: the system's store.
            """
        ),
        key(
            "cloud.proxy",
            \.cloud.proxy,
            ConfigurationShape<ProxyAddress>.parsed(
                "URL",
                range: "http://, https://, socks5://, socks5h://",
                expected: "a proxy such as http://proxy:3128 or socks5h://127.0.0.1:1080",
                ProxyAddress.init(parsing:)
            ).orEmpty(),
            """
            The proxy for all calls and uploads.
            `socks5h` lets the proxy look up host names.
            A user and a password stand before the host, percent-encoded, as in `http://gate:p%40ss@proxy:3128`.
            The file belongs to the agent's user then, with the mode 0600: with another owner the agent cannot read it.
            Hosts that `no_proxy` names in the environment are reached without it.
            Empty: what the environment says in `https_proxy` and `no_proxy`.
            """
        ),
        key(
            "cloud.interface",
            \.cloud.interface,
            ConfigurationShape<String>.token(
                "interface",
                range: "a network interface or a source address",
                example: "wwan0"
            ) { text in
                (1...64).contains(text.utf8.count)
                    && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".:-_@".contains($0)) }
            }.orEmpty(),
            """
            The network interface or source address that calls and uploads leave by.
            Empty: the routing table decides.
            """
        ),
    ]

    static let credentials = [
        key(
            "cloud.credentials.source",
            \.cloud.credentials.source,
            .choice,
            """
            Where the access key comes from.
            `file` reads `cloud.credentials.file`.
            `chain` looks where the official SDKs look, in their order.
            `ecs-role` asks the metadata service of an ECS instance.
            """
        ),
        key(
            "cloud.credentials.file",
            \.cloud.credentials.file,
            .path,
            """
            The INI file with the access key, in the form that the official SDKs read.
            Where no source sets it and the service manager passes a credential `aliyun`, that one is read.
            """
        ),
        key(
            "cloud.credentials.profile",
            \.cloud.credentials.profile,
            .token("profile", range: "1 to 64 characters without brackets", example: "default") { text in
                (1...64).contains(text.utf8.count)
                    && text.allSatisfy { $0.isASCII && $0 != "[" && $0 != "]" && ("!"..."~").contains($0) }
            },
            """
            The section of the INI file.
            """
        ),
    ]

    static let upload = [
        key(
            "upload.rate-limit",
            \.upload.rateLimit,
            ConfigurationShape<UploadRate>.parsed(
                "rate",
                range: "1KiB/s or more",
                expected: "a rate such as \"512KiB/s\"",
                UploadRate.init(parsing:)
            ).orEmpty(),
            """
            How many bytes a second one upload may send.
            Empty: as many as the link takes.
            """
        ),
        key(
            "upload.window",
            \.upload.window,
            ConfigurationShape<UploadWindow>.parsed(
                "window",
                range: "HH:MM-HH:MM with different ends",
                expected: "a window such as \"22:00-06:00\"",
                UploadWindow.init(parsing:)
            ).orEmpty(),
            """
            The part of the day, in local time, in which uploads start; it may span midnight.
            Uploads in flight at its end finish.
            Empty: the whole day.
            """
        ),
        key(
            "upload.stall-timeout",
            \.upload.stallTimeout,
            .duration(.seconds(1) ... .seconds(3_600), example: "60s"),
            """
            An attempt that gets no byte accepted for this long ends and is repeated later.
            """
        ),
        key(
            "upload.concurrent",
            \.upload.concurrent,
            .integer(1...4),
            """
            How many uploads run at the same time.
            """
        ),
        key(
            "upload.register-window",
            \.upload.registerWindow,
            .duration(.seconds(1) ... .seconds(59 * 60), example: "55m"),
            """
            How long after its upload a firmware may be registered; later it is uploaded anew.
            The cloud itself allows one hour.
            """
        ),
    ]

    static let pacing = [
        key(
            "retry.min",
            \.retry.min,
            .duration(.milliseconds(100) ... .seconds(3_600), example: "2s"),
            """
            The first pause after a failure; the pauses grow from here, with jitter.
            """
        ),
        key(
            "retry.max",
            \.retry.max,
            .duration(.milliseconds(100)..., example: "15m").range("`retry.min` or more"),
            """
            The longest pause between two attempts.
            """
        ),
        key(
            "retry.attempts-max",
            \.retry.attemptsMax,
            ConfigurationShape<Int>.integer(1...1_000_000).orZero(),
            """
            After so many attempts a transfer ends as `failed`.
            0: it is tried without end.
            """
        ),
        key(
            "quota.calls-per-second",
            \.quota.callsPerSecond,
            .number(above: 0, upTo: 10),
            """
            How many calls a second this gateway makes at most, all kinds together.
            The account has 10 for all its gateways; where they make more, each finds [its share](fleet.md) by itself.
            """
        ),
    ]

    static let metrics = [
        key(
            "metrics.textfile",
            \.metrics.textfile,
            ConfigurationShape<String>.path.orEmpty(),
            """
            A file for the textfile collector of Prometheus' node_exporter.
            On Debian these are the files `/var/lib/prometheus/node-exporter/*.prom`.
            It is written when something has changed, at most every 15 seconds.
            The agent's user must be able to write its folder.
            Empty: none is written.
            """
        )
    ]

    static let log = [
        key(
            "log.level",
            \.log.level,
            .choice,
            """
            The least level that is logged.
            `info` has one line per transfer and state.
            """
        ),
        key(
            "log.format",
            \.log.format,
            .choice,
            """
            How lines look on standard error.
            `journal` is for the system's journal, `text` for terminals, `json` for collectors.
            `auto` is `journal` under systemd, else `text`.
            """
        ),
    ]
}

extension Duration {
    /// Days of 24 hours.
    static func days(_ count: Int) -> Duration { .seconds(count * 86_400) }
}

extension ByteCount {
    /// Millions of bytes.
    static func megabytes(_ count: Int64) -> ByteCount { ByteCount(rawValue: count * 1_000_000) }
}
