import FerryCore
import Testing

@testable import AliyunOTA

@Suite("Signatures")
struct SignatureTests {
    @Test("Every text is percent-encoded as the SDK encodes it")
    func percentEncoding() throws {
        let vectors = try Vectors.list("encoding.json", "percent_encoding")
        #expect(vectors.count == 126)
        for vector in vectors {
            #expect(PercentEncoding.encode(vector.text("input")) == vector.text("percent_encoded"))
        }
    }

    @Test("Lists and structures are flattened as the SDK flattens them")
    func flattening() throws {
        let vectors = try Vectors.list("encoding.json", "flattening")
        #expect(vectors.count == 4)
        for vector in vectors {
            var parameters = Parameters()
            for (name, value) in vector["input"]?.object ?? [:] { parameters.add(name, flattening: value) }
            let flat = Dictionary(uniqueKeysWithValues: parameters.list.map { ($0.name, JSONValue.string($0.value)) })
            #expect(JSONValue.object(flat) == vector["flattened"])
        }
    }

    @Test("Every V1 vector gives the SDK's text to sign and signature")
    func versionOne() throws {
        let vectors = try Vectors.list("rpc_v1.json", "vectors")
        #expect(vectors.count == 55)
        for vector in vectors {
            var parameters = Parameters()
            for set in ["query_params", "form_params"] {
                for (name, value) in vector[set]?.object ?? [:] { parameters.add(name, value.string ?? "") }
            }
            let text = SignatureV1.stringToSign(method: vector.text("method"), parameters)
            #expect(text.utf8.elementsEqual(vector.text("string_to_sign").utf8), "\(vector.text("id"))")
            #expect(parameters.canonicalQuery == vector.text("canonicalized_query_string"))
            let signature = SignatureV1.signature(of: text, secret: Secret(vector.text("access_key_secret")))
            #expect(signature == vector.text("signature"), "\(vector.text("id"))")
            #expect(PercentEncoding.encode(signature) == vector.text("signature_percent_encoded"))
        }
    }

    @Test("A whole V1 call has the parameters of the SDK's, its empty SignatureType apart")
    func wholeCall() throws {
        let vectors = try Vectors.list("rpc_v1.json", "vectors").filter { $0["sdk_request_target"] != nil }
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let all = vector["query_params"]?.object ?? [:]
            guard all["RegionId"] != nil, let nonce = all["SignatureNonce"]?.string, all["Format"] == "JSON",
                let time = all["Timestamp"]?.string.flatMap(WallTime.init(iso8601:))
            else { continue }
            let publicNames = [
                "Action", "Version", "Format", "RegionId", "AccessKeyId", "SecurityToken", "SignatureMethod",
                "SignatureVersion", "SignatureNonce", "Timestamp", "SignatureType",
            ]
            var call = RPCCall(action: all["Action"]?.string ?? "", version: all["Version"]?.string ?? "")
            for (name, value) in all where !publicNames.contains(name) { call.parameters.add(name, value.string) }
            let signed = SignatureV1.sign(
                call,
                SigningIngredients(
                    credentials: Credentials(
                        accessKeyID: vector.text("access_key_id"),
                        secret: Secret(vector.text("access_key_secret")),
                        securityToken: vector["security_token"]?.string.map(Secret.init)
                    ),
                    region: all["RegionId"]?.string ?? "",
                    host: "",
                    nonce: nonce,
                    time: time
                )
            )
            let sdk = vector.text("sdk_request_target").dropFirst(2).split(separator: "&")
            let unsigned = { (list: [Substring]) in
                Set(list.filter { !$0.hasPrefix("Signature=") && $0 != "SignatureType=" })
            }
            #expect(unsigned(signed.query.split(separator: "&")) == unsigned(sdk), "\(vector.text("id"))")
        }
    }

    @Test("Every V3 vector gives the SDK's canonical request and authorization")
    func versionThree() throws {
        let vectors = try Vectors.list("acs3_v3.json", "vectors")
        #expect(vectors.count == 24)
        for vector in vectors {
            var parameters = Parameters()
            for (name, value) in vector["query_params"]?.object ?? [:] { parameters.add(name, value.string ?? "") }
            let headers = (vector["signed_headers_input"]?.object ?? [:]).map { (name: $0, value: $1.string ?? "") }
            let digest = SignatureV3.hexSHA256(Array((vector["body"]?.string ?? "").utf8))
            #expect(digest == vector.text("hashed_request_payload"))
            let request = SignatureV3.canonicalRequest(
                method: vector.text("method"),
                path: vector.text("path"),
                query: parameters.canonicalQuery,
                headers: headers,
                bodyDigest: digest
            )
            #expect(request == vector.text("canonical_request"), "\(vector.text("id"))")
            let text = SignatureV3.stringToSign(canonicalRequest: request)
            #expect(text == vector.text("string_to_sign"))
            let authorization = SignatureV3.authorization(
                stringToSign: text,
                headers: headers,
                accessKeyID: vector.text("access_key_id"),
                secret: Secret(vector.text("access_key_secret"))
            )
            #expect(authorization == vector.text("authorization"), "\(vector.text("id"))")
        }
    }

    @Test("Every nonce is new")
    func nonces() {
        let nonces = Set((0..<1_000).map { _ in SigningIngredients.freshNonce() })
        #expect(nonces.count == 1_000)
        #expect(nonces.allSatisfy { $0.utf8.count == 32 })
    }

    @Test("A secret shows in no way of printing")
    func redaction() {
        let keys = Credentials(accessKeyID: "id", secret: Secret("s3cr3t"), securityToken: Secret("t0k3n"))
        var dumped = ""
        dump(keys, to: &dumped)
        for text in ["\(keys)", "\(keys.secret)", String(reflecting: keys), dumped] {
            #expect(!text.contains("s3cr3t") && !text.contains("t0k3n"))
        }
    }
}
