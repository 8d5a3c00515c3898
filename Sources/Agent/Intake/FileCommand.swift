import Broker
import FerryCore

/// A command of EMQX's file transfer, as far as its answer needs it.
struct FileCommand: Sendable {
    let topic: String
    private let responseTopic: String?
    private let correlationData: [UInt8]?
    private let packetID: Int64
    /// The client that an `init` names, also one that is refused; nil where it cannot be answered.
    let namedClient: String?

    /// The packet id of the client is not visible through a broker; a client may tell it.
    private static let packetIDProperty = "packet-id"

    init(_ message: InboundMessage, _ topics: GatewayTopics) {
        let isInit = message.topic.hasSuffix("/init") && message.payload.count <= TransferRequest.payloadLimit
        // A payload that is no JSON names nobody.
        let document = isInit ? try? JSONValue(parsing: message.payload) : nil
        namedClient = document?["user_data"]?["client_id"]?.string.flatMap { Self.topic(of: $0) == nil ? nil : $0 }
        topic = message.topic
        responseTopic = message.properties.responseTopic.flatMap { ResponseTopic.allowed($0, gateway: topics) }
        correlationData = message.properties.correlationData
        packetID =
            message.properties.userProperties.first { $0.name == Self.packetIDProperty }.flatMap { Int64($0.value) }
            ?? 0
    }

    /// The message with the answer; nil when nobody can be answered.
    ///
    /// - Parameter clientID: the client that `init` named, if it did.
    func answer(_ result: FileTransferResult, clientID: String?) -> OutboundMessage? {
        guard let reply = responseTopic ?? (namedClient ?? clientID).flatMap(Self.topic) else { return nil }
        let payload = result.payload(topic: topic, packetID: packetID)
        var message = OutboundMessage(topic: reply, payload: payload.encoded)
        message.correlationData = responseTopic == nil ? nil : correlationData
        return message
    }

    private static func topic(of client: String) -> String? {
        ResponseTopic.allowed("$file-response/\(client)", gateway: nil)
    }
}
