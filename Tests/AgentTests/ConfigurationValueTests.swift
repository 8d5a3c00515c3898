import Agent
import FerryCore
import Testing

@Suite("Values in the configuration")
struct ConfigurationValueTests {
    /// Keys with values at the ends of their ranges and just beyond.
    private static let ranges: [(key: String, inside: [String], outside: [String])] = [
        ("retry.min", ["100ms", "15m"], ["99ms", "61m", "0s", "-1s", ""]),
        ("retry.max", ["2s", "30d"], ["1s"]),
        ("upload.stall-timeout", ["1s", "1h"], ["999ms", "3601s"]),
        ("upload.register-window", ["1s", "59m"], ["999ms", "1h"]),
        ("upload.concurrent", ["1", "4"], ["0", "5", "1.5", "true", "x", "1\nb=2"]),
        ("upload.rate-limit", ["", "1KiB/s", "1MB/s"], ["1B/s", "1KiB", "/s", "1KiB/m"]),
        ("upload.window", ["", "00:00-23:59", "22:00-06:00"], ["24:00-01:00", "1:00-2:00", "22:00", "08:00-08:00"]),
        ("spool.keep-final", ["0s", "365d"], ["366d"]),
        ("spool.quota", ["1MiB", "1048576", "100TiB"], ["1048575B", "-1MiB"]),
        ("spool.reserve", ["0", "0B", "1GiB"], ["x"]),
        ("intake.segments-ttl", ["5m", "30d"], ["299s", "31d"]),
        ("intake.one-shot-max", ["1KiB", "256MB"], ["1023B", "256MiB"]),
        ("intake.orphan-max", ["0B", "256MB"], ["257MB"]),
        ("intake.credit", ["256KiB", "64MiB"], ["255KiB", "65MiB"]),
        ("intake.open-transfers-max", ["1", "1024"], ["0", "1025"]),
        ("retry.attempts-max", ["0", "1"], ["-1"]),
        ("quota.calls-per-second", ["0.01", "10"], ["0", "-1", "10.1", "nan", "inf", "fast"]),
        ("broker.file-transfer", ["true", "false"], ["yes", "1", "\"true\""]),
        (
            "broker.url", ["mqtt://h", "mqtts://h:1", "mqtt://[::1]:1883", "mqtt+unix:///run/m.sock"],
            [
                "h:1883", "mqtt://", "mqtt://h:0", "mqtt://h:65536", "mqtt://h/path", "tcp://h", "mqtt+unix://run",
                "mqtt://u@h", "mqtt://h:+1",
            ]
        ),
        (
            "cloud.endpoint",
            ["", "https://h", "https://h:8443/", "http://127.0.0.1:80/", "http://localhost", "http://[::1]:9/"],
            [
                "http://h", "https://h/path", "https://u:p@h", "http://127.0.0.1.example", "http://127.0.0.1@h/",
                "ftp://h",
            ]
        ),
        (
            "cloud.proxy", ["", "http://h:3128", "https://h", "socks5://h", "socks5h://u:p@h:1080"],
            ["h:3128", "socks4://h", "http://"]
        ),
        ("cloud.region", ["cn-shanghai", "us-west-1"], ["", "CN", "a.b", "x/../"]),
        (
            "cloud.upload-hosts", ["[]", "[\"*.a.example\", \"b\"]"],
            ["[\"*\"]", "[\"*.com\"]", "[\"a*b\"]", "[1]", "a"]
        ),
        ("cloud.signature", ["v1", "v3"], ["v2", "V1", ""]),
        ("cloud.format", ["json", "xml"], ["yaml"]),
        ("cloud.credentials.source", ["file", "chain", "ecs-role"], ["env"]),
        ("log.level", ["trace", "critical"], ["loud"]),
        ("log.format", ["auto", "journal", "text", "json"], ["xml"]),
        ("gateway", ["a", String(repeating: "x", count: 64)], ["", "a/b", "+", String(repeating: "x", count: 65)]),
    ]

    @Test("Ranges hold at their ends", arguments: ranges)
    func range(key: String, inside: [String], outside: [String]) throws {
        for value in inside { #expect(try mistakes("", set: ["\(key)=\(value)"]).isEmpty, "\(key)=\(value)") }
        for value in outside { #expect(try mistakes("", set: ["\(key)=\(value)"]).count == 1, "\(key)=\(value)") }
    }

    @Test("Any size and duration survives being written and read")
    func roundTrip() {
        var generator = SystemRandomNumberGenerator()
        for shift in 0..<2_000 {
            let size = ByteCount(rawValue: Int64.random(in: 0...Int64.max, using: &generator) >> Int64(shift % 63))
            #expect(ByteCount(parsing: size.configurationText) == size)
            let time = Int64.random(in: 0...Int64.max / 1_000_000, using: &generator) >> Int64(shift % 43)
            let duration = Duration.milliseconds(time)
            #expect(Duration(parsing: duration.configurationText) == duration)
        }
    }

    @Test("No text makes the readers of values crash, and what they take they write alike")
    func anyText() {
        var generator = SystemRandomNumberGenerator()
        let pieces = [
            "mqtt", "s", "+unix", "://", "@", ":", "/", "[", "]", "::1", "h", "1883", "*.", ".", "{", "}", "version",
            "-", "22:00", "KiB/s", "ü", "\0", "?",
        ]
        for _ in 0..<5_000 {
            let text = (0..<Int.random(in: 0...7, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }.joined()
            if let value = try? BrokerAddress(parsing: text) {
                #expect((try? BrokerAddress(parsing: "\(value)")) == value)
            }
            if let value = try? CloudEndpoint(parsing: text) {
                #expect((try? CloudEndpoint(parsing: value.url)) == value)
            }
            if let value = try? UploadWindow(parsing: text) {
                #expect((try? UploadWindow(parsing: "\(value)")) == value)
            }
            if let value = try? UploadRate(parsing: text) { #expect((try? UploadRate(parsing: "\(value)")) == value) }
            if let value = try? NameTemplate(parsing: text) {
                #expect((try? NameTemplate(parsing: "\(value)")) == value)
            }
            _ = try? HostPattern(parsing: text)
            _ = try? ProxyAddress(parsing: text)
        }
    }

    @Test("A window contains its start, not its end, and may span midnight")
    func windows() throws {
        let night = try UploadWindow(parsing: "22:00-06:00")
        #expect(night.contains(minuteOfDay: 22 * 60))
        #expect(night.contains(minuteOfDay: 0))
        #expect(!night.contains(minuteOfDay: 6 * 60))
        #expect(!night.contains(minuteOfDay: 12 * 60))
        let day = try UploadWindow(parsing: "08:00-09:30")
        #expect(day.contains(minuteOfDay: 8 * 60))
        #expect(!day.contains(minuteOfDay: 9 * 60 + 30))
        #expect(!day.contains(minuteOfDay: 0))
    }

    @Test("A host pattern covers the names below it only")
    func hosts() throws {
        let pattern = try HostPattern(parsing: "*.aliyuncs.com")
        #expect(pattern.matches("bucket.oss-cn-shanghai.ALIYUNCS.com"))
        #expect(!pattern.matches("aliyuncs.com"))
        #expect(!pattern.matches("evilaliyuncs.com"))
        #expect(!pattern.matches("a.aliyuncs.com.evil.example"))
        #expect(try HostPattern(parsing: "oss.example").matches("oss.example"))
    }

    @Test("A name template refuses what it does not know", arguments: ["{produkt}", "{", "}", "{}", "a{version", ""])
    func templates(text: String) {
        #expect(throws: Expectation.self) { try NameTemplate(parsing: text) }
    }

    @Test("A version rule needs its group and finds the version")
    func rules() throws {
        #expect(throws: Expectation.self) { try VersionRule(parsing: "v(.*)") }
        #expect(throws: Expectation.self) { try VersionRule(parsing: "(?<version>") }
        let rule = try VersionRule(parsing: #"_v(?<version>[0-9.]+)(-\w+)?\.bin$"#)
        #expect(rule.version(in: "pump_v1.4.2-rc.bin") == "1.4.2")
        #expect(rule.version(in: "pump.bin") == nil)
    }
}
