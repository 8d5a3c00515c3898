import AliyunOTA
import Broker
import FerryCore
import Logging
import Spool
import Synchronization

/// Every part of the agent, made and connected.
struct AgentParts: Sendable {
    let topics: GatewayTopics
    let spool: Spool
    private let spoolPath: String
    let board: StatusBoard
    let herald: Herald
    let announcer: Announcer
    let digester: Digester
    let housekeeper: Housekeeper
    let publisher: Publisher
    /// Where one is asked for.
    let metricsFile: MetricsFile?
    let controlLink: BrokerLink
    let dataLink: BrokerLink
    let damage: DamageWatch
    let spoolPulse: SpoolPulse
    /// What has to go on for the agent to be alive.
    let watched: [Watchdog.Part]
    private let logger: Logger

    /// The will, and the last word of a clean stop.
    static let offline: JSONValue = ["v": 1, "state": "offline"]

    /// Holds the link that the parts made before it publish on.
    private final class LateLink: Sendable {
        let link = Mutex<BrokerLink?>(nil)
        func publish(_ message: OutboundMessage) -> Bool { link.withLock { $0 }?.publish(message) ?? false }
    }

    init(configuration: Configuration, environment: [String: String], logger: Logger) throws {
        self.logger = logger
        damage = DamageWatch(logger: logger)
        topics = GatewayTopics(gateway: configuration.gateway)
        let statusChanged = Signal()
        let serverClock = ServerClock()
        let board = StatusBoard(
            gateway: configuration.gateway,
            limits: configuration.statusLimits,
            changed: statusChanged,
            logger: logger,
            clockOffset: { serverClock.offset }
        )
        let spool = try Spool(
            settings: .init(
                path: configuration.spool.path,
                quota: configuration.spool.quota,
                reserve: configuration.spool.reserve
            ),
            troubleFound: { [damage] error in
                switch error.code {
                case .inputOutput: board.spoolFailed(error)
                case .full: board.spoolIsFull()
                default: damage.found(error)
                }
            }
        )
        self.spool = spool
        spoolPath = configuration.spool.path
        self.board = board
        let late = LateLink()
        var rules = configuration.intakeRules(segment: { board.segment })
        rules.signers = try configuration.readSigners()
        rules.isPaused = { board.has(.paused) }
        let herald = Herald(
            topics: topics,
            catalog: rules.catalog,
            board: board,
            health: configuration.broker.isThinEdgeEnabled ? HealthSign() : nil,
            logger: logger,
            publish: { late.publish($0) }
        )
        self.herald = herald
        announcer = Announcer(
            spool: spool,
            herald: herald,
            rules: rules,
            statusChanged: statusChanged,
            logger: logger
        )
        let housekeeper = Housekeeper(
            spool: spool,
            herald: herald,
            rules: .init(
                segmentsTTL: configuration.intake.segmentsTTL,
                keepFinal: configuration.spool.keepFinal,
                intake: rules
            ),
            logger: logger
        )
        self.housekeeper = housekeeper
        let (calls, http) = configuration.cloudCalls(
            clock: serverClock,
            board: board,
            environment: environment,
            logger: logger
        )
        let publisher = Publisher(
            spool: spool,
            herald: herald,
            cloud: calls,
            policy: configuration.publicationPolicy,
            limits: UploadLimits(
                window: configuration.upload.window,
                rate: configuration.upload.rateLimit,
                limitRate: { http.limitRate($0) }
            ),
            concurrent: configuration.upload.concurrent,
            logger: logger,
            bytesReleased: { housekeeper.bytesReleased() }
        )
        self.publisher = publisher
        metricsFile = configuration.metrics.textfile.map { path in
            MetricsFile(path: path, gateway: configuration.gateway, spool: spool, board: board, logger: logger)
        }
        let verification = Verification(herald: herald, signatures: rules.signers.map(FirmwareSignatures.init))
        let digester = try Digester(
            spool: spool,
            verification: verification,
            logger: logger,
            isStored: { publisher.look() }
        )
        self.digester = digester
        let links = LinkFactory(configuration: configuration, topics: topics, logger: logger)
        let intake = Intake(
            spool: spool,
            verification: verification,
            rules: rules,
            parser: DeliveryParser(topics: topics, oneShotMax: configuration.intake.oneShotMax),
            logger: logger,
            bytesArrived: { digester.bytesArrived($0) },
            isStored: { publisher.look() },
            bytesReleased: { housekeeper.bytesReleased() }
        )
        let announcer = announcer
        dataLink = try links.data(herald: herald, announcer: announcer) { intake.receive($0, then: $1) }
        let commands = Operator(
            spool: spool,
            herald: herald,
            publisher: publisher,
            logger: logger,
            publish: { late.publish($0) },
            synchronize: { announcer.sayEverything() },
            sayStatus: { announcer.sayStatus(then: $0) }
        )
        controlLink = try links.control(herald: herald, announcer: announcer) { batch, done in
            done(commands.receive(batch.messages))
        }
        late.link.withLock { [controlLink] in $0 = controlLink }
        let spoolPulse = SpoolPulse(spool: spool)
        self.spoolPulse = spoolPulse
        watched = [
            Watchdog.Part(name: "spool", pulse: spoolPulse.pulse, nudge: { spoolPulse.nudge() }),
            Watchdog.Part(name: "mqtt-data", pulse: dataLink.pulse, nudge: { [dataLink] in dataLink.nudge() }),
            Watchdog.Part(
                name: "mqtt-control",
                pulse: controlLink.pulse,
                nudge: { [controlLink] in controlLink.nudge() }
            ),
            Watchdog.Part(name: "digest", pulse: digester.pulse, nudge: { digester.nudge() }),
            Watchdog.Part(name: "publisher", pulse: publisher.pulse, nudge: { publisher.look() }),
            Watchdog.Part(name: "http", pulse: http.pulse, nudge: { http.nudge() }),
        ]
    }

    /// Puts right what a kill or a power cut left in the middle, and sets everybody to work.
    func recover() async throws(SpoolError) {
        let herald = herald
        let publisher = publisher
        let (receiving, isPaused) = try await spool.transact { (ledger) throws(SpoolError) -> (Set<Int64>, Bool) in
            try herald.openOutbox(ledger)
            try OperatorTransaction.loadLimits(ledger, into: publisher.limits)
            try publisher.learned.load(ledger)
            try publisher.windowChanged(ledger)
            let now = WallTime.now()
            try publisher.credentialsChanged(ledger, at: now)
            for var transfer in ledger.openTransfers where transfer.state.isPublishing {
                let former = transfer
                transfer.restarted(at: now)
                // One that is registered at its next attempt was not in the middle of one.
                guard transfer != former || transfer.publication.nextAttempt == nil else { continue }
                let saved = try ledger.save(transfer)
                try ledger.note(.restarted, of: saved, at: now)
                try PackageDesk.refresh(around: saved, in: ledger, herald: herald, at: now)
            }
            let receiving = ledger.receivingTransfers.map(\.key)
            return (Set(receiving), try ledger.setting(OperatorTransaction.pausedSetting) != nil)
        }
        await spool.watchReloads { [digester, housekeeper, announcer] receiving in
            digester.bytesArrived(receiving)
            publisher.look()
            housekeeper.bytesReleased()
            announcer.acknowledgeOpenTransfers()
            announcer.sayEverything()
        }
        damage.report(of: spool, path: spoolPath, on: board)
        publisher.pause(isPaused)
        digester.bytesArrived(receiving)
        publisher.look()
        housekeeper.bytesReleased()
    }

    /// Gives the spool back; nothing may use it afterwards.
    func close() {
        digester.close()
        spool.close()
    }
}
