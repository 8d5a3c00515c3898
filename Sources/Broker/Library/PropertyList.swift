import CMosquitto
import Glibc

/// A list of MQTT 5 properties in libmosquitto's form, freed with the value.
struct PropertyList: ~Copyable {
    private var list: OpaquePointer?

    deinit {
        var list = list
        mosquitto_property_free_all(&list)
    }

    // A property that the library has no memory for is left out; the message still goes.

    mutating func add(_ identifier: mqtt5_property, _ value: UInt32) {
        _ = mosquitto_property_add_int32(&list, Int32(identifier.rawValue), value)
    }

    mutating func add(_ identifier: mqtt5_property, _ value: String) {
        _ = mosquitto_property_add_string(&list, Int32(identifier.rawValue), value)
    }

    mutating func add(_ identifier: mqtt5_property, _ value: [UInt8]) {
        _ = mosquitto_property_add_binary(
            &list,
            Int32(identifier.rawValue),
            value,
            UInt16(clamping: value.count)
        )
    }

    mutating func add(_ property: MessageProperties.UserProperty) {
        _ = mosquitto_property_add_string_pair(
            &list,
            Int32(MQTT_PROP_USER_PROPERTY.rawValue),
            property.name,
            property.value
        )
    }

    func withPointer<Result>(_ body: (OpaquePointer?) -> Result) -> Result { body(list) }

    /// Copies the properties that matter out of a received list.
    static func read(_ list: OpaquePointer?) -> MessageProperties {
        var result = MessageProperties()
        guard let list else { return result }

        var text: UnsafeMutablePointer<CChar>?
        if mosquitto_property_read_string(list, Int32(MQTT_PROP_RESPONSE_TOPIC.rawValue), &text, false) != nil {
            result.responseTopic = text.map { String(cString: $0) }
            free(text)
        }
        var bytes: UnsafeMutableRawPointer?
        var length: UInt16 = 0
        let correlation = Int32(MQTT_PROP_CORRELATION_DATA.rawValue)
        if mosquitto_property_read_binary(list, correlation, &bytes, &length, false) != nil {
            result.correlationData = Array(UnsafeRawBufferPointer(start: bytes, count: Int(length)))
            free(bytes)
        }
        result.userProperties = readUserProperties(list)
        return result
    }

    /// More than this many are not looked at: no message of the contract has more.
    private static let userPropertyLimit = 32
    /// The longest value that a property of the contract can have: an armored signature, or custom data.
    private static let userPropertyBytes = 16 << 10

    private static func readUserProperties(_ list: OpaquePointer) -> [MessageProperties.UserProperty] {
        var result: [MessageProperties.UserProperty] = []
        var position: OpaquePointer? = list
        var isLater = false
        while result.count < userPropertyLimit {
            var name: UnsafeMutablePointer<CChar>?
            var value: UnsafeMutablePointer<CChar>?
            position = mosquitto_property_read_string_pair(
                position,
                Int32(MQTT_PROP_USER_PROPERTY.rawValue),
                &name,
                &value,
                isLater
            )
            guard position != nil else { break }
            // Longer ones are none of the contract's, and would be held in memory.
            if let name, let value, strlen(name) <= 64, strlen(value) <= userPropertyBytes {
                result.append(.init(name: String(cString: name), value: String(cString: value)))
            }
            free(name)
            free(value)
            isLater = true
        }
        return result
    }
}
