import Broker
import FerryCore
import Logging
import Synchronization

/// Makes the two connections to the broker.
struct LinkFactory: Sendable {
    let configuration: Configuration
    let topics: GatewayTopics
    let logger: Logger

    /// The broker keeps what came in for so long while the agent is away.
    private static let sessionExpiry = Duration.seconds(7 * 86_400)
    /// It bounds what is in memory and not committed yet.
    private static let receiveMaximum = 32
    private static let versionTopic = "$SYS/broker/version"

    /// What senders publish; acknowledged after the commit.
    func data(
        herald: Herald,
        announcer: Announcer,
        receive: @escaping BrokerLink.Receive
    ) throws -> BrokerLink {
        var settings = BrokerLinkSettings(
            name: "data",
            address: try configuration.brokerAccess(),
            clientID: "otaferry-\(configuration.gateway)-data",
            session: .persistent(expiry: Self.sessionExpiry)
        )
        settings.receiveMaximum = Self.receiveMaximum
        settings.maximumPacket = configuration.statusLimits.packetMax
        settings.mayWait = { [topics] in topics.isSegment($0) }
        if configuration.broker.isThinEdgeEnabled { settings.will = HealthSign.down }
        settings.subscriptions = [Subscription(topics.intakeFilter, retained: .withhold)]
        if configuration.broker.isFileTransferEnabled {
            settings.subscriptions += FileTransferTopic.filters.map {
                Subscription($0, retained: .withhold, need: .optional)
            }
        }
        let board = herald.board
        let watch = LinkLog(connection: "data", loginRemedy: configuration.loginRemedy, logger: logger)
        return try BrokerLink(settings: settings, receive: receive) { event in
            watch.note(event)
            switch event {
            case .connected(let welcome):
                herald.healthIsUnsaid()
                board.dataLink(isUp: true, maximumPacket: welcome.maximumPacket)
                announcer.acknowledgeOpenTransfers()
                if board.isOnline { announcer.sayEverything() }
            case .lost(let error), .refused(let error):
                board.dataLink(isUp: false)
                board.report(.dataLink, error.text, hint: Self.hint(error, login: configuration.loginRemedy))
            case .acknowledged, .hasRoomAgain: break
            }
        }
    }

    /// Commands, everything that the agent says, and the will.
    func control(
        herald: Herald,
        announcer: Announcer,
        receive: @escaping BrokerLink.Receive
    ) throws -> BrokerLink {
        var settings = BrokerLinkSettings(
            name: "control",
            address: try configuration.brokerAccess(),
            clientID: "otaferry-\(configuration.gateway)-control",
            session: .clean
        )
        settings.will = OutboundMessage(topic: topics.status, payload: AgentParts.offline.encoded, isRetained: true)
        settings.sendMaximum = 100
        settings.subscriptions = [
            Subscription(topics.commandFilter, retained: .send),
            Subscription(Self.versionTopic, retained: .send, need: .optional),
        ]
        let board = herald.board
        let watch = LinkLog(connection: "control", loginRemedy: configuration.loginRemedy, logger: logger)
        return try BrokerLink(
            settings: settings,
            receive: { batch, done in
                for message in batch.messages where message.topic == Self.versionTopic {
                    board.broker(version: String(decoding: message.payload.prefix(80), as: UTF8.self).escaped)
                }
                receive(batch, done)
            },
            observe: { event in
                watch.note(event)
                switch event {
                case .connected:
                    herald.connected(true)
                    board.controlLink(isUp: true)
                    if board.canSpeak { announcer.sayEverything() }
                    // Said when the data connection came, they were dropped where this one was not there yet.
                    announcer.acknowledgeOpenTransfers()
                case .lost, .refused:
                    herald.connected(false)
                    board.controlLink(isUp: false)
                case .acknowledged(let receipt, _) where receipt < 0: herald.clearAcknowledged(receipt)
                case .acknowledged(let receipt, _): if herald.eventAcknowledged(receipt) { announcer.sayEvents() }
                case .hasRoomAgain:
                    announcer.sayEverything()
                    announcer.acknowledgeOpenTransfers()
                }
            }
        )
    }

    /// For a Unix socket that the agent's user may not use.
    static let socketRemedy =
        "Give the agent's user the right to write to the broker's socket, or put it into the socket's group"

    fileprivate static func hint(_ error: LinkError, login: String) -> String {
        if let trouble = error.trouble { return trouble.remedy(.configuration) }
        return switch error.code {
        case .notAuthorized: login
        case .subscriptionRefused: "Give the agent's user the right to read its topics in the broker's ACL"
        case .tls: "Look at broker.ca-file and the broker's certificate"
        case .notStored: "Look at the disk: dmesg, df, the rights of spool.path"
        case .unreachable where error.misfit == .closedSocket: socketRemedy
        case .unreachable, .silent: "Look whether the broker runs and broker.url is right"
        // Older versions of Mosquitto do not say that another client has come.
        case .lost: "Look whether the broker runs, and whether a second agent runs with the name of this gateway"
        case .takenOver: "Look whether a second agent runs with the name of this gateway, and give it another"
        case .refused, .library: ""
        }
    }
}

/// Logs what happens to a connection, without a flood.
final class LinkLog: Sendable {
    private let connection: String
    private let loginRemedy: String
    private let logger: Logger
    private let failure = Mutex(RepeatingFailure())

    /// `loginRemedy`: what to look at when the broker does not take name and password.
    init(connection: String, loginRemedy: String, logger: Logger) {
        self.connection = connection
        self.loginRemedy = loginRemedy
        self.logger = logger
    }

    func note(_ event: LinkEvent) {
        switch event {
        case .connected(let welcome):
            var metadata: Logger.Metadata = [
                LogKeys.connection: "\(connection)", "session": "\(welcome.sessionIsPresent ? "kept" : "new")",
                "protocol": welcome.protocolVersion == 5 ? "MQTT 5" : "MQTT 3.1.1",
            ]
            if case .ended(let count, let duration) = failure.withLock({ $0.succeeded(at: .now) }) {
                metadata[LogKeys.count] = "\(count)"
                metadata[LogKeys.duration] = "\(Int(duration.seconds))s"
            }
            logger.notice("Connected to the broker", metadata: metadata)
        case .lost(let error), .refused(let error):
            let action = failure.withLock { $0.failed(at: .now) }
            guard action != .quiet else { return }
            var metadata: Logger.Metadata = [LogKeys.connection: "\(connection)", LogKeys.error: "\(error.text)"]
            let hint = LinkFactory.hint(error, login: loginRemedy)
            if !hint.isEmpty { metadata[LogKeys.hint] = "\(hint)" }
            if case .goesOn(let count, _) = action { metadata[LogKeys.count] = "\(count)" }
            logger.log(
                level: error.isRefusal ? .error : .warning,
                error.isRefusal ? "The broker refused us" : "No connection to the broker",
                metadata: metadata
            )
        case .acknowledged, .hasRoomAgain: break
        }
    }
}
