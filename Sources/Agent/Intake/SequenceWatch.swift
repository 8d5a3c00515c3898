import FerryCore

/// Notices when a sender that had been sending in order jumps ahead: the broker dropped messages.
struct SequenceWatch: Sendable {
    private struct Run: Sendable {
        /// Where the next byte is expected.
        var next: Int64
        /// How many segments in a row came in order.
        var inOrder: Int
    }

    private var runs: [TransferAddress: Run] = [:]

    /// Two segments in order make an order.
    private static let orderAfter = 2
    /// More transfers than can be open are not watched.
    private static let limit = 1_024

    /// Notes a segment; true when it jumps ahead of the order.
    mutating func isJump(_ address: TransferAddress, offset: Int64, count: Int) -> Bool {
        guard count > 0 else { return false }
        let end = offset + Int64(count)
        guard var run = runs[address] else {
            if runs.count >= Self.limit { runs.removeAll() }
            runs[address] = Run(next: end, inOrder: 1)
            return false
        }
        let isNext = offset == run.next
        let isJump = offset > run.next && run.inOrder >= Self.orderAfter
        run.inOrder = isNext ? run.inOrder + 1 : 1
        run.next = end
        runs[address] = run
        return isJump
    }

    /// Forgets a transfer whose bytes are complete or gone.
    mutating func forget(_ address: TransferAddress) { runs[address] = nil }
}
