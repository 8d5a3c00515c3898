import FerryCore
import FoundationEssentials
import Testing

@testable import AliyunOTA

@Suite("Upload form and policy")
struct UploadFormTests {
    @Test("A form has exactly the bytes of the official writer")
    func vectors() async throws {
        let vectors = try Vectors.list("multipart_post.json", "vectors")
        #expect(vectors.count == 5)
        for vector in vectors {
            let file = vector["file_field"] ?? .null
            let content = Vectors.bytes(hex: file.text("content_hex"))
            let form = UploadForm(
                fields: (vector["fields_in_order"]?.array ?? []).map {
                    (name: $0.array?.first?.string ?? "", value: $0.array?.last?.string ?? "")
                },
                fileField: file.text("name"),
                fileName: file.text("filename"),
                contentType: file.text("content_type"),
                boundary: vector.text("boundary")
            )
            #expect(form.head + content + form.tail == Data(base64Encoded: vector.text("body_base64")).map(Array.init))
            #expect(form.contentLength(fileSize: Int64(content.count)) == vector["content_length"]?.integer)
            #expect(form.contentType == vector.text("content_type_header"))
            var crc = CRC64()
            crc.update(content)
            #expect(String(crc.value) == vector.text("crc64_of_file_decimal"))
        }
    }

    @Test("Every CRC-64 vector gives OSS's number")
    func sums() throws {
        let vectors = try Vectors.list("crc64.json", "vectors")
        #expect(vectors.count == 15)
        for vector in vectors {
            let bytes = Self.input(vector["input"] ?? .null)
            #expect(Int64(bytes.count) == vector["length"]?.integer)
            var crc = CRC64()
            let step = Int(vector["update_chunk_size"]?.integer ?? Int64(max(bytes.count, 1)))
            for start in stride(from: 0, to: bytes.count, by: step) {
                crc.update(bytes[start..<min(start + step, bytes.count)])
            }
            #expect(String(crc.value) == vector.text("crc64_decimal"), "\(vector.text("id"))")
            #expect(SignatureV3.hexSHA256(bytes) == vector.text("sha256_hex"))
        }
    }

    private static func input(_ value: JSONValue) -> [UInt8] {
        let count = Int(value["count"]?.integer ?? 0)
        if let text = value["utf8"]?.string { return Array(text.utf8) }
        if let hex = value["hex"]?.string { return Vectors.bytes(hex: hex) }
        if let byte = value["repeat_byte_hex"]?.string {
            return Array(repeating: UInt8(byte, radix: 16) ?? 0, count: count)
        }
        var state = value["lcg_seed"]?.integer ?? 0
        return (0..<count).map { _ in
            state = (1_103_515_245 * state + 12_345) % (1 << 31)
            return UInt8((state >> 16) & 255)
        }
    }

    @Test("Every policy vector is read: expiration, size range, conditions")
    func policies() throws {
        for list in ["v1_vectors", "v4_vectors"] {
            for vector in try Vectors.list("oss_post_policy.json", list) where !vector.text("policy_json").isEmpty {
                let policy = try #require(UploadPolicy(base64: vector.text("policy_base64")))
                let json = try JSONValue(parsing: vector.text("policy_json"))
                #expect(policy.expiration == WallTime(iso8601: json.text("expiration")))
                let rules = json["conditions"]?.array ?? []
                let range = rules.compactMap(\.array).first { $0[0] == "content-length-range" }
                #expect(policy.size.lowerBound == range?[1].integer ?? 0)
                #expect(policy.size.upperBound == range?[2].integer ?? UploadPolicy.sizeLimit)
                #expect(policy.conditions.count == rules.count - (range == nil ? 0 : 1))
                guard list == "v1_vectors", let fields = vector["form_fields_before_file"]?.object else { continue }
                let broken = policy.brokenCondition(fields: fields.map { (name: $0, value: $1.string ?? "") })
                // Two vectors name another key than their form has; they are about the signature.
                #expect((broken != nil) == vector.text("note").hasPrefix("non-ASCII key"), "\(vector.text("id"))")
            }
        }
    }

    @Test(
        "A condition on the key that the ticket's own key breaks is found",
        arguments: [
            (#"["eq","$key","ota/a.bin"]"#, "ota/b.bin"), (#"["starts-with","$key","ota/"]"#, "other/a.bin"),
            (#"{"key":"ota/a.bin"}"#, "ota/A.bin"), (#"["in","$key",["a","b"]]"#, "c"),
            (#"["not-in","$key",["a"]]"#, "a"),
        ]
    )
    func brokenConditions(rule: String, key: String) throws {
        let text = #"{"expiration":"2026-01-02T03:05:05.000Z","conditions":[\#(rule)]}"#
        let policy = try #require(UploadPolicy(base64: Data(text.utf8).base64EncodedString()))
        #expect(policy.brokenCondition(fields: [("key", key)]) != nil)
    }

    @Test("What is no policy is refused", arguments: ["", "!!!", "e30=", "bm90IGpzb24="])
    func garbage(text: String) { #expect(UploadPolicy(base64: text) == nil) }

    @Test("Names cannot break out of their quotes")
    func quoting() {
        let form = UploadForm(fields: [], fileName: "a\"\r\nX: y", boundary: "b")
        #expect(String(decoding: form.head, as: UTF8.self).contains(#"filename="a%22%0D%0AX: y""#))
    }
}
