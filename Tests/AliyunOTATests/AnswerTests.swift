import Testing

@testable import AliyunOTA

@Suite("Answers and addresses")
struct AnswerTests {
    @Test("An error document of OSS is read")
    func storage() {
        let body = """
            <?xml version="1.0" encoding="UTF-8"?>
            <Error><Code>AccessDenied</Code><Message>Policy &amp; more</Message><RequestId>5FC9</RequestId></Error>
            """
        let answer = StorageAnswer(xml: Array(body.utf8))
        #expect(answer?.code == "AccessDenied")
        #expect(answer?.message == "Policy & more")
        #expect(answer?.requestID == "5FC9")
    }

    @Test(
        "What is no error document is refused",
        arguments: [
            "", "<html><body>502</body></html>", "<Error><Code>X</Code>", "<Error></Error>", "garbage",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><Error><Code>&a;</Code></Error>",
            String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100),
        ]
    )
    func noStorage(body: String) { #expect(StorageAnswer(xml: Array(body.utf8)) == nil) }

    @Test("Envelopes of both shapes are read, in either case of the names")
    func platform() {
        let inBand = PlatformAnswer(
            Array(#"{"RequestId":"r","Success":false,"Code":"iot.x","ErrorMessage":"m"}"#.utf8)
        )
        #expect(inBand?.success == false && inBand?.code == "iot.x" && inBand?.message == "m")
        let gateway = PlatformAnswer(Array(#"{"requestId":"r","code":"Throttling","message":"m"}"#.utf8))
        #expect(gateway?.success == nil && gateway?.code == "Throttling" && gateway?.requestID == "r")
        for text in ["", "[]", "{}", "{\"a\":", "<html>", "\"x\""] {
            #expect(PlatformAnswer(Array(text.utf8)) == nil)
        }
    }

    @Test(
        "An address is read strictly",
        arguments: [
            "https://good.aliyuncs.com@evil.example/", "https://a b/", "https://a\\b/", "ftp://a/", "https://",
            "https://a:0/",
            "https://a:99999/", "https://a?x", "https://a/#x", "https://a/\r\nX: y", "//a/", "https://[::1",
            "https://ä/",
        ]
    )
    func badAddresses(text: String) { #expect(CloudAddress(text) == nil) }

    @Test("Hosts are allowed by glob, the endpoint's own on any port, http on loopback only")
    func hosts() throws {
        let endpoint = try #require(CloudAddress("http://127.0.0.1:8080/"))
        let hosts = UploadHosts(endpoint: endpoint, globs: ["*.aliyuncs.com"])
        func allows(_ text: String) -> Bool { CloudAddress(text).map(hosts.allow) ?? false }
        #expect(allows("https://iotx-ota.oss-cn-shanghai.aliyuncs.com"))
        #expect(allows("https://IOTX.ALIYUNCS.COM:8443/"))
        #expect(allows("http://127.0.0.1:9000"))
        #expect(!allows("http://iotx-ota.oss-cn-shanghai.aliyuncs.com"))
        #expect(!allows("https://aliyuncs.com.evil.example"))
        #expect(!allows("https://evilaliyuncs.com"))
        #expect(!allows("https://aliyuncs.com"))
        #expect(!allows("http://127.0.0.2:9000"))
        #expect(!CloudAddress("http://127.0.0.1.evil.example")!.isLoopback)
    }
}
