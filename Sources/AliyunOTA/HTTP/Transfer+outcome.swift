import CCurl

extension Transfer {
    /// What a finished transfer amounts to.
    func outcome(_ result: CURLcode) -> TransferJob.Outcome {
        var sent: curl_off_t = 0
        if otaferry_curl_get_offset(handle, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK {
            bytesTaken = max(bytesTaken, Int64(sent))
        }
        if var response = answer.response, answer.isComplete {
            response.bytesSent = bytesTaken
            if result == CURLE_OK { return .success(response) }
            // A server that refuses early often closes while we still send: the status it gave is what counts.
            if response.status >= 400, !answer.isTooLarge, bodyFailure == nil {
                response.isTruncated = true
                return .success(response)
            }
        }
        return .failure(failure(result))
    }

    private func failure(_ result: CURLcode) -> HTTPFailure {
        if let bodyFailure {
            let kind: HTTPFailure.Kind = bodyFailure is BodyLengthError ? .bodyLength : .bodyFailed
            return failure(kind, "\(bodyFailure)", cause: bodyFailure)
        }
        if answer.isTooLarge { return failure(.answerTooLarge, "the answer is larger than 1 MiB") }
        // libcurl's own words are of what it would have done next.
        let text =
            result == CURLE_SEND_FAIL_REWIND
            ? "the server closed it without an answer (libcurl \(result.rawValue))" : describe(result)
        return failure(kind(of: result), text)
    }

    /// The failure of this transfer for a reason that libcurl did not find.
    func failure(_ kind: HTTPFailure.Kind, _ text: String, cause: (any Error)? = nil) -> HTTPFailure {
        HTTPFailure(kind, text, mayHaveLeft: hasBegun, bytesSent: bytesTaken, cause: cause)
    }

    /// Whether connection and handshake were done, so that the request may have left.
    private var hasBegun: Bool {
        var time: curl_off_t = 0
        return otaferry_curl_get_offset(handle, CURLINFO_PRETRANSFER_TIME_T, &time) == CURLE_OK && time > 0
    }

    /// Whether the proxy answered CONNECT with something else than success.
    private var isRefusedByProxy: Bool {
        var status = 0
        return otaferry_curl_get_long(handle, CURLINFO_HTTP_CONNECTCODE, &status) == CURLE_OK && status >= 300
    }

    private func kind(of result: CURLcode) -> HTTPFailure.Kind {
        if !hasBegun && isRefusedByProxy { return .proxy }
        switch result {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return .unresolved
        // An interface that is named in the configuration may come up later, a modem's for example.
        case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED: return .unreachable
        case CURLE_PROXY: return .proxy
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_SHUTDOWN_FAILED:
            return .tls
        case CURLE_OPERATION_TIMEDOUT: return hasBegun ? .timedOut : .unreachable
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR: return hasBegun ? .broken : .unreachable
        case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND, CURLE_WEIRD_SERVER_REPLY,
            CURLE_OUT_OF_MEMORY:
            return .broken
        case CURLE_ABORTED_BY_CALLBACK: return .cancelled
        default: return hasBegun ? .broken : .unusable
        }
    }
}
