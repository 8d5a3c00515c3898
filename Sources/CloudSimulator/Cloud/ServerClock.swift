import Foundation
import Synchronization

/// The simulated server's clock: the system's, and how far it is ahead.
final class ServerClock: Sendable {
    private let offset: Mutex<Duration>

    init(offset: Duration) { self.offset = Mutex(offset) }

    var now: Date { Date() + offset.withLock { $0 }.interval }

    func setOffset(_ offset: Duration) { self.offset.withLock { $0 = offset } }
}
