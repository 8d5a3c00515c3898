import FlyingFox
import Foundation

extension CallHandler {
    /// A request to the simulator itself rather than to the cloud that it simulates.
    func handleControl(_ request: HTTPRequest) async -> HTTPResponse {
        var body = Data()
        do {
            for try await bytes in request.bodySequence where body.count < Self.bodyMaximum { body.append(bytes) }
        } catch { return .hangUp }
        let answer = await desk.answer(
            method: request.method.rawValue,
            path: request.target.path(),
            body: body
        )
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard var text = try? JSONSerialization.data(withJSONObject: answer.document, options: options) else {
            return HTTPResponse(statusCode: .internalServerError)
        }
        text.append(UInt8(ascii: "\n"))
        return HTTPResponse(
            statusCode: status(Answer(status: answer.status)),
            headers: [.contentType: "application/json"],
            body: text
        )
    }
}
