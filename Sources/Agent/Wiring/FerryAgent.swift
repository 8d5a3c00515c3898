import AliyunOTA
import Broker
import FerryCore
import Glibc
package import Logging
import ServiceLifecycle
import Spool
import Threads
import UnixSignals

/// The agent, put together.
package struct FerryAgent: Sendable {
    private let configuration: Configuration
    private let environment: [String: String]
    private let logger: Logger

    /// - Parameters:
    ///   - configuration: checked.
    ///   - environment: of the process; the service manager's and the proxies' variables are read.
    package init(configuration: Configuration, environment: [String: String], logger: Logger) {
        self.configuration = configuration
        self.environment = environment
        self.logger = logger
    }

    /// A clean stop ends in less.
    private static let stopLimit = Duration.seconds(4)

    /// Runs until SIGTERM or SIGINT, and returns after a clean stop.
    ///
    /// - Throws: `AgentError` when it cannot start.
    package func run() async throws {
        Allocator.tune()
        // A peer that hangs up is an error code, not the end of the program.
        signal(SIGPIPE, SIG_IGN)
        let parts = try AgentParts(configuration: configuration, environment: environment, logger: logger)
        let notifier = ServiceNotifier(environment: environment)
        try await parts.recover()

        let control = LinkService(link: parts.controlLink) {
            [OutboundMessage(topic: parts.topics.status, payload: AgentParts.offline.encoded, isRetained: true)]
        }
        let data = LinkService(link: parts.dataLink) {
            notifier.stopping()
            parts.board.stop()
            await parts.announcer.sayStatus()
            return []
        }
        let work: [@Sendable () async -> Void] = [
            { await parts.announcer.run() }, { await parts.housekeeper.run() }, { await parts.digester.run() },
            { await parts.publisher.run() }, { await parts.spoolPulse.run() }, { await parts.metricsFile?.run() },
            { await Watchdog(notifier: notifier, parts: parts.watched, logger: logger).run() },
        ]
        // They stop in the opposite order: first nothing more comes in, last the farewell is said.
        var group = ServiceGroupConfiguration(
            services: [control, parts.damage] + work.map { WorkService(work: $0) } + [data],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = Self.stopLimit
        group.maximumCancellationDuration = .seconds(1)
        notifier.ready(status: "Running as \(configuration.gateway)")
        logger.notice(
            "The agent runs",
            metadata: [
                LogKeys.gateway: "\(configuration.gateway)", LogKeys.path: "\(configuration.spool.path)",
                LogKeys.host: "\(configuration.broker.url)",
            ]
        )
        StartupCode.release()
        try await ServiceGroup(configuration: group).run()
        parts.close()
        logger.notice("The agent has stopped")
    }
}

/// Why the agent cannot start.
package struct AgentError: Error, Sendable, CustomStringConvertible {
    package var description: String
    /// Whether the configuration is at fault.
    package var isConfiguration: Bool

    package init(_ description: String, isConfiguration: Bool = false) {
        self.description = description
        self.isConfiguration = isConfiguration
    }
}
