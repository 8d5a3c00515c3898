/// Something that goes wrong on purpose with one call.
package enum Fault: Sendable {
    /// Nothing.
    case pass
    /// Answers so, without doing the call.
    case answer(ScriptedAnswer)
    /// Does the call, then answers so instead.
    case answerAfterwards(ScriptedAnswer)
    /// Answers with an error of the gateway in the form asked for, or of the bucket, without doing the call.
    case refuse(status: Int, code: String, message: String, headers: [String: String] = [:])
    /// Answers HTTP 200 with `Success` false, without doing the call.
    case fail(code: String, message: String)
    /// Does the call, then answers with an error of the gateway.
    case refuseAfterwards(status: Int, code: String, message: String)
    /// Does the call, then answers HTTP 200 with `Success` false.
    case failAfterwards(code: String, message: String)
    /// Waits at the gate before the call is done.
    case hold(Gate)
    /// Does the call, waits at the gate, then answers.
    case holdAfterwards(Gate)
    /// Waits before the call is done.
    case delay(Duration)
    /// Does the call, waits, then answers.
    case delayAfterwards(Duration)
    /// Closes the connection without doing the call.
    case hangUp
    /// Does the call, then closes the connection without an answer.
    case hangUpAfterwards
    /// Does the call, sends half of the answer, then closes the connection.
    case cutAnswer
    /// Does the call, sends half of the answer as if it were the whole.
    case halfAnswer
    /// Does the call, sends so many bytes of the answer a second.
    case slowAnswer(bytesPerSecond: Int)
    /// Does the call and answers in that form, whatever the caller asked for.
    case shape(AnswerShape)
    /// Reads the request's body no faster than so many bytes a second.
    case slowUpload(bytesPerSecond: Int)
    /// Reads so many bytes of the body, then waits at the gate.
    case holdUpload(afterBytes: Int64, Gate)
    /// Reads so many bytes of the body, then closes the connection.
    case hangUpUpload(afterBytes: Int64)
    /// Refuses an upload as if the ticket were over.
    case policyExpired
    /// Stores the object and reports a CRC that does not fit.
    case wrongChecksum
    /// Stores the object and reports no CRC.
    case noChecksum

    /// HTTP 400 `Throttling.User`, as the gateway says it; `retryAfter` becomes `x-acs-retry-after`.
    package static func throttling(retryAfter: Duration? = nil) -> Fault {
        let milliseconds = retryAfter.map {
            $0.components.seconds * 1_000 + $0.components.attoseconds / 1_000_000_000_000_000
        }
        return .refuse(
            status: 400,
            code: GatewayRefusal.throttled.code,
            message: GatewayRefusal.throttled.message,
            headers: milliseconds.map { ["x-acs-retry-after": "\($0)"] } ?? [:]
        )
    }

    /// HTTP 503 `ServiceUnavailable`.
    package static let unavailable = Fault.refuse(
        status: 503,
        code: "ServiceUnavailable",
        message: "The request has failed due to a temporary failure of the server."
    )
}

/// A form that an answer of the gateway may have.
package enum AnswerShape: String, Sendable {
    case xml
    case json
    /// JSON whose errors name their members in lower case, which the official SDKs take too.
    case small
}

/// An answer written by hand.
package struct ScriptedAnswer: Sendable {
    package var status: Int
    package var body: String
    package var headers: [String: String]

    package init(status: Int, body: String = "", headers: [String: String] = [:]) {
        self.status = status
        self.body = body
        self.headers = headers
    }

    /// What a network answers that wants people to log in first.
    package static func captivePortal(status: Int) -> ScriptedAnswer {
        ScriptedAnswer(
            status: status,
            body: """
                <!DOCTYPE html>
                <html><head><title>Welcome</title></head>
                <body><form action="/login" method="post"><input name="room"><button>Go online</button></form></body></html>

                """,
            headers: ["Content-Type": "text/html; charset=utf-8"]
        )
    }

    /// An answer that nobody should read to its end.
    package static func large(_ bytes: Int) -> ScriptedAnswer {
        ScriptedAnswer(
            status: 200,
            body: "{\"RequestId\":\"" + String(repeating: "x", count: max(0, bytes - 16)) + "\"}",
            headers: ["Content-Type": "application/json"]
        )
    }
}
