/// A message to be published.
package struct OutboundMessage: Sendable {
    package var topic: String
    package var payload: [UInt8]
    package var quality: Quality
    package var isRetained: Bool
    package var correlationData: [UInt8]?
    package var responseTopic: String?
    package var userProperties: [MessageProperties.UserProperty] = []
    /// Reported back by `LinkEvent.acknowledged` once the broker has acknowledged the message; QoS 1 only.
    package var receipt: Int64?

    /// MQTT's quality of service.
    package enum Quality: Int32, Sendable {
        case atMostOnce = 0
        case atLeastOnce = 1
    }

    package init(
        topic: String,
        payload: [UInt8],
        quality: Quality = .atLeastOnce,
        isRetained: Bool = false,
        receipt: Int64? = nil
    ) {
        self.topic = topic
        self.payload = payload
        self.quality = quality
        self.isRetained = isRetained
        self.receipt = receipt
    }
}
