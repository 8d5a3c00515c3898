import Synchronization

/// What waits to be published, from any thread to the connection's own.
///
/// Bounded by number and by bytes. When it is full, a message is refused and the queue remembers it; the owner is told
/// once there is room again, and says everything anew from durable state.
final class OutboundQueue: Sendable {
    private struct Contents {
        var messages: [OutboundMessage] = []
        var first = 0
        var bytes = 0
        var isOpen = false
        var hasRefused = false
    }

    private let contents = Mutex(Contents())
    private let countLimit: Int
    private let byteLimit: Int

    init(countLimit: Int, byteLimit: Int) {
        self.countLimit = countLimit
        self.byteLimit = byteLimit
    }

    /// Adds a message at the end; false when the queue is closed (no connection) or full.
    func append(_ message: OutboundMessage) -> Bool {
        contents.withLock { contents in
            guard contents.isOpen else { return false }
            let count = contents.messages.count - contents.first
            guard count < countLimit, contents.bytes + message.payload.count <= byteLimit || count == 0 else {
                contents.hasRefused = true
                return false
            }
            contents.messages.append(message)
            contents.bytes += message.payload.count
            return true
        }
    }

    /// Takes the oldest message.
    func takeFirst() -> OutboundMessage? {
        contents.withLock { contents in
            guard contents.first < contents.messages.count else { return nil }
            let message = contents.messages[contents.first]
            contents.first += 1
            contents.bytes -= message.payload.count
            if contents.first == contents.messages.count || contents.first >= 256 {
                contents.messages.removeFirst(contents.first)
                contents.first = 0
            }
            return message
        }
    }

    var isEmpty: Bool { contents.withLock { $0.first == $0.messages.count } }

    /// Whether messages were refused and there is room for them now; asking forgets it.
    func takeOverflow() -> Bool {
        contents.withLock { contents in
            let isLow = (contents.messages.count - contents.first) * 2 < countLimit && contents.bytes * 2 < byteLimit
            guard contents.hasRefused, isLow else { return false }
            contents.hasRefused = false
            return true
        }
    }

    /// Accepts messages from now on.
    func open() { contents.withLock { $0.isOpen = true } }

    /// Accepts no more messages and drops those that wait.
    func close() { contents.withLock { $0 = Contents() } }
}
