import Synchronization

/// Counts the rounds of a loop, so that somebody else sees whether it still goes on.
package final class Pulse: Sendable {
    private let rounds = Atomic<UInt64>(0)
    private let away = Atomic<Bool>(false)

    package init() {}

    /// A round is done. From the loop.
    package func beat() { rounds.add(1, ordering: .relaxed) }

    /// Calls something that lasts as long as somebody outside wants, such as connect(2): meanwhile no round is expected.
    package func whileAway<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        away.store(true, ordering: .relaxed)
        defer {
            away.store(false, ordering: .relaxed)
            beat()
        }
        return try body()
    }

    /// How many rounds were done. From any thread.
    package var count: UInt64 { rounds.load(ordering: .relaxed) }

    /// Whether no round is expected now. From any thread.
    package var isAway: Bool { away.load(ordering: .relaxed) }
}
