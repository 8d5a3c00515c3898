/// How far a transfer has to come before a person who pushed a file is content: a state, or any that lies behind it.
package enum PushGoal: String, Sendable, CaseIterable {
    /// The bytes are durable on the gateway.
    case stored
    /// The cloud was asked where to upload.
    case ticketing
    /// The upload has begun.
    case uploading
    /// The cloud has the bytes.
    case registering
    /// The cloud has the firmware.
    case registered

    /// What a state means for the goal.
    package enum Verdict: Sendable, Equatable {
        case goesOn
        case reached
        /// Only a person can mend it; then it goes on.
        case needsPerson
        case failed
    }

    /// Judges a state. A held member of a package waits for its siblings, which is no reason to stop.
    package func verdict(on state: TransferState, because reason: ReasonCode?) -> Verdict {
        switch state {
        case .receiving: .goesOn
        case .stored, .ticketing, .uploading, .registering, .registered: Self.hasCome(state, to: self)
        // Held in the middle of its way, its bytes are as durable as ever.
        case .held where self == .stored: .reached
        case .held: reason == .packageIncomplete ? .goesOn : .needsPerson
        case .failed, .cancelled, .expired: .failed
        }
    }

    private static func hasCome(_ state: TransferState, to goal: PushGoal) -> Verdict {
        guard let here = PushGoal(rawValue: state.rawValue).flatMap(allCases.firstIndex(of:)),
            let there = allCases.firstIndex(of: goal)
        else { preconditionFailure("Cannot miss a state of the way to the cloud: each is a goal") }
        return here >= there ? .reached : .goesOn
    }
}
