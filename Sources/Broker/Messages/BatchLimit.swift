package import FerryCore

/// How much is handed over at once.
package struct BatchLimit: Sendable {
    package var messages: Int
    /// While the library reads a message it has it twice; that counts as well.
    package var bytes: ByteCount

    package init(messages: Int = 64, bytes: ByteCount = .kibibytes(5_184)) {
        self.messages = messages
        self.bytes = bytes
    }

    /// With less than this a commit costs more than the wait for the one before it.
    private static let aheadBytes = 256 << 10

    /// Whether no more is to be read. `last`: bytes of the message that came last.
    func isReached(messages count: Int, bytes held: Int, last: Int) -> Bool {
        count > 0 && (count >= messages || held + 2 * last >= Int(bytes.rawValue))
    }

    /// Whether it is handed over before `unacknowledged` messages, which came before, are stored: nothing can come to it,
    /// for the broker sends no more than `window` messages ahead of their acknowledgements.
    func isWhole(messages count: Int, bytes held: Int, last: Int, unacknowledged: Int, window: Int) -> Bool {
        isReached(messages: count, bytes: held, last: last)
            || unacknowledged + count >= window && held >= Self.aheadBytes
    }
}
