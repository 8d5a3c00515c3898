import FerryCore
import Logging

/// Makes signed RPC calls to one endpoint.
struct PlatformCaller: Sendable {
    let endpointURL: String
    let region: String
    let signature: SignatureScheme
    let format: AnswerFormat
    let credentials: any CredentialSource
    let http: HTTPClient
    let clock: ServerClock
    let logger: Logger

    /// What came of sending a call once.
    private enum Attempt {
        case answered(PlatformAnswer)
        /// `isRepeatable`: the same call with a new nonce and time may well succeed at once.
        case refused(CloudError, isRepeatable: Bool)
    }

    /// Makes one call and reads its envelope. A success has status 2xx and, where the API has that member, `Success`
    /// true.
    func perform(
        _ call: RPCCall,
        _ operation: CloudOperation,
        object: String
    ) async throws(CloudError) -> PlatformAnswer {
        switch try await attempt(call, operation, object: object) {
        case .answered(let answer): return answer
        case .refused(let error, isRepeatable: false): throw error
        case .refused(_, isRepeatable: true):
            logger.debug("Repeating a call with a new nonce and time", metadata: ["call": "\(call.action)"])
        }
        switch try await attempt(call, operation, object: object) {
        case .answered(let answer): return answer
        case .refused(let error, _): throw error
        }
    }

    private func attempt(
        _ call: RPCCall,
        _ operation: CloudOperation,
        object: String
    ) async throws(CloudError) -> Attempt {
        let endpoint = try endpointAddress(operation, object: object)
        let keys = try await currentCredentials(operation)
        let learnedAt = clock.learnedAt
        let signed = signature.sign(
            call,
            SigningIngredients(
                credentials: keys,
                region: region,
                format: format,
                host: endpoint.authority,
                nonce: SigningIngredients.freshNonce(),
                time: clock.now()
            )
        )
        var request = HTTPRequest(.post, url: "\(endpoint.url)?\(signed.query)")
        request.headers = signed.headers
        // A registration must not be sent twice, and no call with the nonce of another.
        request.connection = .fresh
        let response: HTTPResponse
        do {
            response = try await http.send(request)
        } catch {
            throw CloudError(operation, object, error)
        }
        let isClockNews = clock.learn(dateHeader: response.headers["date"])
        guard let answer = PlatformAnswer(response.body), !response.isTruncated else {
            return .refused(CloudError(operation, object, unreadable: response), isRepeatable: false)
        }
        if response.isSuccess, answer.isSuccess(of: call) { return .answered(answer) }
        guard let code = answer.code else {
            return .refused(CloudError(operation, object, unreadable: response), isRepeatable: false)
        }
        let refusal = PlatformRefusal(
            code: code,
            message: answer.message,
            status: response.status,
            isToWait: RetryAfter.parse(response.headers["x-acs-retry-after"]) != nil
        )
        let error = refusal.error(operation, object, signed: signed, keys: keys)
        if refusal.isClockOff && !isClockNews { clock.forget(learnedAt: learnedAt) }
        // Their time may be read by a clock that is off: the cloud's word counts.
        if refusal.isTokenOver { credentials.discard(keys) }
        return .refused(
            error.seen(in: response, requestID: answer.requestID ?? response.requestID),
            isRepeatable: refusal.isNonceUsed || refusal.isTokenOver && keys.securityToken != nil
                || refusal.isClockOff && isClockNews
        )
    }

    func endpointAddress(_ operation: CloudOperation, object: String) throws(CloudError) -> CloudAddress {
        guard let endpoint = CloudAddress(endpointURL), endpoint.isSecureEnough else {
            throw CloudError(
                operation,
                object,
                Verdict(
                    .hold,
                    .hostNotAllowed,
                    "the endpoint is no URL that may be used",
                    hint: "Set cloud.endpoint to https://host/; plain http is for loopback addresses only."
                )
            )
        }
        return endpoint
    }

    private func currentCredentials(_ operation: CloudOperation) async throws(CloudError) -> Credentials {
        do throws(CloudError) {
            return try await credentials.credentials()
        } catch {
            var error = error
            error.operation = operation
            throw error
        }
    }
}
