import FerryCore
import Synchronization

/// When uploads may start and how fast they may go: what the configuration says, or an operator has set since.
final class UploadLimits: Sendable {
    fileprivate struct Contents {
        var window: UploadWindow?
        var rate: UploadRate?
    }

    private let contents: Mutex<Contents>
    private let configured: Contents
    /// Sets the rate of running and future uploads.
    private let limitRate: @Sendable (ByteCount?) -> Void
    private let minuteOfDay: @Sendable () -> Int

    init(
        window: UploadWindow?,
        rate: UploadRate?,
        limitRate: @escaping @Sendable (ByteCount?) -> Void,
        minuteOfDay: @escaping @Sendable () -> Int = LocalTime.minuteOfDay
    ) {
        configured = Contents(window: window, rate: rate)
        contents = Mutex(configured)
        self.limitRate = limitRate
        self.minuteOfDay = minuteOfDay
    }

    /// Outside of the window: how long until it opens, and how it is written. Nil when uploads may start.
    var closed: (untilOpen: Duration, window: String)? {
        guard let window = contents.withLock({ $0.window }) else { return nil }
        let wait = window.untilOpen(minuteOfDay: minuteOfDay())
        return wait == .zero ? nil : (wait, window.description)
    }

    func set(window: UploadWindow?) { contents.withLock { $0.window = window } }

    func set(rate: UploadRate?) {
        contents.withLock { $0.rate = rate }
        limitRate(rate?.bytesPerSecond)
    }

    /// Takes back what an operator has set.
    func reset() {
        set(window: configured.window)
        set(rate: configured.rate)
    }

    /// What is in force, as the configuration writes it; empty: none.
    var json: JSONValue { contents.withLock { $0.json } }

    /// What the configuration says, in the same form.
    var configuredJSON: JSONValue { configured.json }
}

extension UploadLimits.Contents {
    fileprivate var json: JSONValue {
        ["rate-limit": .string(rate?.description ?? ""), "window": .string(window?.description ?? "")]
    }
}
