import Broker
import FerryCore
import Logging
import ServiceLifecycle

/// Keeps a connection until the program ends.
struct LinkService: Service {
    let link: BrokerLink
    /// What happens before the connection is given up.
    let willStop: @Sendable () async -> [OutboundMessage]

    func run() async throws {
        try link.start()
        // Ends with graceful shutdown, and with cancellation, when its time is over.
        try? await gracefulShutdown()
        await link.stop(farewell: willStop())
    }
}

/// Works until the program ends; then it is cancelled, which leaves durable state as it is.
struct WorkService: Service {
    let work: @Sendable () async -> Void

    func run() async throws {
        await cancelWhenGracefulShutdown(work)
        // Work that has nothing to do is no reason to end the program.
        try? await gracefulShutdown()
    }
}
