import FerryCore
import Testing

@testable import AliyunOTA

@Suite("Cloud errors")
struct CloudErrorTests {
    private static func platform(_ code: String, status: Int = 400) -> Verdict {
        CloudCodes.verdict(on: code, from: .platform, message: "", status: status)
    }
    private static func storage(_ code: String, _ message: String = "", status: Int = 403) -> Verdict {
        CloudCodes.verdict(on: code, from: .storage, message: message, status: status)
    }

    @Test(
        "Throttling is repeated although it is a 400",
        arguments: ["Throttling", "Throttling.User", "throttling.api"]
    )
    func throttling(code: String) {
        let verdict = Self.platform(code)
        #expect(verdict.code == .cloudThrottled)
        #expect(verdict.disposition == .retry(floor: .seconds(1)))
        #expect(verdict.kind == .retry)
    }

    @Test(
        "Platform codes lead to their disposition and reason",
        arguments: [
            ("InternalError", Disposition.retry(floor: .seconds(1)), ReasonCode.cloudBusy),
            ("ServiceUnavailable", .retry(floor: .seconds(1)), .cloudBusy),
            ("InvalidAccessKeyId.NotFound", .hold, .credentials),
            ("InvalidAccessKeyId.Inactive", .hold, .credentials),
            ("SignatureDoesNotMatch", .hold, .credentials),
            ("Forbidden.RAM", .hold, .credentials),
            ("NoPermission", .hold, .credentials),
            ("InvalidSecurityToken.Expired", .retry(floor: .seconds(30)), .credentials),
            ("InvalidSecurityToken.Malformed", .hold, .credentials),
            ("InvalidTimeStamp.Expired", .retry(floor: .seconds(30)), .clock),
            ("InvalidTimeStamp.Format", .fail, .cloudRefused),
            ("MissingFirmwareName", .hold, .cloudRefused),
            ("InvalidParameter.Format", .hold, .cloudRefused),
            ("InvalidApi.NotFound", .hold, .cloudRefused),
            ("iot.system.SystemException", .retry(floor: .seconds(1)), .cloudBusy),
            ("iot.firmware.GenerateOTAUploadURLFailure", .retry(floor: .seconds(5)), .cloudBusy),
            ("iot.firmware.CreateFirmwareFailure", .lookUp, .registerUnknown),
            ("IOT.firmware.alreadyexistedfirmwarename", .lookUp, .nameTaken),
            ("iot.firmware.AlreadyExistedFirmwareVersion", .lookUp, .versionTaken),
            ("iot.firmware.IncorrectFormattedFirmwareName", .hold, .needsMetadata),
            ("iot.firmware.InvalidFirmwareUrl", .newTicket, .cloudRefused),
            ("iot.prod.NotExistedProduct", .hold, .needsMetadata),
            ("iot.sre.IotInstanceNotFound", .hold, .cloudRefused),
            ("iot.firmware.SomethingNew", .fail, .cloudRefused),
        ]
    )
    func platformCodes(code: String, disposition: Disposition, reason: ReasonCode) {
        let verdict = Self.platform(code)
        #expect(verdict.disposition == disposition)
        #expect(verdict.code == reason)
    }

    @Test(
        "Storage codes lead to their disposition and reason",
        arguments: [
            (
                "AccessDenied", "Invalid according to Policy: Policy expired.", Disposition.newTicket,
                ReasonCode.ticketExpired
            ),
            ("AccessDenied", "Invalid according to Policy: Policy Condition failed: [x]", .fail, .ticketUnusable),
            ("AccessDenied", "You have no right to access this object.", .hold, .uploadRefused),
            ("SignatureDoesNotMatch", "", .newTicket, .ticketUnusable),
            ("EntityTooLarge", "", .fail, .tooLarge),
            ("RequestTimeout", "", .newTicket, .uploadStalled),
            ("InvalidDigest", "", .retry(floor: .seconds(1)), .uploadDamaged),
            ("MalformedPOSTRequest", "", .fail, .uploadRefused),
            ("NoSuchBucket", "", .fail, .ticketUnusable),
            ("RequestTimeTooSkewed", "", .hold, .clock),
            ("ServiceUnavailable", "", .retry(floor: .seconds(1)), .cloudBusy),
            ("TotalQpsLimitExceeded", "", .retry(floor: .seconds(1)), .cloudThrottled),
            ("SomethingNew", "", .fail, .uploadRefused),
        ]
    )
    func storageCodes(code: String, message: String, disposition: Disposition, reason: ReasonCode) {
        let verdict = Self.storage(code, message)
        #expect(verdict.disposition == disposition)
        #expect(verdict.code == reason)
    }

    @Test("An unknown code of a passing status is repeated", arguments: [500, 503, 408])
    func unknownPassing(status: Int) {
        #expect(Self.platform("Something.New", status: status).code == .cloudBusy)
        #expect(Self.storage("SomethingNew", status: status).code == .cloudBusy)
        #expect(Self.platform("Something.New", status: 429).code == .cloudThrottled)
    }

    @Test("Every row has a sentence, and a hint where a person has to act")
    func rows() {
        for row in CloudCodes.gatewayRows + CloudCodes.platformRows + CloudCodes.storageRows {
            #expect(!row.verdict.sentence.isEmpty)
            if row.verdict.disposition == .hold { #expect(!row.verdict.hint.isEmpty, "\(row.codes)") }
        }
    }

    @Test("No code stands in two rows")
    func unique() {
        for rows in [CloudCodes.gatewayRows + CloudCodes.platformRows, CloudCodes.storageRows] {
            let codes = rows.flatMap(\.codes).map { $0.lowercased() }
            #expect(codes.count == Set(codes).count)
        }
    }

    @Test("A registration that may have left is looked up, one that surely did not is repeated")
    func registrationTransport() {
        for kind in [HTTPFailure.Kind.timedOut, .broken, .answerTooLarge] {
            let error = CloudError(.register, "x 1", HTTPFailure(kind, "", mayHaveLeft: true))
            #expect(error.disposition == .lookUp)
            #expect(error.reason.code == .registerUnknown)
        }
        let refused = CloudError(.register, "x 1", HTTPFailure(.unreachable, "Connection refused"))
        #expect(refused.disposition == .retry(floor: .zero))
        #expect(refused.reason.code == .cloudUnreachable)
        let handshake = CloudError(.register, "x 1", HTTPFailure(.tls, ""))
        #expect(handshake.reason.code == .tls)
        #expect(handshake.reason.kind == .retry)
    }

    @Test(
        "Retry-after is in milliseconds and raises the floor",
        arguments: [
            ("1500", Duration.milliseconds(1_500)), ("0", .zero), ("-1", nil), ("soon", nil),
            ("99999999", .seconds(900)),
        ]
    )
    func retryAfter(text: String, expected: Duration?) {
        var response = HTTPResponse(status: 400)
        response.headers.append(line: "X-Acs-Retry-After: \(text)")
        let error = CloudError(.ticket, "", CloudCodes.throttled).seen(in: response, requestID: nil)
        #expect(error.retryAfter == expected)
        #expect(error.disposition == .retry(floor: max(.seconds(1), expected ?? .zero)))
    }

    @Test("Text from outside is cut, escaped, and loses the queries of URLs")
    func untrusted() {
        #expect(Untrusted.text("a\u{1b}[31m\n") == "a\\u{1b}[31m\\u{a}")
        #expect(Untrusted.text(String(repeating: "x", count: 200)).count == 81)
        #expect(Untrusted.text("at https://h/p?Signature=abc&x=1 failed") == "at https://h/p? failed")
    }
}
