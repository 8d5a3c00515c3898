package import FerryCore

/// How much is handed over at once.
package struct BatchLimit: Sendable {
    package var messages: Int
    /// What a batch of messages of one size never exceeds, unless one alone does.
    package var bytes: ByteCount

    package init(messages: Int = 64, bytes: ByteCount = .mebibytes(4)) {
        self.messages = messages
        self.bytes = bytes
    }

    /// With less than this a commit costs more than the wait for the one before it.
    private static let aheadBytes = 256 << 10

    /// Whether no more is to be read. `last`: bytes of the message that came last.
    func isReached(messages count: Int, bytes held: Int, last: Int) -> Bool {
        guard count > 0 else { return false }
        let limit = Int(bytes.rawValue)
        // While the library reads a message it has it twice. That is memory, too.
        return count >= messages || held + last > limit || held + 2 * last > limit + limit / 4
    }

    /// Whether it is handed over before `unacknowledged` messages, which came before, are stored: nothing can come to it,
    /// for the broker sends no more than `window` messages ahead of their acknowledgements.
    func isWhole(messages count: Int, bytes held: Int, last: Int, unacknowledged: Int, window: Int) -> Bool {
        isReached(messages: count, bytes: held, last: last)
            || unacknowledged + count >= window && held >= Self.aheadBytes
    }
}
