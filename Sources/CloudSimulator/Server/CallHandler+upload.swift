import FlyingFox
import Foundation

extension CallHandler {
    /// PostObject: reads the form and the file, answers as OSS does.
    @concurrent
    func handleUpload(_ request: HTTPRequest, contentType: String) async -> HTTPResponse {
        let number = log.begin(.postObject, parameters: [:])
        let fault = faults.next(for: .postObject)
        log.update(number) { $0.fault = fault?.name }
        let length = request.headers[.contentLength].flatMap(Int64.init)
        var reader = BodyReader(request.bodySequence, fault: fault) { [log] total in
            log.update(number) { $0.bodyBytes = total }
        }
        do {
            let answer: Answer
            do {
                if let scripted = try await playBeforeUpload(fault, request) {
                    answer = scripted
                } else {
                    answer = try await receive(request, contentType: contentType, length, fault, &reader, number)
                }
            } catch let refusal as BucketRefusal {
                answer = bucketAnswer(refusal, request)
            } catch let error as SimulatorError {
                answer = bucketAnswer(BucketRefusal(500, "InternalError", "\(error)"), request)
            }
            return try await playAfterUpload(fault, answer, request, length.map { $0 - reader.total }, number)
        } catch {
            log.end(
                number,
                status: nil,
                code: "",
                note: "after \(reader.total) bytes of \(length.map(String.init) ?? "?")"
            )
            return .hangUp
        }
    }

    @concurrent
    private func receive(
        _ request: HTTPRequest,
        contentType: String,
        _ length: Int64?,
        _ fault: Fault?,
        _ reader: inout BodyReader,
        _ number: Int
    ) async throws -> Answer {
        guard request.target.path() == "/" else {
            throw BucketRefusal(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        }
        guard length != nil || request.headers[.transferEncoding] != nil else {
            throw BucketRefusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        }
        guard let boundary = MultipartParser.boundary(contentType: contentType) else {
            throw BucketRefusal(400, "RequestIsNotMultiPartContent", "The content type names no boundary.")
        }
        let sink = UploadSink(
            bucket: bucket,
            boundary: boundary,
            contentLength: length,
            contentMD5: request.headers[HTTPHeader("Content-MD5")],
            isExpired: fault?.isPolicyExpired ?? false
        )
        do {
            try await pump(&reader, into: sink, number)
            let (object, form) = try await sink.finish()
            try await account.store(object)
            return success(object, form, fault, request)
        } catch {
            await sink.abandon()
            throw error
        }
    }

    /// Feeds the sink: the form as it comes, the file in large pieces, one of which is read while another is written.
    @concurrent
    private func pump(_ reader: inout BodyReader, into sink: UploadSink, _ number: Int) async throws {
        var phase = UploadSink.Phase.form
        while phase == .form, let piece = try await reader.next() {
            phase = try await sink.accept(piece)
        }
        let fields = await sink.fieldsSeen
        log.update(number) { record in
            record.parameters = fields
            record.note = fields["key"] ?? ""
        }
        var next = try await reader.nextPiece()
        while let piece = next {
            async let accepted = sink.accept(piece)
            next = try await reader.nextPiece()
            _ = try await accepted
        }
    }

    private func playBeforeUpload(_ fault: Fault?, _ request: HTTPRequest) async throws -> Answer? {
        switch fault {
        case .answer(let answer): return Answer(answer)
        case .refuse(let status, let code, let message, let headers):
            var answer = bucketAnswer(BucketRefusal(status, code, message), request)
            answer.headers.merge(headers) { $1 }
            return answer
        case .fail(let code, let message): throw BucketRefusal(400, code, message)
        case .hold(let gate): try await gate.wait()
        case .delay(let time): try await Task.sleep(for: time)
        case .hangUp: throw HungUp()
        default: break
        }
        return nil
    }

    private func playAfterUpload(
        _ fault: Fault?,
        _ answer: Answer,
        _ request: HTTPRequest,
        _ remaining: Int64?,
        _ number: Int
    ) async throws -> HTTPResponse {
        var answer = answer
        switch fault {
        case .answerAfterwards(let scripted): answer = Answer(scripted)
        case .refuseAfterwards(let status, let code, let message):
            answer = bucketAnswer(BucketRefusal(status, code, message), request)
        case .failAfterwards(let code, let message):
            answer = bucketAnswer(BucketRefusal(400, code, message), request)
        default:
            if let response = try await playAtTheEnd(fault, answer, number) { return response }
        }
        let isRead = remaining.map { $0 <= 0 } ?? (answer.status < 300)
        if isRead { return respond(answer, number) }
        log.end(number, status: answer.status, code: answer.code, note: answer.note)
        return .refusingRest(
            of: request.bodySequence,
            remaining: remaining,
            status: status(answer),
            headers: headers(answer),
            answer: Data(answer.body.utf8)
        )
    }

    private func success(_ object: StoredObject, _ form: PostForm, _ fault: Fault?, _ request: HTTPRequest) -> Answer {
        let tag = "\"\(object.md5.uppercased())\""
        var answer = Answer(status: form.successStatus, headers: bucketHeaders())
        answer.headers["ETag"] = tag
        switch fault {
        case .noChecksum: break
        case .wrongChecksum: answer.headers["x-oss-hash-crc64ecma"] = String(object.checksum ^ 1)
        default: answer.headers["x-oss-hash-crc64ecma"] = String(object.checksum)
        }
        answer.note = "\(object.key) \(object.size) bytes"
        if form.successStatus == 201 {
            answer.headers["Content-Type"] = "application/xml"
            let host = request.headers[.host] ?? ""
            let document = AnswerDocument.members([
                ("Bucket", .text(bucket.name)), ("Location", .text("http://\(host)/\(object.key)")),
                ("Key", .text(object.key)), ("ETag", .text(tag)),
            ])
            answer.body = document.encoded(as: .xml, root: "PostResponse")
        }
        return answer
    }

    private func bucketAnswer(_ refusal: BucketRefusal, _ request: HTTPRequest) -> Answer {
        var answer = Answer(status: refusal.status, headers: bucketHeaders(), code: refusal.code, note: refusal.message)
        answer.headers["Content-Type"] = "application/xml"
        let document = AnswerDocument.members([
            ("Code", .text(refusal.code)), ("Message", .text(refusal.message)),
            ("RequestId", .text(answer.headers["x-oss-request-id"] ?? "")),
            ("HostId", .text(request.headers[.host] ?? "")),
        ])
        answer.body = document.encoded(as: .xml, root: "Error")
        return answer
    }

    private func bucketHeaders() -> [String: String] {
        [
            "Server": "AliyunOSS",
            "x-oss-request-id": Hex.encode((0..<12).map { _ in UInt8.random(in: 0...255) }).uppercased(),
        ]
    }
}
