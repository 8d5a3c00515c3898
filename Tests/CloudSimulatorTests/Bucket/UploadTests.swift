import Crypto
import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("PostObject takes what the ticket allows")
struct UploadTests {
    private let content = TemporaryFolder.bytes(300_000)

    @Test("An object is stored whole, and the answer names its CRC")
    func stored() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let ticket = try await test.client.ticket(["FileSuffix": "tar.gz"])
        #expect(ticket["Host"].map { $0 + "/" } == test.cloud.endpoint)
        #expect(ticket["FirmwareUrl"] == "\(ticket["Host"] ?? "")/\(ticket["Key"] ?? "")")
        let response = try await test.client.upload(CloudClient.form(ticket), file: file)
        #expect(response.status == 200)
        var checksum = ECMAChecksum()
        content.withUnsafeBytes { checksum.add($0) }
        #expect(response.headers["x-oss-hash-crc64ecma"] == String(checksum.value))
        #expect(response.headers["x-oss-request-id"]?.isEmpty == false)
        #expect(response.headers["etag"]?.hasPrefix("\"") == true)
        let object = try #require(await test.cloud.objects.first)
        #expect(object.key == ticket["Key"])
        #expect(object.sha256 == Hex.encode(SHA256.hash(data: content)))
        #expect(object.md5 == Hex.encode(Insecure.MD5.hash(data: content)))
        #expect(try Data(contentsOf: URL(fileURLWithPath: object.path)) == Data(content))
    }

    @Test("The status of success is the one asked for, and 204 otherwise", arguments: ["200", "201", "204", "299", ""])
    func successStatus(status: String) async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        var form = CloudClient.form(try await test.client.ticket()).dropLast()
        form[3].0 = "Signature"
        let response = try await test.client.upload(
            form + (status.isEmpty ? [] : [("success_action_status", status)]),
            file: file
        )
        #expect(response.status == (["200", "201"].contains(status) ? Int(status) : 204))
        #expect(response.body.contains("<PostResponse><Bucket>") == (status == "201"))
    }

    @Test("Whatever breaks the ticket is refused in XML, and leaves no object")
    func refused() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let form = CloudClient.form(try await test.client.ticket())
        func changed(_ name: String, _ value: String?) -> [(String, String)] {
            form.compactMap { field in field.0 == name ? value.map { (name, $0) } : field }
        }
        let other = Data(#"{"expiration":"2099-01-01T00:00:00.000Z","conditions":[["starts-with","$key",""]]}"#.utf8)
        let cases: [(Int, String, [(String, String)])] = [
            (403, "AccessDenied", changed("key", "ota/other.bin")),
            (403, "SignatureDoesNotMatch", changed("policy", other.base64EncodedString())),
            (403, "SignatureDoesNotMatch", changed("signature", "AAAA")),
            (403, "InvalidAccessKeyId", changed("OSSAccessKeyId", "somebody")),
            (400, "InvalidArgument", changed("policy", nil)), (400, "InvalidArgument", changed("signature", nil)),
            (400, "InvalidArgument", changed("OSSAccessKeyId", nil)), (400, "InvalidArgument", changed("key", nil)),
            (400, "InvalidObjectName", changed("key", "/ota/x.bin")),
            (400, "MalformedPOSTRequest", form + [("key", "ota/x.bin")]),
        ]
        for (status, code, fields) in cases {
            let response = try await test.client.upload(fields, file: file)
            #expect(response.status == status, "\(fields)")
            #expect(response.body.contains("<Error><Code>\(code)</Code>"), "\(response.body)")
            #expect(response.headers["content-type"] == "application/xml")
        }
        #expect(await test.cloud.objects.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: test.folder.file("incoming")).isEmpty)
    }

    @Test("A form without a file, after the file, or to another path is refused")
    func shape() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let form = CloudClient.form(try await test.client.ticket())
        let fields = form.flatMap { ["--form-string", "\($0.0)=\($0.1)"] }
        let without = try await test.client.curl(fields + [test.cloud.endpoint])
        #expect(without.body.contains("IncorrectNumberOfFilesInPOSTRequest"))
        let first = try await test.client.curl(fields + ["-F", "file=@\(file)", "-F", "late=1", test.cloud.endpoint])
        #expect(first.body.contains("MalformedPOSTRequest"))
        let elsewhere = try await test.client.curl(fields + ["-F", "file=@\(file)", test.cloud.endpoint + "x"])
        #expect(elsewhere.status == 405)
    }

    @Test("A body without a length or with another digest than announced is refused; chunks are taken")
    func framing() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let form = CloudClient.form(try await test.client.ticket())
        let digest = try await test.client.upload(form, file: file, ["-H", "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg=="])
        #expect(digest.body.contains("InvalidDigest"))
        let header = "Content-Type: multipart/form-data; boundary=B"
        let without = try await test.client.curl(["-X", "POST", "-H", header, test.cloud.endpoint])
        #expect(without.status == 411)
        #expect(without.body.contains("MissingContentLength"))
        #expect(await test.cloud.objects.isEmpty)
        let chunked = try await test.client.upload(form, file: file, ["-H", "Transfer-Encoding: chunked"])
        #expect(chunked.status == 200)
        #expect(await test.cloud.objects.first?.size == 300_000)
    }

    @Test("A ticket is over when its time is")
    func expired() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let form = CloudClient.form(try await test.client.ticket())
        test.cloud.setClockOffset(.seconds(61))
        let response = try await test.client.upload(form, file: file)
        #expect(response.status == 403)
        #expect(response.body.contains("Policy expired"))
    }

    @Test("A ticket that ends while the file is coming is over in the strict reading only")
    func expiredOnTheWay() async throws {
        for check in [CloudConfiguration.ExpiryCheck.form, .wholeRequest] {
            let test = try await TestCloud { $0.expiryCheck = check }
            let file = try test.folder.write(TemporaryFolder.bytes(600_000), to: "fw.bin")
            let form = CloudClient.form(try await test.client.ticket())
            let gate = Gate()
            test.cloud.setFault(.postObject, .holdUpload(afterBytes: 100_000, gate))
            async let response = test.client.upload(form, file: file)
            try await test.cloud.waitFor(.postObject, .received)
            try await eventually { test.cloud.calls.last?.parameters["key"] != nil }
            test.cloud.setClockOffset(.seconds(61))
            gate.open()
            #expect(try await response.status == (check == .form ? 200 : 403))
        }
    }

    @Test("A file over the ticket's range is refused before it has come; its sender may still be sending")
    func tooLarge() async throws {
        let test = try await TestCloud { $0.sizeMaximum = 1_000_000 }
        let file = try test.folder.write([UInt8](repeating: 7, count: 8_000_000), to: "big.bin")
        let fits = try test.folder.write([UInt8](repeating: 7, count: 1_000_000), to: "fits.bin")
        let response = try await test.client.upload(
            CloudClient.form(try await test.client.ticket()),
            file: file,
            ["-H", "Expect:"]
        )
        #expect(response.status == 400)
        #expect(response.body.contains("EntityTooLarge"))
        let record = try #require(test.cloud.calls(.postObject).first)
        #expect(record.bodyBytes < 1_000_000)
        let chunked = try await test.client.upload(
            CloudClient.form(try await test.client.ticket()),
            file: file,
            ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]
        )
        #expect(chunked.body.contains("EntityTooLarge"))
        #expect(
            try await test.client.upload(CloudClient.form(try await test.client.ticket()), file: fits).status == 200
        )
    }

    @Test("An upload that breaks off leaves nothing")
    func brokenOff() async throws {
        let test = try await TestCloud()
        let file = try test.folder.write(content, to: "fw.bin")
        let form = CloudClient.form(try await test.client.ticket())
        let words = form.flatMap { ["--form-string", "\($0.0)=\($0.1)"] }
        let curl = try ProgramRunner(
            "curl",
            ["-s", "--limit-rate", "10k"] + words + ["-F", "file=@\(file)", test.cloud.endpoint]
        )
        try await test.cloud.waitForUpload(bytes: 500)
        try await curl.kill()
        let record = try #require(try await test.cloud.waitFor(.postObject).first)
        #expect(record.status == nil)
        #expect(await test.cloud.objects.isEmpty)
        try await eventually {
            try FileManager.default.contentsOfDirectory(atPath: test.folder.file("incoming")).isEmpty
        }
    }
}
