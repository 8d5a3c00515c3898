import FerryCore

/// What a committed transaction has to be said on MQTT.
struct IntakeOutcome: Sendable {
    /// An acknowledgement to one sender.
    struct Reply: Sendable {
        var address: TransferAddress
        var payload: JSONValue
    }

    /// In order.
    var replies: [Reply] = []
    /// Transfers whose state message changes, in order.
    var changed: [Transfer] = []
    /// Transfers that were forgotten; their retained state is cleared.
    var removed: [TransferAddress] = []
    /// Transfers with new bytes, as committed.
    var moved: [Transfer] = []
    /// Keys of transfers with new bytes or their end.
    var arrived: Set<Int64> = []
}
