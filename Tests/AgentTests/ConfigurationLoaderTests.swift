import Agent
import FerryCore
import Logging
import Testing

@Suite("Reading the configuration")
struct ConfigurationLoaderTests {
    @Test("Without a file every value is its default")
    func defaults() throws {
        let configuration = try load("")
        #expect(configuration.broker.url == .tcp(host: "127.0.0.1", port: 1883))
        #expect(configuration.broker.username == "otaferry")
        #expect(configuration.broker.isFileTransferEnabled)
        #expect(configuration.spool.quota == .gibibytes(4))
        #expect(configuration.spool.keepFinal == .seconds(7 * 86_400))
        #expect(configuration.intake.segmentsTTL == .seconds(86_400))
        #expect(configuration.intake.isAnyProductKeyAllowed)
        #expect(configuration.cloud.apiEndpoint.url == "https://iot.cn-shanghai.aliyuncs.com/")
        #expect(configuration.cloud.uploadHosts.map(\.text) == ["*.aliyuncs.com"])
        #expect(configuration.upload.window == nil)
        #expect(configuration.retry.attemptsMax == nil)
        #expect(configuration.quota.callsPerSecond == 2)
        #expect(configuration.log.format == .auto)
        #expect(configuration.products.isEmpty)
        #expect(configuration.origins.isEmpty)
    }

    @Test("A named file must exist")
    func namedFileMustExist() throws {
        let directory = try ConfigurationDirectory()
        #expect(directory.mistakes() == ["otaferry.toml: the file cannot be read: No such file or directory"])
    }

    @Test("Every key of every kind is read")
    func everyKey() throws {
        let configuration = try load(
            """
            gateway = "gw-7"
            [broker]
            url = "mqtts://broker.local"
            username = ""
            file-transfer = false
            [spool]
            path = "/data/spool.db"
            reserve = "0B"
            [intake]
            open-transfers-max = 5
            any-product-key = false
            [cloud]
            region = "ap-southeast-1"
            instance-id = "iot-060a02m5"
            signature = "v3"
            upload-hosts = ["a.example", "*.b.example"]
            proxy = "socks5h://127.0.0.1:1080"
            interface = "wwan0"
            credentials = { source = "ecs-role", profile = "site" }
            [upload]
            rate-limit = "512KiB/s"
            window = "22:00-06:00"
            [retry]
            attempts-max = 3
            [quota]
            calls-per-second = 0.5
            [log]
            level = "debug"
            format = "json"
            [[product]]
            alias = "pumpctl"
            product-key = "a1AbCdEfGhI"
            module = "mcu"
            name = "{product}_{module}_{version}"
            rule = '-(?<version>\\d+\\.\\d+)'
            """
        )
        #expect(configuration.gateway.text == "gw-7")
        #expect(configuration.broker.url == .tls(host: "broker.local", port: 8883))
        #expect(configuration.broker.username.isEmpty)
        #expect(!configuration.broker.isFileTransferEnabled)
        #expect(configuration.spool.path == "/data/spool.db")
        #expect(configuration.spool.reserve == .zero)
        #expect(configuration.intake.openTransfersMax == 5)
        #expect(!configuration.intake.isAnyProductKeyAllowed)
        #expect(configuration.cloud.apiEndpoint.host == "iot.ap-southeast-1.aliyuncs.com")
        #expect(configuration.cloud.instanceID == "iot-060a02m5")
        #expect(configuration.cloud.signature == .v3)
        #expect(configuration.cloud.proxy?.url == "socks5h://127.0.0.1:1080")
        #expect(configuration.cloud.interface == "wwan0")
        #expect(configuration.cloud.credentials.source == .ecsRole)
        #expect(configuration.cloud.credentials.profile == "site")
        #expect(configuration.upload.rateLimit?.bytesPerSecond == .kibibytes(512))
        #expect(configuration.upload.window?.contains(minuteOfDay: 0) == true)
        #expect(configuration.retry.attemptsMax == 3)
        #expect(configuration.quota.callsPerSecond == 0.5)
        #expect(configuration.log.level == .debug)
        #expect(configuration.log.format == .json)
        let product = try #require(configuration.product(alias: "pumpctl"))
        #expect(product.name.filled(product: "p", version: "1.4", module: "mcu") == "p_mcu_1.4")
        #expect(product.rule?.version(in: "pumpctl-1.4.bin") == "1.4")
    }

    @Test("Drop-in files win over the file in byte order, --set wins over all")
    func precedence() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("[retry]\nmax = \"1m\"\nmin = \"1s\"\n[spool]\nquota = \"1GiB\"\n[upload]\nconcurrent = 2")
        try directory.write("[retry]\nmax = \"2m\"\n[spool]\nquota = \"2GiB\"", to: "otaferry.d/B.toml")
        try directory.write("[retry]\nmax = \"3m\"", to: "otaferry.d/a.toml")
        try directory.write("[retry]\nmax = \"9m\"", to: "otaferry.d/z.conf")
        let configuration = try directory.load(["retry.min=3s", "retry.min=4s", "broker.username=a=b"])
        #expect(configuration.retry.max == .seconds(180))
        #expect(configuration.retry.min == .seconds(4))
        #expect(configuration.spool.quota == .gibibytes(2))
        #expect(configuration.upload.concurrent == 2)
        #expect(configuration.broker.username == "a=b")
        #expect(configuration.origins["retry.max"]?.description == "\(directory.path)/otaferry.d/a.toml:2")
        let names = ["otaferry.toml", "otaferry.d/B.toml", "otaferry.d/a.toml"]
        #expect(configuration.files == names.map { "\(directory.path)/\($0)" })
        #expect(configuration.origins["retry.min"]?.description == "--set")
    }

    @Test("--set takes TOML for numbers, booleans and lists")
    func settings() throws {
        let configuration = try load(
            "",
            set: [
                "upload.concurrent=3", "broker.file-transfer=false", "quota.calls-per-second=2.5",
                "cloud.upload-hosts=[\"oss.example\"]",
            ]
        )
        #expect(configuration.upload.concurrent == 3)
        #expect(!configuration.broker.isFileTransferEnabled)
        #expect(configuration.quota.callsPerSecond == 2.5)
        #expect(configuration.cloud.uploadHosts.map(\.text) == ["oss.example"])
    }

    @Test("Products of later files are added")
    func products() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("[[product]]\nalias = \"a\"\nproduct-key = \"a1AbCdEfGhI\"")
        try directory.write("[[product]]\nalias = \"b\"\nproduct-key = \"b1AbCdEfGhI\"", to: "otaferry.d/b.toml")
        #expect(try directory.load().products.map(\.alias.text) == ["a", "b"])
    }

    @Test("The service manager's credentials are used where no key names a file")
    func credentials() throws {
        let directory = try ConfigurationDirectory()
        try directory.write("")
        let environment = ["CREDENTIALS_DIRECTORY": directory.path]
        var configuration = try directory.load(environment: environment)
        #expect(configuration.passwordFile == nil)
        #expect(configuration.credentialsFile == "/etc/otaferry/credentials")
        let password = try directory.write("secret", to: "mqtt-password")
        let aliyun = try directory.write("[default]", to: "aliyun")
        configuration = try directory.load(environment: environment)
        #expect(configuration.passwordFile == password)
        #expect(configuration.credentialsFile == aliyun)
        let settings = ["broker.password-file=\(directory.file)", "cloud.credentials.file=/etc/otaferry/credentials"]
        configuration = try directory.load(settings, environment: environment)
        #expect(configuration.passwordFile == directory.file)
        #expect(configuration.credentialsFile == "/etc/otaferry/credentials")
    }

    @Test("The effective values are a file that says the same, without secrets")
    func effective() throws {
        let text = """
            [broker]
            username = "quote \\" and \\\\ and \\u0007"
            [cloud]
            proxy = "http://joe:secret@proxy:3128"
            [retry]
            max = "7m"
            [[product]]
            alias = "a"
            product-key = "a1AbCdEfGhI"
            rule = '\\d+(?<version>.+)'
            """
        let first = try load(text)
        #expect(!first.effectiveText.contains("secret"))
        #expect(first.effectiveText.contains("max = \"7m\"  # "))
        #expect(first.effectiveText.contains("otaferry.toml:6\n"))
        #expect(first.effectiveText.contains("[[product]]  # "))
        #expect(first.effectiveText.contains("\nmin = \"2s\"\n"))
        let second = try load(first.effectiveText)
        #expect(second.broker == first.broker)
        #expect(second.retry == first.retry)
        #expect(second.products == first.products)
        #expect(second.gateway == first.gateway)
        #expect(second.cloud.proxy?.description == "http://***@proxy:3128")
    }

    @Test(
        "A host name becomes a name",
        arguments: [
            ("gw1", "gw1"), ("gw 1.example", "gw-1.example"), ("größe", "gr--e"), ("", "gateway"),
            (String(repeating: "x", count: 70), String(repeating: "x", count: 64)),
        ]
    )
    func hostNames(text: String, name: String) {
        #expect(HostName.name(from: text).text == name)
    }
}
