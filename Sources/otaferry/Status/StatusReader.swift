import Broker
import FerryCore
import Synchronization

/// Reads what the broker keeps of an agent's status.
struct StatusReader: Sendable {
    let route: BrokerRoute

    /// What is kept comes right after the subscription; this bounds a slow link.
    private static let limit = Duration.seconds(5)
    private static let interval = Duration.milliseconds(5)

    private struct Seen {
        var payload: [UInt8]?
        var failure: CommandClient.Failure?
        var isConnected = false
        /// How often a connection ended before that, and why the last one did.
        var losses = 0
        var lastLoss: LinkError?

        /// Whether there is something to wait for.
        var isOpen: Bool { payload == nil && failure == nil && (isConnected || losses < CommandClient.attempts) }
    }

    private final class Notes: Sendable {
        let seen = Mutex(Seen())
    }

    var topic: String { "\(route.root)/status" }

    /// What is kept; nil where nothing came.
    func read() async throws(CommandClient.Failure) -> JSONValue? {
        var settings = BrokerLinkSettings(
            name: "status",
            address: route.access,
            clientID: CommandClient.clientID("status"),
            session: .clean
        )
        settings.subscriptions = [Subscription(topic, retained: .send)]
        settings.backoff = Backoff(minimum: .milliseconds(200), maximum: .seconds(2))
        let notes = Notes()
        let topic = topic
        let seen: Seen
        do throws(LinkError) {
            let link = try BrokerLink(
                settings: settings,
                receive: { batch, done in
                    let last = batch.messages.last { $0.topic == topic }
                    if let last { notes.seen.withLock { $0.payload = last.payload } }
                    done(.done)
                },
                observe: { event in
                    let failure = CommandClient.Failure(event, route: route)
                    notes.seen.withLock { seen in
                        switch event {
                        case .connected: seen.isConnected = true
                        case .lost(let error) where !seen.isConnected:
                            seen.lastLoss = error
                            seen.losses += 1
                        case .lost, .refused, .acknowledged, .hasRoomAgain: break
                        }
                        seen.failure = seen.failure ?? failure
                    }
                }
            )
            try link.start()
            let end = ContinuousClock.now + Self.limit
            while notes.seen.withLock({ $0.isOpen }), ContinuousClock.now < end {
                // Cancelled: the program ends.
                guard (try? await Task.sleep(for: Self.interval)) != nil else { break }
            }
            await link.stop()
            seen = notes.seen.withLock { $0 }
        } catch {
            throw CommandClient.Failure(exit: .failed, text: error.text)
        }
        if let status = seen.payload.flatMap({ try? JSONValue(parsing: $0) }) { return status }
        if let failure = seen.failure { throw failure }
        guard seen.isConnected else {
            let (text, hint) = route.tooLate(after: seen.lastLoss)
            throw CommandClient.Failure(exit: .unreachable, text: seen.lastLoss?.text ?? text, hint: hint)
        }
        return nil
    }
}

extension CommandClient.Failure {
    /// What ends a question that is only read; nil for what may still end well.
    fileprivate init?(_ event: LinkEvent, route: BrokerRoute) {
        switch event {
        case .refused(let error):
            let isForbidden = error.code == .notAuthorized || error.code == .subscriptionRefused
            self.init(
                exit: isForbidden ? .notAllowed : .unreachable,
                text: error.text,
                hint: error.code == .subscriptionRefused
                    ? "The broker's ACL needs for \(route.account): topic read \(route.root)/status"
                    : "--username and --password-file say who you are"
            )
        case .lost(let error) where error.code == .unreachable || error.code == .tls:
            self.init(exit: .unreachable, text: error.text, hint: route.hint(for: error))
        case .connected, .lost, .acknowledged, .hasRoomAgain: return nil
        }
    }
}
