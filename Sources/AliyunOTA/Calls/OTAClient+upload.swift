import FerryCore

extension OTAClient {
    /// Sends a file to OSS under a ticket.
    ///
    /// - Parameters:
    ///   - fileName: for the form and for messages.
    ///   - size: the bytes that `body` gives, exactly.
    ///   - crc64: the file's sum if it is known; else it is computed on the way.
    ///   - body: gives the file. At most three chunks are held; an error ends the upload and becomes the `cause` of the
    ///     error thrown here.
    ///   - progress: told how many bytes of the file the socket has taken. It must not block.
    package func upload(
        fileName: String,
        size: Int64,
        crc64: UInt64? = nil,
        ticket: Ticket,
        body: BodySource,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws(CloudError) -> UploadReceipt {
        let address = try checkedAddress(of: ticket, fileName: fileName)
        try check(ticket, size: size, fileName: fileName)
        // The object's name is the ticket's; the form's file name is ASCII only because nothing reads it.
        let form = UploadForm(fields: ticket.formFields, fileName: "firmware")
        let whole = UploadBody(form: form, size: size, isSumNeeded: crc64 == nil, file: body)
        let headLength = Int64(form.head.count)
        var request = HTTPRequest(.post, url: address.url)
        request.headers = [HTTPHeader("Content-Type", form.contentType)]
        request.body = .stream(length: form.contentLength(fileSize: size), whole.source)
        request.timeout = nil
        request.stallTimeout = settings.stallTimeout
        request.progress = { progress(min(max($0 - headLength, 0), size)) }
        let response: HTTPResponse
        do {
            response = try await http.send(request)
        } catch {
            throw CloudError(.upload, fileName, error)
        }
        clock.learn(dateHeader: response.headers["date"])
        guard [200, 201, 204].contains(response.status) else { throw refusal(response, ticket, fileName) }
        // OSS answers a 200 without a body, and always names the request. A page is somebody else's, a portal's for
        // example: the object is not there, and must not be registered.
        guard response.body.isEmpty || response.headers["x-oss-request-id"] != nil || response.status == 201 else {
            throw CloudError(.upload, fileName, unreadable: response)
        }
        // It may take the socket's buffers for the file: whoever answers sooner has not read it.
        guard response.bytesSent >= form.contentLength(fileSize: size) else {
            let verdict = Verdict(
                .newTicket,
                .uploadBroken,
                "it was answered before the whole file was sent",
                hint: "A proxy or a login page may stand between the gateway and the cloud."
            )
            throw CloudError(.upload, fileName, verdict).seen(in: response, requestID: response.requestID)
        }
        let told = response.headers["x-oss-hash-crc64ecma"].flatMap { UInt64($0) }
        let sent = crc64 ?? whole.crc64
        guard told == nil || told == sent else {
            let verdict = Verdict(
                .newTicket,
                .uploadDamaged,
                "the storage holds other bytes than were sent; the agent uploads again"
            )
            throw CloudError(.upload, fileName, verdict).seen(in: response, requestID: response.requestID)
        }
        return UploadReceipt(requestID: response.requestID, completedAt: clock.now(), crc64: told)
    }

    func checkedAddress(of ticket: Ticket, fileName: String) throws(CloudError) -> CloudAddress {
        let endpoint = try caller.endpointAddress(.upload, object: fileName)
        let hosts = UploadHosts(endpoint: endpoint, globs: settings.uploadHosts)
        guard let address = CloudAddress(ticket.host), hosts.allow(address) else {
            throw CloudError(
                .upload,
                fileName,
                Verdict(
                    .hold,
                    .hostNotAllowed,
                    "the ticket names a host that is not allowed, \(Untrusted.text(ticket.host))",
                    hint: "If it is right, add it to cloud.upload-hosts."
                )
            )
        }
        return address
    }

    /// What the policy would refuse is not sent.
    private func check(_ ticket: Ticket, size: Int64, fileName: String) throws(CloudError) {
        let policy = ticket.policy
        let verdict: Verdict
        if ticket.remaining(at: clock.now()) <= .zero {
            verdict = Verdict(.newTicket, .ticketExpired, "the ticket has expired")
        } else if size > policy.size.upperBound {
            verdict = Verdict(
                .fail,
                .tooLarge,
                "it has \(size) bytes, the cloud takes \(policy.size.upperBound)",
                hint: "Send a smaller file"
            )
        } else if size < policy.size.lowerBound {
            verdict = Verdict(
                .fail,
                .ticketUnusable,
                "it has \(size) bytes, the ticket wants \(policy.size.lowerBound)"
            )
        } else if let broken = policy.brokenCondition(fields: ticket.formFields) {
            verdict = Verdict(.fail, .ticketUnusable, "the ticket contradicts itself: \(Untrusted.text(broken))")
        } else {
            return
        }
        throw CloudError(.upload, fileName, verdict)
    }

    private func refusal(_ response: HTTPResponse, _ ticket: Ticket, _ fileName: String) -> CloudError {
        guard let answer = StorageAnswer(xml: response.body) else {
            return CloudError(.upload, fileName, unreadable: response)
        }
        let verdict = CloudCodes.verdict(
            on: answer.code,
            from: .storage,
            message: answer.message,
            status: response.status
        )
        let isTelling = [ticket.policyText.text, ticket.signature.text].contains { answer.message.contains($0) }
        return CloudError(
            .upload,
            fileName,
            verdict,
            cloudCode: answer.code,
            underlying: isTelling ? "" : Untrusted.text(answer.message)
        ).seen(in: response, requestID: answer.requestID ?? response.requestID)
    }
}
