/// A message that the broker delivered. Its bytes are a copy; libmosquitto keeps none.
package struct InboundMessage: Sendable {
    package let topic: String
    package let payload: [UInt8]
    /// True for a message that was kept by the broker, and with MQTT 5's Retain As Published for one published as such.
    package let isRetained: Bool
    package let properties: MessageProperties

    package init(topic: String, payload: [UInt8], isRetained: Bool = false, properties: MessageProperties = .init()) {
        self.topic = topic
        self.payload = payload
        self.isRetained = isRetained
        self.properties = properties
    }
}

/// The MQTT 5 properties of a message that matter here; all empty with MQTT 3.1.1.
package struct MessageProperties: Sendable, Equatable {
    /// Where the publisher wants the answer.
    package var responseTopic: String?
    /// What the answer has to carry back.
    package var correlationData: [UInt8]?
    /// Name and value pairs in order.
    package var userProperties: [UserProperty] = []

    /// One user property.
    package struct UserProperty: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init() {}
}
