import FerryCore

extension CloudError {
    /// The error of a call that got no usable answer.
    init(_ operation: CloudOperation, _ object: String, _ failure: HTTPFailure) {
        let verdict = Verdict(failure, operation)
        self.init(
            operation,
            object,
            operation == .register && failure.mayHaveLeft ? verdict.unknownOutcome() : verdict,
            underlying: failure.text
        )
        cause = failure.cause
        isCancelled = failure.kind == .cancelled
    }

    /// The error of an answer that is not the cloud's: a proxy's page, an empty or cut-off body.
    init(_ operation: CloudOperation, _ object: String, unreadable response: HTTPResponse) {
        let verdict = Verdict(unreadable: response, operation)
        self.init(
            operation,
            object,
            // Whoever answered, the cloud may have had the call before: a gateway between may have lost its answer.
            // A request to slow down is none that was done.
            operation == .register && response.status != 429 ? verdict.unknownOutcome() : verdict,
            underlying: "HTTP status \(response.status)"
        )
        self = seen(in: response, requestID: response.requestID)
    }
}

extension HTTPResponse {
    /// The cloud's name for the call, as far as headers tell.
    var requestID: String? { headers["x-acs-request-id"] ?? headers["x-oss-request-id"] }
}

extension Verdict {
    /// What a failure of the transport means.
    init(_ failure: HTTPFailure, _ operation: CloudOperation) {
        let isUpload = operation == .upload
        switch failure.kind {
        case .unresolved:
            self.init(.retry, .cloudUnreachable, "a host name could not be resolved", hint: "Check DNS and the uplink.")
        case .unreachable:
            self.init(.retry, .cloudUnreachable, "no connection to the cloud", hint: "Check the uplink and firewalls.")
        case .proxy:
            self.init(
                .retry,
                .cloudUnreachable,
                "the proxy does not let it through",
                hint: "Check cloud.proxy or https_proxy."
            )
        case .tls:
            self.init(
                .retryLater,
                .tls,
                "no secure connection",
                hint: "Check cloud.ca-file, the gateway's clock, and whether a proxy opens TLS."
            )
        case .timedOut:
            self.init(.retry, .cloudUnreachable, "the cloud did not answer in time")
        case .stalled:
            self.init(
                .newTicket,
                .uploadStalled,
                "the link took no more bytes",
                hint: "Check the uplink; see upload.stall-timeout."
            )
        case .broken:
            self.init(
                isUpload ? .newTicket : .retry,
                isUpload ? .uploadBroken : .cloudUnreachable,
                "the connection broke"
            )
        case .bodyFailed, .bodyLength:
            self.init(.retry, .spoolDamaged, "the file could not be read from the spool")
        case .answerTooLarge:
            self.init(.retryLater, .cloudUnreachable, "something other than the cloud answered")
        case .unusable:
            self.init(
                .hold,
                .cloudUnreachable,
                "the request cannot be sent",
                hint: "Check the [cloud] section of the configuration."
            )
        case .cancelled:
            self.init(.retry, isUpload ? .uploadBroken : .cloudUnreachable, "it was cancelled")
        }
    }

    /// What an answer means of which only the status can be read.
    init(unreadable response: HTTPResponse, _ operation: CloudOperation) {
        let hint = "A proxy or a login page may stand between the gateway and the cloud."
        switch response.status {
        case 429: self = CloudCodes.throttled
        case 408, 500...599: self = CloudCodes.busy
        case 407:
            self.init(.hold, .cloudUnreachable, "the proxy wants a password", hint: "Put it into cloud.proxy.")
        case 413 where operation == .upload:
            self.init(.fail, .tooLarge, "the file is larger than the way to the cloud takes", hint: hint)
        case 400...499 where operation == .upload:
            self.init(.newTicket, .uploadRefused, "the upload was refused without a reason", hint: hint)
        default:
            self.init(.retryLater, .cloudUnreachable, "something other than the cloud answered", hint: hint)
        }
    }
}
