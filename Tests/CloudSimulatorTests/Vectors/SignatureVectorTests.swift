import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("The simulator's own signatures agree with the official SDKs")
struct SignatureVectorTests {
    private struct RPCFile: Decodable {
        struct Vector: Decodable {
            let id: String
            let method: String
            let access_key_secret: String
            let query_params: [String: String]
            let form_params: [String: String]
            let string_to_sign: String
            let signature: String
            let sdk_request_target: String?
            let sdk_content_type: String?
            let sdk_body: String?
        }
        let vectors: [Vector]
    }

    @Test("Every V1 vector gives the SDK's string to sign and signature")
    func rpcVectors() throws {
        let file = try JSONDecoder().decode(RPCFile.self, from: Vectors.data("rpc_v1.json"))
        #expect(file.vectors.count == 55)
        for vector in file.vectors {
            let parameters = (Array(vector.query_params) + Array(vector.form_params)).map {
                Parameter(name: $0.key, value: $0.value)
            }
            let text = RPCSignature.stringToSign(method: vector.method, parameters: parameters)
            #expect(text == vector.string_to_sign, "\(vector.id)")
            #expect(RPCSignature.sign(text, secret: vector.access_key_secret) == vector.signature, "\(vector.id)")
        }
    }

    @Test("A request as the SDK sent it is read back to the parameters that were signed")
    func rpcRequests() throws {
        let file = try JSONDecoder().decode(RPCFile.self, from: Vectors.data("rpc_v1.json"))
        var count = 0
        for vector in file.vectors {
            guard let target = vector.sdk_request_target else { continue }
            count += 1
            let request = RPCRequest(
                method: vector.method,
                path: "/",
                query: String(target.dropFirst(2)),
                headers: vector.sdk_content_type.map { ["content-type": $0] } ?? [:],
                body: Data((vector.sdk_body ?? "").utf8)
            )
            let text = RPCSignature.stringToSign(method: vector.method, parameters: request.parameters)
            #expect(text == vector.string_to_sign, "\(vector.id)")
            #expect(request["Signature"] == vector.signature, "\(vector.id)")
        }
        #expect(count > 30)
    }

    private struct V3File: Decodable {
        struct Vector: Decodable {
            let id: String
            let method: String
            let path: String
            let access_key_id: String
            let access_key_secret: String
            let query_params: [String: String]
            let signed_headers_input: [String: String]
            let hashed_request_payload: String
            let canonical_request: String
            let string_to_sign: String
            let authorization: String
        }
        let vectors: [Vector]
    }

    @Test("Every V3 vector gives the SDK's canonical request and signature")
    func v3Vectors() throws {
        let file = try JSONDecoder().decode(V3File.self, from: Vectors.data("acs3_v3.json"))
        #expect(file.vectors.count == 24)
        for vector in file.vectors {
            let signed = try #require(ACS3Signature(authorization: vector.authorization), "\(vector.id)")
            #expect(signed.accessKeyID == vector.access_key_id)
            let canonical = ACS3Signature.canonicalRequest(
                method: vector.method,
                path: vector.path,
                query: vector.query_params.map { Parameter(name: $0.key, value: $0.value) },
                headers: Dictionary(uniqueKeysWithValues: vector.signed_headers_input.map { ($0.key.lowercased(), $0.value) }),
                signedHeaders: signed.signedHeaders,
                payloadHash: vector.hashed_request_payload
            )
            #expect(canonical == vector.canonical_request, "\(vector.id)")
            let text = ACS3Signature.stringToSign(canonicalRequest: canonical)
            #expect(text == vector.string_to_sign, "\(vector.id)")
            #expect(ACS3Signature.sign(text, secret: vector.access_key_secret) == signed.signature, "\(vector.id)")
        }
    }

    private struct EncodingFile: Decodable {
        struct Case: Decodable {
            let input: String
            let percent_encoded: String
        }
        let percent_encoding: [Case]
    }

    @Test("Every text is encoded as the SDK encodes it, and decoded back")
    func encoding() throws {
        let file = try JSONDecoder().decode(EncodingFile.self, from: Vectors.data("encoding.json"))
        #expect(file.percent_encoding.count == 126)
        for item in file.percent_encoding {
            #expect(PercentCoding.encode(item.input) == item.percent_encoded)
            #expect(PercentCoding.decode(item.percent_encoded).utf8.elementsEqual(item.input.utf8))
        }
    }

    private struct PolicyFile: Decodable {
        struct Vector: Decodable {
            let id: String
            let access_key_secret: String
            let policy_json: String
            let policy_base64: String
            let signature: String
        }
        let v1_vectors: [Vector]
    }

    @Test("Every policy of a form is signed as the SDK signs it")
    func policies() throws {
        let file = try JSONDecoder().decode(PolicyFile.self, from: Vectors.data("oss_post_policy.json"))
        #expect(file.v1_vectors.count == 20)
        for vector in file.v1_vectors {
            #expect(Data(vector.policy_json.utf8).base64EncodedString() == vector.policy_base64, "\(vector.id)")
            let signature = PostPolicy.sign(vector.policy_base64, secret: vector.access_key_secret)
            #expect(signature == vector.signature, "\(vector.id)")
        }
    }

    private struct ChecksumFile: Decodable {
        struct Input: Decodable {
            let utf8: String?
            let hex: String?
            let repeat_byte_hex: String?
            let lcg_seed: UInt64?
            let count: Int?

            var bytes: [UInt8] {
                if let utf8 { return Array(utf8.utf8) }
                if let hex { return stride(from: 0, to: hex.utf8.count, by: 2).compactMap { byte(hex, $0) } }
                if let repeat_byte_hex { return Array(repeating: byte(repeat_byte_hex, 0) ?? 0, count: count ?? 0) }
                var state = lcg_seed ?? 0
                return (0..<(count ?? 0)).map { _ in
                    state = (1_103_515_245 * state + 12_345) % (1 << 31)
                    return UInt8(state >> 16 & 255)
                }
            }

            private func byte(_ text: String, _ offset: Int) -> UInt8? {
                let start = text.index(text.startIndex, offsetBy: offset)
                return UInt8(text[start..<text.index(start, offsetBy: 2)], radix: 16)
            }
        }
        struct Vector: Decodable {
            let id: String
            let input: Input
            let crc64_decimal: String
        }
        let vectors: [Vector]
    }

    @Test("Every CRC-64 is the one that OSS reports, in whatever pieces the bytes come")
    func checksums() throws {
        let file = try JSONDecoder().decode(ChecksumFile.self, from: Vectors.data("crc64.json"))
        #expect(file.vectors.count == 15)
        for vector in file.vectors {
            let bytes = vector.input.bytes
            for size in [bytes.count, 7, 64] where size > 0 {
                var checksum = ECMAChecksum()
                for start in stride(from: 0, to: bytes.count, by: size) {
                    bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { checksum.add($0) }
                }
                #expect(String(checksum.value) == vector.crc64_decimal, "\(vector.id)")
            }
        }
    }
}
