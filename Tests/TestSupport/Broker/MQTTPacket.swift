/// A packet of MQTT 3.1.1 or 5 as it passed over a connection.
package struct MQTTPacket: Sendable, Hashable {
    /// The types by their number in the first byte.
    package enum Kind: UInt8, Sendable {
        case reserved
        case connect
        case connack
        case publish
        case puback
        case pubrec
        case pubrel
        case pubcomp
        case subscribe
        case suback
        case unsubscribe
        case unsuback
        case pingreq
        case pingresp
        case disconnect
        case auth
    }

    package let kind: Kind
    /// The lower half of the first byte.
    package let flags: UInt8
    /// PUBLISH above QoS 0, PUBACK and the other acknowledgements, SUBSCRIBE, UNSUBSCRIBE and their answers.
    package let packetID: UInt16?
    /// PUBLISH.
    package let topic: String?
    /// CONNECT.
    package let clientID: String?
    /// PUBACK with one in MQTT 5.
    package let reasonCode: UInt8?
    /// Bytes of the whole packet.
    package let size: Int
    /// When its last byte passed.
    package let time: ContinuousClock.Instant

    /// QoS of a PUBLISH.
    package var qos: UInt8 { flags >> 1 & 3 }
    /// DUP flag of a PUBLISH.
    package var isDuplicate: Bool { flags & 8 != 0 }
    /// RETAIN flag of a PUBLISH.
    package var isRetained: Bool { flags & 1 != 0 }

    /// `body` is what follows the fixed header.
    init(first: UInt8, body: ArraySlice<UInt8>, size: Int, time: ContinuousClock.Instant) {
        let kind = Kind(rawValue: first >> 4) ?? .reserved
        self.kind = kind
        flags = first & 15
        self.size = size
        self.time = time
        var fields = Fields(rest: body)
        switch kind {
        case .publish:
            topic = fields.text()
            packetID = first >> 1 & 3 == 0 ? nil : fields.number()
            clientID = nil
            reasonCode = nil
        case .connect:
            clientID = fields.clientID()
            (topic, packetID, reasonCode) = (nil, nil, nil)
        case .puback, .pubrec, .pubrel, .pubcomp, .subscribe, .suback, .unsubscribe, .unsuback:
            packetID = fields.number()
            reasonCode = kind == .puback ? fields.rest.first : nil
            (topic, clientID) = (nil, nil)
        default: (topic, packetID, clientID, reasonCode) = (nil, nil, nil, nil)
        }
    }

    private struct Fields {
        var rest: ArraySlice<UInt8>

        mutating func number() -> UInt16? {
            guard rest.count >= 2 else { return nil }
            defer { rest = rest.dropFirst(2) }
            return UInt16(rest[rest.startIndex]) << 8 | UInt16(rest[rest.startIndex + 1])
        }

        mutating func text() -> String? {
            guard let count = number(), rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(Int(count)) }
            return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
        }

        /// Protocol name, level, flags and keep-alive come first; in MQTT 5 also properties.
        mutating func clientID() -> String? {
            guard text() != nil, let level = rest.first, rest.count > 4 else { return nil }
            rest = rest.dropFirst(4)
            if level >= 5 {
                guard let length = MQTTPacketSplitter.variableNumber(rest), let value = length.value else { return nil }
                rest = rest.dropFirst(length.size + value)
            }
            return text()
        }
    }
}

/// Cuts a stream of bytes into MQTT packets, whatever pieces it comes in.
package struct MQTTPacketSplitter: Sendable {
    private var pending: [UInt8] = []

    package init() {}

    /// Takes the next bytes of the stream and returns the packets that they complete.
    package mutating func feed(_ bytes: [UInt8], at time: ContinuousClock.Instant) -> [MQTTPacket] {
        pending += bytes
        var packets: [MQTTPacket] = []
        var start = 0
        while start < pending.count, let length = Self.variableNumber(pending[(start + 1)...]),
            let value = length.value
        {
            let body = start + 1 + length.size
            guard body + value <= pending.count else { break }
            packets.append(
                MQTTPacket(
                    first: pending[start],
                    body: pending[body..<body + value],
                    size: 1 + length.size + value,
                    time: time
                )
            )
            start = body + value
        }
        pending.removeFirst(start)
        return packets
    }

    /// A variable byte integer: its value, nil where it is malformed, and how many bytes it takes; nil where bytes are
    /// missing.
    static func variableNumber(_ bytes: ArraySlice<UInt8>) -> (value: Int?, size: Int)? {
        var value = 0
        for (index, byte) in bytes.prefix(4).enumerated() {
            value |= Int(byte & 127) << (7 * index)
            if byte & 128 == 0 { return (value, index + 1) }
        }
        return bytes.count >= 4 ? (nil, 4) : nil
    }
}
