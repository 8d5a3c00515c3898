import Foundation

/// The simulated server's clock: the system's, and how far it is ahead.
final class ServerClock: Sendable {
    private let settings: LiveConfiguration

    init(settings: LiveConfiguration) { self.settings = settings }

    var now: Date { Date() + settings.current.clockOffset.interval }
}
