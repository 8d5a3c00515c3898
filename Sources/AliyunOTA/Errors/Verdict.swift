import FerryCore

/// What a failure means: the part of an error that does not depend on the call.
struct Verdict: Sendable, Equatable {
    let disposition: Disposition
    let code: ReasonCode
    let kind: Reason.Kind
    /// The rest of the sentence that begins with `Could not …:`.
    let sentence: String
    let hint: String

    init(
        _ disposition: Disposition,
        _ code: ReasonCode,
        _ sentence: String,
        hint: String = "",
        kind: Reason.Kind? = nil
    ) {
        self.disposition = disposition
        self.code = code
        self.sentence = sentence
        self.hint = hint
        self.kind = kind ?? disposition.kind
    }

    /// The same for a registration whose outcome is not known: only a look at the list tells.
    func unknownOutcome() -> Verdict {
        Verdict(
            .lookUp,
            .registerUnknown,
            "\(sentence); whether it is registered is not known",
            hint: "The agent looks it up before it tries again."
        )
    }
}

extension Disposition {
    fileprivate var kind: Reason.Kind {
        switch self {
        case .retry, .newTicket, .lookUp: .retry
        case .hold: .operator
        case .fail: .permanent
        }
    }

    /// Again, at the caller's own pace.
    static let retry = Disposition.retry(floor: .zero)
    /// Again, when something outside had time to change.
    static let retryLater = Disposition.retry(floor: .seconds(30))
}
