/// How far a transfer has to come before a person who pushed a file is content.
package enum PushGoal: String, Sendable, CaseIterable {
    /// The bytes are durable on the gateway.
    case stored
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
        switch (state, self) {
        case (.registered, _): .reached
        case (.failed, _), (.cancelled, _), (.expired, _): .failed
        case (.receiving, _): .goesOn
        case (.stored, .stored), (.ticketing, .stored), (.uploading, .stored), (.registering, .stored),
            (.held, .stored):
            .reached
        case (.stored, .registered), (.ticketing, .registered), (.uploading, .registered),
            (.registering, .registered):
            .goesOn
        case (.held, .registered): reason == .packageIncomplete ? .goesOn : .needsPerson
        }
    }
}
