package import FerryCore

/// What the cloud was asked for.
package enum CloudOperation: String, Sendable {
    /// `GenerateOTAUploadURL`
    case ticket
    /// OSS `PostObject`
    case upload
    /// `CreateOTAFirmware`
    case register
    /// `ListOTAFirmware`
    case list
    /// Finding the keys to sign a call with.
    case credentials

    /// The beginning of a message: `"Could not upload pumpctl-1.4.2.bin"`.
    func failed(_ object: String) -> String {
        // Where credentials come from is written in the configuration; the other names are a sender's.
        let name = self == .credentials ? object : Untrusted.text(object)
        let object = name.isEmpty ? "" : " " + name
        return switch self {
        case .ticket: "Could not get an upload ticket\(object)"
        case .upload: "Could not upload\(object)"
        case .register: "Could not register\(object)"
        case .list: "Could not list the firmware\(object)"
        case .credentials: "Could not read the credentials\(object)"
        }
    }
}

/// What to do after an error.
package enum Disposition: Sendable, Equatable {
    /// Ask again, not before the floor is over.
    case retry(floor: Duration)
    /// The ticket is of no use any more: get another and upload from the first byte. Where the same keeps happening the
    /// caller has to give up; the client has no memory.
    case newTicket
    /// The firmware may or may not be registered: list it before anything else.
    case lookUp
    /// Wait for a person.
    case hold
    /// Give up.
    case fail
}

/// Why a call to the cloud failed, and what follows from it.
package struct CloudError: Error, Sendable {
    /// What was asked for.
    package var operation: CloudOperation
    /// For people, and for the state message.
    package var reason: Reason
    /// What to do now.
    package var disposition: Disposition
    /// The status of the answer, where there was one.
    package var httpStatus: Int?
    /// The cloud's name for the call; support asks for it.
    package var requestID: String?
    /// How long the server asked to wait.
    package var retryAfter: Duration?
    /// Before this is over nothing is asked again, whatever the disposition.
    package var floor = Duration.zero
    /// What was seen underneath: libcurl's words, the server's message, an errno.
    package var underlying: String
    /// The error of the body's producer, where that ended an upload.
    package var cause: (any Error)?
    /// Whether the caller's own cancellation ended it. `reason` and `disposition` mean nothing then.
    package var isCancelled = false

    /// An error whose every part is known.
    package init(
        operation: CloudOperation,
        reason: Reason,
        disposition: Disposition,
        httpStatus: Int? = nil,
        requestID: String? = nil,
        retryAfter: Duration? = nil,
        underlying: String = "",
        cause: (any Error)? = nil
    ) {
        self.operation = operation
        self.reason = reason
        self.disposition = disposition
        self.httpStatus = httpStatus
        self.requestID = requestID
        self.retryAfter = retryAfter
        self.underlying = underlying
        self.cause = cause
    }
}

extension CloudError: CustomStringConvertible {
    /// The sentence of the reason.
    package var description: String { reason.text }
}

extension CloudError {
    /// The error that a verdict of the table makes of a call.
    init(
        _ operation: CloudOperation,
        _ object: String,
        _ verdict: Verdict,
        cloudCode: String? = nil,
        underlying: String = ""
    ) {
        let detail = underlying.isEmpty ? "" : " (\(underlying))"
        self.init(
            operation: operation,
            reason: Reason(
                verdict.code,
                verdict.kind,
                "\(operation.failed(object)): \(verdict.sentence)\(detail)",
                hint: verdict.hint,
                cloudCode: cloudCode.map(Untrusted.text)
            ),
            disposition: verdict.disposition,
            underlying: underlying
        )
    }

    /// Supplies what the answer's headers tell.
    func seen(in response: HTTPResponse, requestID: String?) -> CloudError {
        var error = self
        error.httpStatus = response.status
        error.requestID = requestID.map(Untrusted.text)
        error.retryAfter = RetryAfter.parse(response.headers["x-acs-retry-after"])
        if let wait = error.retryAfter, case .retry(let floor) = disposition {
            error.disposition = .retry(floor: max(floor, wait))
        }
        return error
    }
}

/// `x-acs-retry-after`, which is in milliseconds.
enum RetryAfter {
    /// Longer waits are taken for mistakes.
    private static let limit = Duration.seconds(900)

    static func parse(_ text: String?) -> Duration? {
        guard let text, let milliseconds = Int64(text), milliseconds >= 0 else { return nil }
        return min(.milliseconds(milliseconds), limit)
    }
}
