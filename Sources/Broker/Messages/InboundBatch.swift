import Synchronization

/// Messages that are handed over together, and acknowledged together.
package struct InboundBatch: Sendable {
    /// Never empty; in the order in which they came.
    package let messages: [InboundMessage]
    /// What came before it.
    package let turn: Turn

    init(messages: [InboundMessage], after former: BatchOutcome?) {
        self.messages = messages
        turn = Turn(former: former)
    }

    /// Whether the batch may be stored yet. Outlives the messages, which are large.
    package struct Turn: Sendable {
        /// The batch that was handed over before this one and had no outcome yet.
        fileprivate let former: BatchOutcome?
    }
}

extension InboundBatch.Turn {
    /// False where the batch before came to nothing: the broker delivers both again, and this one has to fail as well, for
    /// it would be stored without what came before it. To be asked once the outcome of the batch before is known.
    package var isDue: Bool { former?.value != .failed }
}

/// What became of a batch that was handed over.
final class BatchOutcome: Sendable {
    private let state = Mutex<BrokerLink.Outcome?>(nil)

    /// nil: not known yet.
    var value: BrokerLink.Outcome? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
