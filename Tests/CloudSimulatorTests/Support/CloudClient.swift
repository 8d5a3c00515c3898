import Foundation
import TestSupport

@testable import CloudSimulator

/// A client of the simulated cloud made of `curl`.
struct CloudClient {
    /// What came back.
    struct Response {
        let status: Int
        let headers: [String: String]
        let body: String

        /// A member of the JSON body; dots go deeper.
        func member(_ path: String) -> String? {
            var value: Any? = try? JSONSerialization.jsonObject(with: Data(body.utf8))
            for name in path.split(separator: ".") { value = (value as? [String: Any])?[String(name)] }
            return value.map { $0 is NSNull ? "" : "\($0)" }
        }

        var code: String? { member("Code") }
    }

    /// How a call is signed, and what is wrong with it.
    struct Signing {
        enum Scheme { case v1, v3 }
        enum Place { case query, form }

        var scheme = Scheme.v1
        var place = Place.query
        var method = "POST"
        var id = CloudConfiguration.AccessKey.standard.id
        var secret = CloudConfiguration.AccessKey.standard.secret
        var token: String?
        var nonce = UUID().uuidString
        var time = Date()
        var format: String? = "JSON"
        /// Changes public parameters before they are signed; an empty value removes one.
        var overrides: [String: String] = [:]
    }

    let endpoint: String

    init(endpoint: String) { self.endpoint = endpoint }
    init(_ cloud: SimulatedCloud) { endpoint = cloud.endpoint }

    /// Makes a call.
    func call(_ action: String, _ arguments: [String: String] = [:], _ signing: Signing = Signing()) async throws
        -> Response
    {
        switch signing.scheme {
        case .v1: try await callV1(action, arguments, signing)
        case .v3: try await callV3(action, arguments, signing)
        }
    }

    private func callV1(_ action: String, _ arguments: [String: String], _ signing: Signing) async throws -> Response {
        var values = arguments.merging(
            [
                "Action": action, "Version": "2018-01-20", "AccessKeyId": signing.id, "SignatureMethod": "HMAC-SHA1",
                "SignatureVersion": "1.0", "SignatureNonce": signing.nonce, "RegionId": "cn-shanghai",
                "Timestamp": signing.time.formatted(Date.ISO8601FormatStyle()),
            ]
        ) { $1 }
        values["Format"] = signing.format
        values["SecurityToken"] = signing.token
        for (name, value) in signing.overrides { values[name] = value.isEmpty ? nil : value }
        var parameters = values.map { Parameter(name: $0.key, value: $0.value) }
        if values["Signature"] == nil {
            let text = RPCSignature.stringToSign(method: signing.method, parameters: parameters)
            parameters.append(Parameter(name: "Signature", value: RPCSignature.sign(text, secret: signing.secret)))
        }
        let query = PercentCoding.canonicalQuery(parameters)
        switch signing.place {
        case .query: return try await curl(["-X", signing.method, "\(endpoint)?\(query)"])
        case .form: return try await curl(["--data", query, endpoint])
        }
    }

    private func callV3(_ action: String, _ arguments: [String: String], _ signing: Signing) async throws -> Response {
        let query = arguments.map { Parameter(name: $0.key, value: $0.value) }
        let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        var headers = [
            "host": String(endpoint.dropFirst("http://".count).dropLast()), "x-acs-action": action,
            "x-acs-version": "2018-01-20", "x-acs-date": signing.time.formatted(Date.ISO8601FormatStyle()),
            "x-acs-signature-nonce": signing.nonce, "x-acs-content-sha256": emptyHash,
        ]
        headers["x-acs-security-token"] = signing.token
        let names = headers.keys.sorted()
        let canonical = ACS3Signature.canonicalRequest(
            method: signing.method,
            path: "/",
            query: query,
            headers: headers,
            signedHeaders: names,
            payloadHash: emptyHash
        )
        let signature = ACS3Signature.sign(
            ACS3Signature.stringToSign(canonicalRequest: canonical),
            secret: signing.secret
        )
        headers["Authorization"] =
            "ACS3-HMAC-SHA256 Credential=\(signing.id),"
            + "SignedHeaders=\(names.joined(separator: ";")),Signature=\(signature)"
        let options = headers.flatMap { ["-H", "\($0.key): \($0.value)"] }
        return try await curl(
            ["-X", signing.method] + options + ["\(endpoint)?\(PercentCoding.canonicalQuery(query))"]
        )
    }

    /// Takes a ticket.
    func ticket(_ arguments: [String: String] = [:]) async throws -> [String: String] {
        let response = try await call("GenerateOTAUploadURL", arguments)
        let document = try JSONSerialization.jsonObject(with: Data(response.body.utf8)) as? [String: Any]
        guard let data = document?["Data"] as? [String: String] else {
            throw TestSupportError("There is no ticket in \(response.body)")
        }
        return data
    }

    /// The form of a ticket, field by field.
    static func form(_ ticket: [String: String]) -> [(String, String)] {
        [
            ("key", ticket["Key"] ?? ""), ("policy", ticket["Policy"] ?? ""),
            ("OSSAccessKeyId", ticket["OSSAccessKeyId"] ?? ""), ("signature", ticket["Signature"] ?? ""),
            ("success_action_status", "200"),
        ]
    }

    /// Posts a form with a file.
    func upload(_ form: [(String, String)], file: String, _ options: [String] = []) async throws -> Response {
        let fields = form.flatMap { ["--form-string", "\($0.0)=\($0.1)"] }
        return try await curl(options + fields + ["-F", "file=@\(file);type=application/octet-stream", endpoint])
    }

    /// Takes a ticket, uploads the file under it and returns the URL to register.
    func uploaded(_ file: String) async throws -> String {
        let ticket = try await ticket()
        let response = try await upload(Self.form(ticket), file: file)
        guard response.status == 200 else { throw TestSupportError("The upload was refused: \(response.body)") }
        return ticket["FirmwareUrl"] ?? ""
    }

    /// Runs curl; throws where it got no whole answer.
    func curl(_ arguments: [String]) async throws -> Response {
        let program = try await ProgramRunner.run("curl", ["-s", "-S", "-i", "-m", "60"] + arguments)
        guard program.ending == .exited(0) else {
            throw TestSupportError("curl failed: \(program.text(.errors))")
        }
        let text = program.text().replacingOccurrences(of: "\r\n", with: "\n")
        let halves = text.components(separatedBy: "\n\n")
        let lines = halves[0].components(separatedBy: "\n")
        let pairs = lines.dropFirst().compactMap { line -> (String, String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
        }
        return Response(
            status: Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0,
            headers: Dictionary(pairs) { first, _ in first },
            body: halves.dropFirst().joined(separator: "\n\n")
        )
    }
}

/// A cloud that runs, with the folder it lives in.
struct TestCloud {
    let folder: TemporaryFolder
    let cloud: SimulatedCloud
    var client: CloudClient { CloudClient(cloud) }

    init(_ change: (inout CloudConfiguration) -> Void = { _ in }) async throws {
        folder = try TemporaryFolder("cloud")
        var configuration = CloudConfiguration(folder: folder.path)
        configuration.callsPerSecond = nil
        change(&configuration)
        cloud = try SimulatedCloud(configuration: configuration)
        try await cloud.start()
    }
}
