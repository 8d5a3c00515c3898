import Synchronization

/// How long the cloud has said that a name or a version is taken while its list does not show by whom. A list may lag, so
/// that our own firmware looks like somebody else's. From any thread.
final class ConflictWatch: Sendable {
    private let begun = Mutex<[Int64: ContinuousClock.Instant]>([:])

    /// So long a name is looked for before it counts as somebody else's.
    private static let limit = Duration.seconds(60)

    /// How it stands with a transfer.
    enum Standing: Sendable {
        /// Nobody has said that anything is taken.
        case none
        /// The list may still show it.
        case young
        /// It has been looked for long enough.
        case old
    }

    /// How it stands.
    func standing(_ key: Int64, at now: ContinuousClock.Instant = .now) -> Standing {
        guard let moment = begun.withLock({ $0[key] }) else { return .none }
        return now - moment < Self.limit ? .young : .old
    }

    /// The cloud said that it is taken; the first time counts.
    func begin(_ key: Int64, at now: ContinuousClock.Instant = .now) {
        begun.withLock { begun in
            if begun[key] == nil { begun[key] = now }
        }
    }

    /// It is settled.
    func end(_ key: Int64) { begun.withLock { $0[key] = nil } }
}
