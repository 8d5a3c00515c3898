import FerryCore

/// Retained states that are being cleared: what was published, and what the broker has acknowledged. Receipts of clearings
/// are negative, those of events positive.
struct Clears {
    private var last: Int64 = 0
    private var open: [Int64: TransferAddress] = [:]
    private var done: [TransferAddress] = []

    /// A clearing is published under the receipt that is returned.
    mutating func begin(_ address: TransferAddress) -> Int64 {
        last -= 1
        open[last] = address
        return last
    }

    /// The broker acknowledged it.
    mutating func end(_ receipt: Int64) {
        if let address = open.removeValue(forKey: receipt) { done.append(address) }
    }

    /// Nothing is left to clear.
    mutating func settle(_ address: TransferAddress) { done.append(address) }

    /// A new connection: what the one before was asked for is asked for again, under receipts of its own.
    mutating func beginAnew() { open = [:] }

    mutating func takeDone() -> [TransferAddress] {
        defer { done = [] }
        return done
    }
}
