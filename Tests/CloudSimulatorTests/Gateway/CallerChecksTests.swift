import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

@Suite("The gateway lets in who may call, and nobody else")
struct CallerChecksTests {
    typealias Signing = CloudClient.Signing

    @Test("A call is taken with parameters in the query or in a form, by GET or POST, signed in either way")
    func accepted() async throws {
        let test = try await TestCloud()
        for signing in [
            Signing(), Signing(method: "GET"), Signing(place: .form), Signing(scheme: .v3),
            Signing(scheme: .v3, method: "GET"),
        ] {
            let response = try await test.client.call("GenerateOTAUploadURL", ["FileSuffix": "tar.gz"], signing)
            #expect(response.status == 200)
            #expect(response.member("Success") == "1", "\(response.body)")
            #expect(response.headers["date"]?.hasSuffix("GMT") == true)
        }
        #expect(test.cloud.calls.map(\.call) == Array(repeating: .generateUploadURL, count: 5))
        #expect(test.cloud.calls.allSatisfy { $0.status == 200 && $0.parameters["FileSuffix"] == "tar.gz" })
    }

    @Test("An answer is XML unless JSON is asked for")
    func format() async throws {
        let test = try await TestCloud()
        let answer = try await test.client.call("GenerateOTAUploadURL", [:], Signing(format: nil))
        #expect(answer.body.contains("<GenerateOTAUploadURLResponse><RequestId>"))
        #expect(answer.body.contains("<Success>true</Success>"))
        let refusal = try await test.client.call("GenerateOTAUploadURL", [:], Signing(id: "nobody", format: "XML"))
        #expect(refusal.status == 404)
        #expect(refusal.body.contains("<Error><RequestId>"))
        #expect(refusal.body.contains("<Code>InvalidAccessKeyId.NotFound</Code>"))
    }

    @Test("Whatever is wrong with a signed call is refused by its name")
    func refused() async throws {
        let test = try await TestCloud()
        let late = Date() - 16 * 60
        let cases: [(String, Int, Signing)] = [
            ("InvalidAccessKeyId.NotFound", 404, Signing(id: "nobody")),
            ("SignatureDoesNotMatch", 400, Signing(secret: "wrong")),
            ("SignatureDoesNotMatch", 400, Signing(overrides: ["Signature": "AAAA"])),
            ("InvalidTimeStamp.Expired", 400, Signing(time: late)),
            ("InvalidTimeStamp.Expired", 400, Signing(time: Date() + 16 * 60)),
            ("InvalidTimeStamp.Format", 400, Signing(overrides: ["Timestamp": "2026-01-01 00:00:00"])),
            ("InvalidSignatureMethod", 400, Signing(overrides: ["SignatureMethod": "HMAC-SHA512"])),
            ("InvalidVersion", 400, Signing(overrides: ["Version": "2017-04-20"])),
            ("MissingTimestamp", 400, Signing(overrides: ["Timestamp": ""])),
            ("MissingSignatureNonce", 400, Signing(overrides: ["SignatureNonce": ""])),
            ("MissingAccessKeyId", 400, Signing(overrides: ["AccessKeyId": ""])),
            ("MissingAction", 400, Signing(overrides: ["Action": ""])),
            ("InvalidApi.NotFound", 404, Signing(overrides: ["Action": "MakeCoffee"])),
            ("InvalidSecurityToken.MismatchWithAccessKey", 400, Signing(token: "t")),
            ("UnsupportedHTTPMethod", 400, Signing(method: "PUT")),
            ("InvalidAccessKeyId.NotFound", 404, Signing(scheme: .v3, id: "nobody")),
            ("SignatureDoesNotMatch", 400, Signing(scheme: .v3, secret: "wrong")),
            ("InvalidTimeStamp.Expired", 400, Signing(scheme: .v3, time: late)),
        ]
        for (code, status, signing) in cases {
            let response = try await test.client.call("GenerateOTAUploadURL", [:], signing)
            #expect(response.code == code, "\(signing)")
            #expect(response.status == status, "\(signing)")
            #expect(response.member("RequestId")?.isEmpty == false)
            #expect(response.member("HostId")?.hasPrefix("127.0.0.1:") == true)
        }
    }

    @Test("The message of a signature that does not match ends with what the gateway signed")
    func stringToSign() async throws {
        let test = try await TestCloud()
        let response = try await test.client.call("GenerateOTAUploadURL", [:], Signing(secret: "wrong"))
        let message = try #require(response.member("Message"))
        #expect(
            message.hasPrefix(
                "Specified signature is not matched with our calculation. "
                    + "server string to sign is:POST&%2F&AccessKeyId%3D"
            )
        )
    }

    @Test("A nonce is taken once", arguments: [Signing.Scheme.v1, .v3])
    func nonce(scheme: Signing.Scheme) async throws {
        let test = try await TestCloud()
        var signing = Signing(scheme: scheme)
        #expect(try await test.client.call("GenerateOTAUploadURL", [:], signing).status == 200)
        #expect(try await test.client.call("GenerateOTAUploadURL", [:], signing).code == "SignatureNonceUsed")
        signing.nonce = UUID().uuidString
        #expect(try await test.client.call("GenerateOTAUploadURL", [:], signing).status == 200)
    }

    @Test("A temporary key needs its token", arguments: [Signing.Scheme.v1, .v3])
    func token(scheme: Signing.Scheme) async throws {
        let test = try await TestCloud { $0.accessKeys = [.init(id: "STS.a", secret: "s", securityToken: "tok+/=")] }
        func code(_ token: String?) async throws -> String? {
            let signing = Signing(scheme: scheme, id: "STS.a", secret: "s", token: token)
            return try await test.client.call("GenerateOTAUploadURL", [:], signing).code
        }
        #expect(try await code("tok+/=") == "")
        #expect(try await code(nil) == "MissingSecurityToken")
        #expect(try await code("other") == "InvalidSecurityToken.Malformed")
    }

    @Test("A server whose clock is ahead refuses callers of the present, and says what time it is")
    func clock() async throws {
        let test = try await TestCloud { $0.clockOffset = .seconds(86_400) }
        let refused = try await test.client.call("GenerateOTAUploadURL")
        #expect(refused.code == "InvalidTimeStamp.Expired")
        #expect(refused.headers["date"] == ServerTime.header(Date() + 86_400) || refused.headers["date"] != nil)
        #expect(try await test.client.call("GenerateOTAUploadURL", [:], Signing(time: Date() + 86_400)).status == 200)
        test.cloud.setClockOffset(.zero)
        #expect(try await test.client.call("GenerateOTAUploadURL").status == 200)
    }

    @Test("The account makes so many calls in any second")
    func quota() {
        var quota = CallQuota()
        let start = ContinuousClock.now
        let moments: [(Int64, Bool)] = [
            (0, true), (600, true), (700, false), (999, false), (1_000, true), (1_100, false), (1_600, true),
            (1_700, false), (5_000, true),
        ]
        for (milliseconds, isTaken) in moments {
            #expect(quota.take(at: start + .milliseconds(milliseconds), limit: 2) == isTaken, "\(milliseconds)")
        }
        var unlimited = CallQuota()
        #expect((0..<1_000).allSatisfy { _ in unlimited.take(at: start, limit: nil) })
    }

    @Test("A call over the quota is refused as throttling, with HTTP 400")
    func throttling() async throws {
        let test = try await TestCloud { $0.callsPerSecond = 0 }
        let response = try await test.client.call("GenerateOTAUploadURL")
        #expect(response.code == "Throttling.User")
        #expect(response.status == 400)
    }

    @Test("A parameter that the action does not have, or that is given twice, is refused")
    func parameters() async throws {
        let test = try await TestCloud()
        #expect(try await test.client.call("GenerateOTAUploadURL", ["FileSufix": "bin"]).code == "InvalidParameter")
        #expect(try await test.client.call("ListOTAFirmware", ["CurrentPage": "1"]).code == "MissingPageSize")
        #expect(
            try await test.client.call("GenerateOTAUploadURL", ["Format": "JSON"], Signing(scheme: .v3)).code
                == "InvalidParameter"
        )
    }

    @Test("The instance id has to be named where there is one, and left out where there is none")
    func instance() async throws {
        let without = try await TestCloud()
        let response = try await without.client.call("GenerateOTAUploadURL", ["IotInstanceId": "iot-1"])
        #expect(response.code == "iot.system.InstanceNotFound")
        #expect(response.status == 200)
        #expect(response.member("Success") == "0")
        #expect(response.member("ErrorMessage")?.isEmpty == false)
        let with = try await TestCloud { $0.instanceID = "iot-1" }
        #expect(try await with.client.call("GenerateOTAUploadURL").code == "iot.Sre.IotInstanceNotFound")
        #expect(try await with.client.call("GenerateOTAUploadURL", ["IotInstanceId": "iot-1"]).code == "")
    }
}
