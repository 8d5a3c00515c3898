import FerryCore
import Synchronization
import TestSupport

@testable import Broker

/// A connection under test with what it saw and was told.
final class LinkBench: Sendable {
    private struct Seen {
        var events: [LinkEvent] = []
        var messages: [InboundMessage] = []
        var batches = 0
    }

    let link: BrokerLink
    private let seen: Shared

    private final class Shared: Sendable {
        let seen = Mutex(Seen())
    }

    /// Makes it and starts it. `outcome` judges the batches by their number.
    init(
        _ settings: BrokerLinkSettings,
        outcome: @escaping @Sendable (Int) -> BrokerLink.Outcome = { _ in .done }
    ) throws {
        let shared = Shared()
        seen = shared
        link = try BrokerLink(
            settings: settings,
            receive: { batch, done in
                let number = shared.seen.withLock { seen in
                    seen.messages += batch.messages
                    seen.batches += 1
                    return seen.batches - 1
                }
                done(outcome(number))
            },
            observe: { event in shared.seen.withLock { $0.events.append(event) } }
        )
        try link.start()
    }

    var events: [LinkEvent] { seen.seen.withLock { $0.events } }
    var messages: [InboundMessage] { seen.seen.withLock { $0.messages } }
    var texts: [String] { messages.map { String(decoding: $0.payload, as: UTF8.self) } }

    var welcomes: [Welcome] {
        events.compactMap { if case .connected(let welcome) = $0 { welcome } else { nil } }
    }
    var refusals: [LinkError] { events.compactMap { if case .refused(let error) = $0 { error } else { nil } } }
    var losses: [LinkError] { events.compactMap { if case .lost(let error) = $0 { error } else { nil } } }
    var receipts: [Int64: Int32] {
        var codes: [Int64: Int32] = [:]
        for case .acknowledged(let receipt, let code) in events { codes[receipt] = code }
        return codes
    }
    var isRoomTold: Bool { events.contains { if case .hasRoomAgain = $0 { true } else { false } } }

    func connected(_ times: Int = 1) async throws {
        try await eventually(within: .seconds(15), "connection \(times), saw \(events)") { welcomes.count >= times }
    }

    /// Settings that do not make a test wait.
    static func settings(
        _ transport: BrokerAccess.Transport,
        id: String = "link-under-test",
        session: BrokerLinkSettings.Session = .clean
    ) -> BrokerLinkSettings {
        var settings = BrokerLinkSettings(
            name: "test",
            address: BrokerAccess(transport: transport),
            clientID: id,
            session: session
        )
        settings.backoff = Backoff(minimum: .milliseconds(20), maximum: .milliseconds(200))
        settings.subscriptions = [Subscription("in/#", retained: .withhold)]
        return settings
    }

    static func settings(
        port: UInt16,
        id: String = "link-under-test",
        session: BrokerLinkSettings.Session = .clean
    ) -> BrokerLinkSettings {
        settings(.tcp(host: "127.0.0.1", port: Int(port)), id: id, session: session)
    }
}
