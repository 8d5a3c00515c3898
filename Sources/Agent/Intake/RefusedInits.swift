import FerryCore
import Synchronization

/// What was said to an `init` that was refused, for as long as segments may come before one. A sender that goes on all the
/// same gets the same answer for each step, and leaves nothing behind that would look like a transfer. From any thread.
final class RefusedInits: Sendable {
    private struct Refusal {
        var reason: ReasonCode
        var text: String
        /// What the `init` announced.
        var size: Int64?
        /// The client of EMQX's file transfer that it named.
        var clientID: String?
        var at: ContinuousClock.Instant
    }

    private let refusals = Mutex<[TransferAddress: Refusal]>([:])

    private static let limit = Duration.seconds(60)
    /// More than this are not remembered.
    private static let largest = 1_024

    /// An `init` without a transfer was refused.
    func note(
        _ address: TransferAddress,
        _ reason: ReasonCode,
        _ text: String,
        size: Int64? = nil,
        at now: ContinuousClock.Instant = .now
    ) {
        refusals.withLock { refusals in
            if refusals.count >= Self.largest { refusals = refusals.filter { now - $0.value.at < Self.limit } }
            guard refusals.count < Self.largest || refusals[address] != nil else { return }
            refusals[address] = Refusal(reason: reason, text: text, size: size, at: now)
        }
    }

    /// The size that the refused `init` of an address announced.
    func size(of address: TransferAddress) -> Int64? { refusals.withLock { $0[address]?.size } }

    /// The `init` that was refused named a client.
    func note(clientID: String, of address: TransferAddress) {
        refusals.withLock { $0[address]?.clientID = clientID }
    }

    /// The client that the refused `init` of an address named.
    func clientID(of address: TransferAddress) -> String? { refusals.withLock { $0[address]?.clientID } }

    /// What the last `init` of the address was refused with; nil where it was not, or long ago.
    func refusal(of address: TransferAddress, at now: ContinuousClock.Instant = .now) -> (ReasonCode, String)? {
        refusals.withLock { refusals in
            guard let refusal = refusals[address] else { return nil }
            guard now - refusal.at < Self.limit else {
                refusals[address] = nil
                return nil
            }
            return (refusal.reason, "init was refused: \(refusal.text)")
        }
    }

    /// The address begins anew, or is given up.
    func forget(_ address: TransferAddress) { refusals.withLock { $0[address] = nil } }
}
