import Foundation

/// Writes the answers to one call in the form it asked for.
struct GatewayAnswers: Sendable {
    let request: RPCRequest
    private let requestID = UUID().uuidString

    init(request: RPCRequest) { self.request = request }

    /// The call went well.
    func success(_ outcome: Account.Outcome) -> CallHandler.Answer {
        let document: [(String, AnswerDocument)] =
            [("RequestId", .text(requestID)), ("Success", .truth(true))]
            + outcome.members.map { ($0.name, $0.value) } + [("Code", .text(""))]
        var answer = answer(200, root: "\(request.action ?? "Unknown")Response", document)
        answer.note = outcome.note
        return answer
    }

    /// The service refused: HTTP 200, `Success` false.
    func failure(_ refusal: ServiceRefusal) -> CallHandler.Answer {
        var answer = answer(
            200,
            root: "\(request.action ?? "Unknown")Response",
            [
                ("RequestId", .text(requestID)), ("Success", .truth(false)), ("Code", .text(refusal.code)),
                ("ErrorMessage", .text(refusal.message)),
            ]
        )
        answer.code = refusal.code
        answer.note = refusal.message
        return answer
    }

    /// The gateway refused: HTTP 4xx or 5xx.
    func refusal(_ refusal: GatewayRefusal) -> CallHandler.Answer {
        var answer = answer(refusal.status, root: "Error", members(of: refusal))
        answer.code = refusal.code
        // Without the string to sign, which would fill a screen.
        answer.note = refusal.message.components(separatedBy: " server string to sign")[0]
        return answer
    }

    private func members(of refusal: GatewayRefusal) -> [(String, AnswerDocument)] {
        guard request.shape != .small else {
            return [
                ("requestId", .text(requestID)), ("code", .text(refusal.code)), ("message", .text(refusal.message)),
            ]
        }
        return [
            ("RequestId", .text(requestID)), ("HostId", .text(request.headers["host"] ?? "")),
            ("Code", .text(refusal.code)), ("Message", .text(refusal.message)),
            ("Recommend", .text("https://simulated/troubleshoot?q=\(refusal.code)&product=Iot")),
        ]
    }

    private func answer(_ status: Int, root: String, _ members: [(String, AnswerDocument)]) -> CallHandler.Answer {
        CallHandler.Answer(
            status: status,
            headers: ["Content-Type": request.format.contentType, "x-acs-request-id": requestID],
            body: AnswerDocument.members(members.map { (name: $0.0, value: $0.1) }).encoded(
                as: request.format,
                root: root
            )
        )
    }
}
