import Broker
import FerryCore

/// What a committed transaction has to be said on MQTT.
struct IntakeOutcome: Sendable {
    /// An acknowledgement to one sender.
    struct Reply: Sendable {
        var address: TransferAddress
        var payload: JSONValue
    }

    /// What a sender was refused, and why.
    struct Refusal: Sendable {
        var address: TransferAddress
        var reason: ReasonCode
        var text: String
    }

    /// In order.
    var replies: [Reply] = []
    /// For the log.
    var refusals: [Refusal] = []
    /// Transfers whose state message changes, in order.
    var changed: [Transfer] = []
    /// Transfers that were forgotten; their retained state is cleared.
    var removed: [TransferAddress] = []
    /// Transfers with new bytes, as committed.
    var moved: [Transfer] = []
    /// Answers to commands of EMQX's file transfer, in order.
    var fileAnswers: [OutboundMessage] = []
    /// `fin` commands that are answered once the digest is compared, with the key of their transfer.
    var fileEnds: [(key: Int64, command: FileCommand)] = []
    /// Deliveries that ended with this batch, their file whole and compared.
    var concluded: [Verification.Conclusion] = []
    /// Bytes that became durable.
    var storedBytes: Int64 = 0
    /// Whether a segment still fits.
    var hasRoom = false
    /// Whether a sender was told to pause for want of room.
    var isCreditDenied = false
    /// Keys of transfers with new bytes or their end.
    var arrived: Set<Int64> = []

    /// Whether the status counts something anew; a query or a refusal changes nothing.
    var hasChangedSpool: Bool {
        storedBytes > 0
            || !(changed.isEmpty && removed.isEmpty && moved.isEmpty && concluded.isEmpty && arrived.isEmpty)
    }
}
