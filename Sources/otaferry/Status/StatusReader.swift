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
    }

    private final class Notes: Sendable {
        let seen = Mutex(Seen())
    }

    func read() async throws(CommandClient.Failure) -> JSONValue {
        let topic = "\(route.root)/status"
        var settings = BrokerLinkSettings(
            name: "status",
            address: route.access,
            clientID: CommandClient.clientID("status"),
            session: .clean
        )
        settings.subscriptions = [Subscription(topic, retained: .send)]
        settings.backoff = Backoff(minimum: .milliseconds(200), maximum: .seconds(2))
        let notes = Notes()
        let url = route.url
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
                    let failure = CommandClient.Failure(event, url: url)
                    notes.seen.withLock { seen in
                        if case .connected = event { seen.isConnected = true }
                        seen.failure = seen.failure ?? failure
                    }
                }
            )
            try link.start()
            let end = ContinuousClock.now + Self.limit
            while notes.seen.withLock({ $0.payload == nil && $0.failure == nil }), ContinuousClock.now < end {
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
        throw CommandClient.Failure(
            exit: .unreachable,
            text: seen.isConnected
                ? "No agent has said anything for the gateway \(route.gateway) at \(url)" : "\(url) does not answer",
            hint: AgentAway.remedyOrOther
        )
    }
}

extension CommandClient.Failure {
    /// What ends a question that is only read; nil for what may still end well.
    fileprivate init?(_ event: LinkEvent, url: String) {
        switch event {
        case .refused(let error):
            let isForbidden = error.code == .notAuthorized || error.code == .subscriptionRefused
            self.init(
                exit: isForbidden ? .notAllowed : .unreachable,
                text: error.text,
                hint: "--username and --password-file say who you are"
            )
        case .lost(let error) where error.code == .unreachable || error.code == .tls:
            self.init(
                exit: .unreachable,
                text: error.text,
                hint: "Is the broker running at \(url)? --broker names another"
            )
        case .connected, .lost, .acknowledged, .hasRoomAgain: return nil
        }
    }
}
