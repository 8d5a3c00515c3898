import Broker
import Crypto
import FerryCore
import Logging
import Spool
import Synchronization
import TestSupport

@testable import Agent

/// Values that a test knows to be right.
enum Known {
    static func name(_ text: String) -> Name {
        guard let name = Name(text) else { preconditionFailure("\(text) is no name") }
        return name
    }

    static func address(_ text: String) -> TransferAddress {
        guard let address = TransferAddress(parsing: text) else { preconditionFailure("\(text) is no address") }
        return address
    }

    static func sha256(_ bytes: [UInt8]) -> FerryCore.Digest { FerryCore.Digest(bytes: SHA256.hash(data: bytes)) }

    static let topics = GatewayTopics(gateway: name("gw"))

    static let catalog = ProductCatalog(
        entries: [
            .init(
                alias: name("pumpctl"),
                productKey: "a1B2c3D4e5F",
                module: "default",
                nameTemplate: "{product}-{version}"
            )
        ],
        acceptsAnyKey: false
    )
}

/// What was published, in order.
final class Mailbox: Sendable {
    private let contents = Mutex<[OutboundMessage]>([])

    func publish(_ message: OutboundMessage) -> Bool {
        contents.withLock { $0.append(message) }
        return true
    }

    var messages: [OutboundMessage] { contents.withLock { $0 } }

    func payloads(on topic: String) -> [JSONValue] {
        messages.filter { $0.topic == topic }.map { (try? JSONValue(parsing: $0.payload)) ?? .null }
    }
}

/// A spool in a folder of its own and the parts of the agent around it that need neither broker nor cloud.
final class IntakeBench: Sendable {
    let folder: TemporaryFolder
    let settings: Spool.Settings
    let spool: Spool
    let rules: IntakeRules
    let mailbox = Mailbox()
    let board: StatusBoard
    let herald: Herald
    private let refusedInits = RefusedInits()
    /// Whether small files are verified with their last byte.
    private let verifiesAtOnce: Bool

    init(
        quota: ByteCount = .mebibytes(64),
        openTransfersMax: Int = 8,
        orphanMax: ByteCount = .kibibytes(64),
        credit: ByteCount = .mebibytes(8),
        folder: TemporaryFolder? = nil,
        verifiesAtOnce: Bool = false
    ) throws {
        self.verifiesAtOnce = verifiesAtOnce
        let folder = try folder ?? TemporaryFolder("intake")
        self.folder = folder
        settings = Spool.Settings(path: folder.file("spool.db"), quota: quota, reserve: .zero)
        spool = try Spool(settings: settings)
        var rules = IntakeRules(
            admission: Admission(catalog: Known.catalog, openTransfersMax: openTransfersMax),
            catalog: Known.catalog,
            findProduct: { name in name.hasPrefix("ruled-") ? (Known.name("pumpctl"), Known.name("7")) : nil },
            orphanMax: orphanMax,
            credit: credit,
            segment: { 1_024 }
        )
        board = StatusBoard(
            gateway: Known.name("gw"),
            limits: .init(oneShotMax: .kibibytes(64), packetMax: .kibibytes(256), credit: credit),
            changed: Signal(),
            clockOffset: { nil }
        )
        rules.isPaused = { [board] in board.has(.paused) }
        self.rules = rules
        let mailbox = mailbox
        herald = Herald(
            topics: Known.topics,
            catalog: Known.catalog,
            board: board,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            publish: { mailbox.publish($0) }
        )
    }

    deinit { spool.close() }

    /// One batch, as the data connection hands it over.
    func send(
        _ messages: [(topic: String, payload: [UInt8])],
        isFull: Bool = false,
        at now: WallTime = .now()
    ) async throws -> IntakeOutcome {
        try await send(
            messages.map { topic, payload in
                InboundMessage(topic: topic.hasPrefix("$") ? topic : "otaferry/v1/gw/in/ci/\(topic)", payload: payload)
            },
            isFull: isFull,
            at: now
        )
    }

    func send(_ messages: [InboundMessage], isFull: Bool = false, at now: WallTime = .now()) async throws
        -> IntakeOutcome
    {
        let parser = DeliveryParser(topics: Known.topics, oneShotMax: .kibibytes(64))
        let deliveries = messages.map(parser.parse)
        let rules = rules
        let refusedInits = refusedInits
        let verification = verifiesAtOnce ? Verification(herald: herald, signatures: nil) : nil
        return try await spool.transact { (ledger) throws(SpoolError) in
            var intake = IntakeTransaction(
                ledger: ledger,
                rules: rules,
                now: now,
                isFull: isFull,
                verification: verification,
                refusedInits: refusedInits
            )
            for delivery in deliveries { try intake.apply(delivery) }
            return try intake.finish()
        }
    }

    /// One message; what its only acknowledgement says.
    func ack(_ topic: String, _ payload: [UInt8] = [], isFull: Bool = false) async throws -> JSONValue {
        try await send([(topic, payload)], isFull: isFull).replies.last?.payload ?? .null
    }

    func transfer(_ text: String = "ci/one") async throws -> Transfer? {
        let address = Known.address(text)
        return try await spool.read { (ledger) throws(SpoolError) in try ledger.transfer(at: address) }
    }

    func bytes(_ text: String = "ci/one") async throws -> [UInt8] {
        guard let transfer = try await transfer(text) else { return [] }
        return try await spool.read { (ledger) throws(SpoolError) in
            try ledger.readChunk(key: transfer.key, from: 0, atMost: 1 << 20)
        }
    }

    var used: Int64 {
        get async throws { try await spool.read { (ledger) throws(SpoolError) in ledger.usage.used } }
    }

    /// Changes the transfer as the publisher or an operator does.
    func change(_ text: String = "ci/one", _ body: @escaping @Sendable (inout Transfer) -> Void) async throws {
        let address = Known.address(text)
        try await spool.transact { (ledger) throws(SpoolError) in
            guard var transfer = try ledger.transfer(at: address) else { return }
            body(&transfer)
            try ledger.save(transfer)
        }
    }
}

extension JSONValue {
    /// `<reason>/<state>` of an acknowledgement; the state of an unknown transfer is `-`.
    var reasonAndState: String { "\(self["reason"]?.string ?? "?")/\(self["state"]?.string ?? "-")" }
}
