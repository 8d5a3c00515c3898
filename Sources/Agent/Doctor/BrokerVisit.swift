import Broker
import FerryCore
import Synchronization

/// A connection to the broker for a few questions. It ends with `leave`, or with the program.
final class BrokerVisit: Sendable {
    struct State {
        var welcome: Welcome?
        var failure: LinkError?
        var failures = 0
        var messages: [InboundMessage] = []
        var answers: [Int64: Int32] = [:]
        var receipts: Int64 = 0
    }

    private final class Notes: Sendable {
        let state = Mutex(State())
    }

    private let link: BrokerLink
    private let notes = Notes()

    /// Between two looks for what came in.
    private static let interval = Duration.milliseconds(5)
    /// A broker that hangs up may speak MQTT 3.1.1 only, which the third attempt shows.
    private static let attempts = 4

    init(
        _ access: BrokerAccess,
        clientID: String,
        session: BrokerLinkSettings.Session = .clean,
        subscriptions: [Subscription] = []
    ) throws(LinkError) {
        var settings = BrokerLinkSettings(name: "doctor", address: access, clientID: clientID, session: session)
        settings.subscriptions = subscriptions
        settings.backoff = Backoff(minimum: .milliseconds(50), maximum: .milliseconds(200))
        settings.handshakeLimit = .seconds(5)
        settings.sendMaximum = 100
        settings.queueLimit = (4_000, .mebibytes(8))
        let notes = notes
        link = try BrokerLink(
            settings: settings,
            receive: { batch, done in
                notes.state.withLock { $0.messages += batch.messages }
                done(.done)
            },
            observe: { event in
                notes.state.withLock { state in
                    switch event {
                    case .connected(let welcome): state.welcome = welcome
                    case .lost(let error), .refused(let error):
                        state.failure = error
                        state.failures += 1
                    case .acknowledged(let receipt, let code): state.answers[receipt] = code
                    case .hasRoomAgain: break
                    }
                }
            }
        )
        try link.start()
    }

    /// What the broker said to CONNECT; throws what kept it from answering.
    func arrive(within limit: Duration = .seconds(10)) async throws(LinkError) -> Welcome {
        await wait(within: limit) { state in
            if state.welcome != nil { return true }
            guard let failure = state.failure else { return false }
            return failure.isRefusal || failure.code == .unreachable || failure.code == .tls
                || state.failures >= Self.attempts
        }
        let state = notes.state.withLock { $0 }
        if let welcome = state.welcome { return welcome }
        throw state.failure ?? LinkError(.silent, "The broker did not answer within \(limit.configurationText)")
    }

    /// Publishes at QoS 1 without waiting for the answer; returns the receipt, nil where the connection takes nothing.
    @discardableResult
    func publish(_ topic: String, _ payload: [UInt8] = [], responseTopic: String? = nil) -> Int64? {
        let receipt = notes.state.withLock { state in
            state.receipts += 1
            return state.receipts
        }
        var message = OutboundMessage(topic: topic, payload: payload, receipt: receipt)
        message.responseTopic = responseTopic
        return link.publish(message) ? receipt : nil
    }

    /// The broker's answer to a message: MQTT 5's reason code, 0 with 3.1.1; nil when none came in time.
    func answer(to receipt: Int64?, within limit: Duration = .seconds(3)) async -> Int32? {
        guard let receipt else { return nil }
        await wait(within: limit) { $0.answers[receipt] != nil }
        return notes.state.withLock { $0.answers[receipt] }
    }

    /// The first message that fits; nil when none came in time.
    func message(
        within limit: Duration = .seconds(1),
        where fits: @Sendable (InboundMessage) -> Bool
    ) async -> InboundMessage? {
        await wait(within: limit) { $0.messages.contains(where: fits) }
        return notes.state.withLock { $0.messages.first(where: fits) }
    }

    /// The last message that fits of those that have come so far.
    func lastMessage(where fits: (InboundMessage) -> Bool) -> InboundMessage? {
        notes.state.withLock { $0.messages.last(where: fits) }
    }

    /// The messages that fit of those that have come so far.
    func messages(where fits: (InboundMessage) -> Bool) -> [InboundMessage] {
        notes.state.withLock { $0.messages.filter(fits) }
    }

    /// How many messages that fit have come so far.
    func count(where fits: (InboundMessage) -> Bool) -> Int {
        notes.state.withLock { state in state.messages.count(where: fits) }
    }

    /// Waits until the condition holds or the time is over.
    @discardableResult
    func wait(within limit: Duration, until condition: @Sendable (State) -> Bool) async -> Bool {
        let end = ContinuousClock.now + limit
        while true {
            if notes.state.withLock({ condition($0) }) { return true }
            guard ContinuousClock.now < end, (try? await Task.sleep(for: Self.interval)) != nil else { return false }
        }
    }

    func leave() async { await link.stop() }
}
