import FlyingFox
import Foundation

/// Tells the calls apart, plays their faults and answers them.
struct CallHandler: HTTPHandler {
    let clock: ServerClock
    let account: Account
    let bucket: Bucket
    let log: CallLog
    let faults: FaultScript
    let desk: ControlDesk

    /// An answer before it is sent.
    struct Answer: Sendable {
        var status: Int
        var headers: [String: String] = [:]
        var body = ""
        /// The code of the error in it, for the record.
        var code = ""
        var note = ""
    }

    func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
        if request.target.path().hasPrefix(ControlDesk.root) { return await handleControl(request) }
        let contentType = request.headers[HTTPHeader("Content-Type")] ?? ""
        if request.method == .POST, contentType.lowercased().hasPrefix("multipart/form-data") {
            return await handleUpload(request, contentType: contentType)
        }
        return await handleAction(request)
    }

    private func handleAction(_ request: HTTPRequest) async -> HTTPResponse {
        var body = Data()
        do {
            for try await bytes in request.bodySequence where body.count < Self.bodyMaximum { body.append(bytes) }
        } catch { return .hangUp }
        var call = RPCRequest(
            method: request.method.rawValue,
            path: request.target.path(),
            query: request.target.query(),
            headers: Dictionary(request.headers.map { ($0.key.rawValue.lowercased(), $0.value) }) { $0 + "," + $1 },
            body: body
        )
        let kind = call.action.flatMap(Call.init(rawValue:)) ?? .unknown
        let number = log.begin(kind, parameters: call.byName)
        let fault = faults.next(for: kind)
        log.update(number) { $0.fault = fault?.name }
        if case .shape(let shape) = fault { call.shape = shape }
        let gateway = GatewayAnswers(request: call)
        do {
            if let answer = try await playBefore(fault, gateway) { return respond(answer, number) }
            let answer = await answer(kind, call, gateway)
            return try await playAfter(fault, answer, gateway, number)
        } catch {
            log.end(number, status: nil, code: "", note: "")
            return .hangUp
        }
    }

    private func answer(_ kind: Call, _ request: RPCRequest, _ gateway: GatewayAnswers) async -> Answer {
        do {
            try await account.admit(request)
            let outcome = try await account.perform(kind, request)
            return gateway.success(outcome)
        } catch let refusal as GatewayRefusal {
            return gateway.refusal(refusal)
        } catch let refusal as ServiceRefusal {
            return gateway.failure(refusal)
        } catch {
            return gateway.refusal(GatewayRefusal(status: 500, code: "InternalError", message: "\(error)"))
        }
    }

    /// Plays the part of a fault that comes before the call; returns the answer where the call is not done.
    private func playBefore(_ fault: Fault?, _ gateway: GatewayAnswers) async throws -> Answer? {
        switch fault {
        case .answer(let answer): return Answer(answer)
        case .refuse(let status, let code, let message, let headers):
            var answer = gateway.refusal(GatewayRefusal(status: status, code: code, message: message))
            answer.headers.merge(headers) { $1 }
            return answer
        case .fail(let code, let message): return gateway.failure(ServiceRefusal(code, message))
        case .hold(let gate): try await gate.wait()
        case .delay(let time): try await Task.sleep(for: time)
        case .hangUp: throw HungUp()
        default: break
        }
        return nil
    }

    /// Plays the part of a fault that comes after the call.
    private func playAfter(
        _ fault: Fault?,
        _ answer: Answer,
        _ gateway: GatewayAnswers,
        _ number: Int
    ) async throws -> HTTPResponse {
        switch fault {
        case .answerAfterwards(let scripted): return respond(Answer(scripted), number)
        case .refuseAfterwards(let status, let code, let message):
            return respond(gateway.refusal(GatewayRefusal(status: status, code: code, message: message)), number)
        case .failAfterwards(let code, let message):
            return respond(gateway.failure(ServiceRefusal(code, message)), number)
        default: return try await playAtTheEnd(fault, answer, number) ?? respond(answer, number)
        }
    }

    /// Plays what may happen to the answer of any call; nil where it is sent as it is.
    func playAtTheEnd(_ fault: Fault?, _ answer: Answer, _ number: Int) async throws -> HTTPResponse? {
        switch fault {
        case .holdAfterwards(let gate): try await gate.wait()
        case .delayAfterwards(let time): try await Task.sleep(for: time)
        case .hangUpAfterwards: throw HungUp()
        case .cutAnswer:
            log.end(number, status: answer.status, code: answer.code, note: answer.note)
            return .cut(status: status(answer), headers: headers(answer), answer: Data(answer.body.utf8))
        case .halfAnswer:
            var half = answer
            half.body = String(answer.body.prefix(answer.body.count / 2))
            return respond(half, number)
        case .slowAnswer(let rate):
            log.end(number, status: answer.status, code: answer.code, note: answer.note)
            return .slow(
                status: status(answer),
                headers: headers(answer),
                answer: Data(answer.body.utf8),
                bytesPerSecond: rate
            )
        default: break
        }
        return nil
    }

    /// Notes the end of the call and makes the response.
    func respond(_ answer: Answer, _ number: Int) -> HTTPResponse {
        log.end(number, status: answer.status, code: answer.code, note: answer.note)
        return HTTPResponse(statusCode: status(answer), headers: headers(answer), body: Data(answer.body.utf8))
    }

    func status(_ answer: Answer) -> HTTPStatusCode {
        let phrases = [
            200: "OK", 201: "Created", 204: "No Content", 302: "Found", 400: "Bad Request", 403: "Forbidden",
            404: "Not Found",
            405: "Method Not Allowed", 409: "Conflict", 411: "Length Required", 413: "Payload Too Large",
            429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
        ]
        return HTTPStatusCode(answer.status, phrase: phrases[answer.status] ?? "Status")
    }

    /// The headers of an answer, the server's time among them.
    func headers(_ answer: Answer) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers[.date] = ServerTime.header(clock.now)
        for (name, value) in answer.headers { headers[HTTPHeader(name)] = value }
        return headers
    }

    static let bodyMaximum = 1 << 20
}

extension CallHandler.Answer {
    init(_ scripted: ScriptedAnswer) {
        self.init(status: scripted.status, headers: scripted.headers, body: scripted.body, note: "scripted")
    }
}
