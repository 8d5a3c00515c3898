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
            let accessKeySecret: String
            let queryParams: [String: String]
            let formParams: [String: String]
            let stringToSign: String
            let signature: String
            let sdkRequestTarget: String?
            let sdkContentType: String?
            let sdkBody: String?
        }
        let vectors: [Vector]
    }

    @Test("Every V1 vector gives the SDK's string to sign and signature")
    func rpcVectors() throws {
        let file = try Vectors.decode(RPCFile.self, "rpc_v1.json")
        #expect(file.vectors.count == 55)
        for vector in file.vectors {
            let parameters = (Array(vector.queryParams) + Array(vector.formParams)).map {
                Parameter(name: $0.key, value: $0.value)
            }
            let text = RPCSignature.stringToSign(method: vector.method, parameters: parameters)
            #expect(text == vector.stringToSign, "\(vector.id)")
            #expect(RPCSignature.sign(text, secret: vector.accessKeySecret) == vector.signature, "\(vector.id)")
        }
    }

    @Test("A request as the SDK sent it is read back to the parameters that were signed")
    func rpcRequests() throws {
        let file = try Vectors.decode(RPCFile.self, "rpc_v1.json")
        var count = 0
        for vector in file.vectors {
            guard let target = vector.sdkRequestTarget else { continue }
            count += 1
            let request = RPCRequest(
                method: vector.method,
                path: "/",
                query: String(target.dropFirst(2)),
                headers: vector.sdkContentType.map { ["content-type": $0] } ?? [:],
                body: Data((vector.sdkBody ?? "").utf8)
            )
            let text = RPCSignature.stringToSign(method: vector.method, parameters: request.parameters)
            #expect(text == vector.stringToSign, "\(vector.id)")
            #expect(request["Signature"] == vector.signature, "\(vector.id)")
        }
        #expect(count > 30)
    }

    private struct V3File: Decodable {
        struct Vector: Decodable {
            let id: String
            let method: String
            let path: String
            let accessKeyId: String
            let accessKeySecret: String
            let queryParams: [String: String]
            let signedHeadersInput: [String: String]
            let hashedRequestPayload: String
            let canonicalRequest: String
            let stringToSign: String
            let authorization: String
        }
        let vectors: [Vector]
    }

    @Test("Every V3 vector gives the SDK's canonical request and signature")
    func v3Vectors() throws {
        let file = try Vectors.decode(V3File.self, "acs3_v3.json")
        #expect(file.vectors.count == 24)
        for vector in file.vectors {
            let signed = try #require(ACS3Signature(authorization: vector.authorization), "\(vector.id)")
            #expect(signed.accessKeyID == vector.accessKeyId)
            let canonical = ACS3Signature.canonicalRequest(
                method: vector.method,
                path: vector.path,
                query: vector.queryParams.map { Parameter(name: $0.key, value: $0.value) },
                headers: Dictionary(
                    uniqueKeysWithValues: vector.signedHeadersInput.map { ($0.key.lowercased(), $0.value) }
                ),
                signedHeaders: signed.signedHeaders,
                payloadHash: vector.hashedRequestPayload
            )
            #expect(canonical == vector.canonicalRequest, "\(vector.id)")
            let text = ACS3Signature.stringToSign(canonicalRequest: canonical)
            #expect(text == vector.stringToSign, "\(vector.id)")
            #expect(ACS3Signature.sign(text, secret: vector.accessKeySecret) == signed.signature, "\(vector.id)")
        }
    }

    private struct EncodingFile: Decodable {
        struct Case: Decodable {
            let input: String
            let percentEncoded: String
        }
        let percentEncoding: [Case]
    }

    @Test("Every text is encoded as the SDK encodes it, and decoded back")
    func encoding() throws {
        let file = try Vectors.decode(EncodingFile.self, "encoding.json")
        #expect(file.percentEncoding.count == 126)
        for item in file.percentEncoding {
            #expect(PercentCoding.encode(item.input) == item.percentEncoded)
            #expect(PercentCoding.decode(item.percentEncoded).utf8.elementsEqual(item.input.utf8))
        }
    }

    private struct PolicyFile: Decodable {
        struct Vector: Decodable {
            let id: String
            let accessKeySecret: String
            let policyJson: String
            let policyBase64: String
            let signature: String
        }
        let v1Vectors: [Vector]
    }

    @Test("Every policy of a form is signed as the SDK signs it")
    func policies() throws {
        let file = try Vectors.decode(PolicyFile.self, "oss_post_policy.json")
        #expect(file.v1Vectors.count == 20)
        for vector in file.v1Vectors {
            #expect(Data(vector.policyJson.utf8).base64EncodedString() == vector.policyBase64, "\(vector.id)")
            let signature = PostPolicy.sign(vector.policyBase64, secret: vector.accessKeySecret)
            #expect(signature == vector.signature, "\(vector.id)")
        }
    }

    @Test("Every CRC-64 is the one that OSS reports, in whatever pieces the bytes come")
    func checksums() throws {
        let file = try Vectors.checksums()
        #expect(file.count == 15)
        for vector in file {
            let bytes = vector.bytes
            for size in [bytes.count, 7, 64] where size > 0 {
                var checksum = ECMAChecksum()
                for start in stride(from: 0, to: bytes.count, by: size) {
                    bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { checksum.add($0) }
                }
                #expect(String(checksum.value) == vector.crc64Decimal, "\(vector.id)")
            }
        }
    }
}
