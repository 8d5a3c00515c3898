package import FerryCore
import Foundation
import Synchronization

/// A client of MQTT 5 over a socket of its own: listens, remembers what it heard, and publishes at QoS 1 without starting
/// a program for each message. It comes back after the broker was away and says again what was not acknowledged. Gone
/// with the value that owns it.
package final class MQTTClient: Sendable {
    /// A message that came in.
    package struct Message: Sendable {
        package let topic: String
        package let payload: [UInt8]
        /// The payload, where it is JSON.
        package let json: JSONValue?
        package let isRetained: Bool
        package let correlationData: [UInt8]?
        /// When it was read off the socket.
        package let time: ContinuousClock.Instant

        package var text: String { String(decoding: payload, as: UTF8.self) }
    }

    /// What goes with a message that is published.
    package struct Properties: Sendable {
        package var responseTopic: String?
        package var correlationData: [UInt8]?
        package var user: [(name: String, value: String)] = []

        package init(
            responseTopic: String? = nil,
            correlationData: [UInt8]? = nil,
            user: [(name: String, value: String)] = []
        ) {
            self.responseTopic = responseTopic
            self.correlationData = correlationData
            self.user = user
        }
    }

    private struct State {
        var descriptor: Int32?
        var isReady = false
        var isOver = false
        var window = 20
        var nextID: UInt16 = 1
        var pending: [(id: UInt16, bytes: [UInt8])] = []
        var messages: [Message] = []
        /// The same by topic: tests ask for them often, and there may be many.
        var byTopic: [String: [Message]] = [:]
        var refusal: String?
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    private let shared = Shared()

    /// Connects and subscribes; returns when the broker has confirmed both.
    package init(port: UInt16, topics: [String] = [], clientID: String? = nil) async throws {
        let name = clientID ?? "test-\(UUID().uuidString.prefix(8))"
        let connect = Packet.connect(clientID: name)
        let subscribe = topics.isEmpty ? nil : Packet.subscribe(topics)
        let shared = shared
        Thread.detachNewThread {
            while !shared.state.withLock({ $0.isOver }) {
                Self.converse(port: port, connect: connect, subscribe: subscribe, shared)
                usleep(20_000)
            }
        }
        try await eventually(within: .seconds(10), "the broker to let \(name) in") {
            try shared.state.withLock { state in
                if let refusal = state.refusal { throw TestSupportError(refusal) }
                return state.isReady
            }
        }
    }

    deinit { close() }

    /// Ends it.
    package func close() {
        shared.state.withLock { state in
            state.isOver = true
            if let descriptor = state.descriptor { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    // MARK: - Listening

    /// All messages so far, in the order they came.
    package var messages: [Message] { shared.state.withLock { $0.messages } }

    /// The messages on one topic.
    package func messages(on topic: String) -> [Message] { shared.state.withLock { $0.byTopic[topic] ?? [] } }

    /// Returns the first message on the topic that fits, among those after the first `skipping`; throws, with what was
    /// seen last, after the deadline.
    @discardableResult
    package func waitFor(
        topic: String,
        skipping: Int = 0,
        within limit: Duration = .longEnough,
        where fits: (Message) -> Bool = { _ in true }
    ) async throws -> Message {
        let found = try? await firstValue(within: limit) {
            messages(on: topic).dropFirst(skipping).first(where: fits)
        }
        if let found { return found }
        let seen = messages.suffix(15).map { "\($0.topic) \($0.text.prefix(400))" }.joined(separator: "\n")
        throw TestSupportError("Waited \(limit) for a message on \(topic); seen:\n\(seen)")
    }

    // MARK: - Publishing

    /// Publishes at QoS 1 and returns when the broker has acknowledged it.
    package func publish(
        _ topic: String,
        _ payload: [UInt8],
        retained: Bool = false,
        properties: Properties = Properties(),
        within limit: Duration = .longEnough
    ) async throws {
        let id = try await enqueue(topic, payload, retained: retained, properties: properties, within: limit)
        try await eventually(within: limit, "the broker to acknowledge a message on \(topic)") {
            shared.state.withLock { state in !state.pending.contains { $0.id == id } }
        }
    }

    /// Publishes a text.
    package func publish(
        _ topic: String,
        text: String = "",
        retained: Bool = false,
        properties: Properties = Properties()
    ) async throws {
        try await publish(topic, Array(text.utf8), retained: retained, properties: properties)
    }

    /// Publishes at QoS 1 and returns as soon as the broker's window has room for it.
    @discardableResult
    package func enqueue(
        _ topic: String,
        _ payload: [UInt8],
        retained: Bool = false,
        properties: Properties = Properties(),
        within limit: Duration = .longEnough
    ) async throws -> UInt16 {
        try await firstValue(within: limit, "room in the broker's window") {
            shared.state.withLock { state -> UInt16? in
                guard state.pending.count < state.window else { return nil }
                let id = state.nextID
                state.nextID = id == .max ? 1 : id + 1
                let bytes = Packet.publish(topic, payload, id: id, retained: retained, properties)
                state.pending.append((id, bytes))
                if state.isReady, let descriptor = state.descriptor { Self.send(bytes, to: descriptor) }
                return id
            }
        }
    }

    // MARK: - The connection

    private static func converse(port: UInt16, connect: [UInt8], subscribe: [UInt8]?, _ shared: Shared) {
        guard let descriptor = LoopbackSocket.connect(port: port) else { return }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        shared.state.withLock { $0.descriptor = descriptor }
        send(connect, to: descriptor)
        var reader = PacketReader()
        var buffer = [UInt8](repeating: 0, count: 262_144)
        reading: while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            for packet in reader.feed(buffer[..<count]) {
                guard take(packet, descriptor, subscribe: subscribe, shared) else { break reading }
            }
        }
        shared.state.withLock { state in
            state.descriptor = nil
            state.isReady = false
            Foundation.close(descriptor)
        }
    }

    private static func take(
        _ packet: PacketReader.Packet,
        _ descriptor: Int32,
        subscribe: [UInt8]?,
        _ shared: Shared
    ) -> Bool {
        var fields = MQTTFields(rest: packet.body)
        switch packet.first >> 4 {
        case 2:
            let code = fields.byte(at: 1)
            guard code == 0 else {
                shared.state.withLock { $0.refusal = "The broker refused the connection with \(code)" }
                return false
            }
            fields.skip(2)
            let window = fields.properties().first { $0.id == 0x21 }.map { $0.number } ?? 65_535
            shared.state.withLock { $0.window = min(window, 500) }
            if let subscribe { send(subscribe, to: descriptor) } else { becomeReady(descriptor, shared) }
        case 9: becomeReady(descriptor, shared)
        case 4:
            let id = fields.number()
            shared.state.withLock { state in state.pending.removeAll { $0.id == id } }
        case 3:
            let topic = fields.text()
            if packet.first >> 1 & 3 > 0 { send([0x40, 2] + Packet.number(fields.number()), to: descriptor) }
            let properties = fields.properties()
            let payload = Array(fields.rest)
            let message = Message(
                topic: topic,
                payload: payload,
                json: try? JSONValue(parsing: payload),
                isRetained: packet.first & 1 == 1,
                correlationData: properties.first { $0.id == 0x09 }?.bytes,
                time: .now
            )
            shared.state.withLock { state in
                state.messages.append(message)
                state.byTopic[topic, default: []].append(message)
            }
        default: break
        }
        return true
    }

    private static func becomeReady(_ descriptor: Int32, _ shared: Shared) {
        shared.state.withLock { state in
            state.isReady = true
            for entry in state.pending { send(entry.bytes, to: descriptor) }
        }
    }

    /// A connection that breaks while sending is noticed by its reader.
    private static func send(_ bytes: [UInt8], to descriptor: Int32) {
        bytes.withUnsafeBytes { bytes in
            var sent = 0
            while let base = bytes.baseAddress, sent < bytes.count {
                let count = Foundation.send(descriptor, base + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                sent += count
            }
        }
    }
}

/// The packets that the client sends.
private enum Packet {
    static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    static func text(_ text: String) -> [UInt8] { binary(Array(text.utf8)) }

    static func binary(_ bytes: [UInt8]) -> [UInt8] { number(UInt16(bytes.count)) + bytes }

    static func variable(_ value: Int) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        repeat {
            bytes.append(UInt8(rest & 127) | (rest > 127 ? 128 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    static func whole(_ first: UInt8, _ body: [UInt8]) -> [UInt8] { [first] + variable(body.count) + body }

    /// MQTT 5, a clean start, no keep-alive.
    static func connect(clientID: String) -> [UInt8] {
        whole(0x10, text("MQTT") + [5, 2, 0, 0, 0] + text(clientID))
    }

    static func subscribe(_ topics: [String]) -> [UInt8] {
        whole(0x82, [0, 1, 0] + topics.flatMap { text($0) + [1] })
    }

    static func publish(
        _ topic: String,
        _ payload: [UInt8],
        id: UInt16,
        retained: Bool,
        _ properties: MQTTClient.Properties
    ) -> [UInt8] {
        var list: [UInt8] = []
        if let topic = properties.responseTopic { list += [0x08] + text(topic) }
        if let data = properties.correlationData { list += [0x09] + binary(data) }
        for pair in properties.user { list += [0x26] + text(pair.name) + text(pair.value) }
        let head = text(topic) + number(id) + variable(list.count) + list
        return [retained ? 0x33 : 0x32] + variable(head.count + payload.count) + head + payload
    }
}

/// Cuts what comes in into packets.
private struct PacketReader {
    struct Packet {
        var first: UInt8
        var body: ArraySlice<UInt8>
    }

    private var pending: [UInt8] = []

    mutating func feed(_ bytes: ArraySlice<UInt8>) -> [Packet] {
        pending += bytes
        var packets: [Packet] = []
        var start = 0
        while start < pending.count, let length = MQTTPacketSplitter.variableNumber(pending[(start + 1)...]),
            let value = length.value, start + 1 + length.size + value <= pending.count
        {
            let body = start + 1 + length.size
            packets.append(Packet(first: pending[start], body: pending[body..<body + value]))
            start = body + value
        }
        pending.removeFirst(start)
        return packets
    }
}

/// The fields of a packet's body, one after the other. What a broker sends is well-formed.
private struct MQTTFields {
    struct Property {
        var id: UInt8
        var number = 0
        var bytes: [UInt8] = []
    }

    var rest: ArraySlice<UInt8>

    func byte(at index: Int) -> UInt8 { rest[rest.startIndex + index] }

    mutating func skip(_ count: Int) { rest = rest.dropFirst(count) }

    mutating func number() -> UInt16 {
        defer { skip(2) }
        return UInt16(byte(at: 0)) << 8 | UInt16(byte(at: 1))
    }

    mutating func binary() -> [UInt8] {
        let count = Int(number())
        defer { skip(count) }
        return Array(rest.prefix(count))
    }

    mutating func text() -> String { String(decoding: binary(), as: UTF8.self) }

    mutating func properties() -> [Property] {
        guard let length = MQTTPacketSplitter.variableNumber(rest), let value = length.value else { return [] }
        skip(length.size)
        let end = rest.startIndex + value
        var list: [Property] = []
        while rest.startIndex < end {
            var property = Property(id: byte(at: 0))
            skip(1)
            switch property.id {
            case 0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A:
                property.number = Int(byte(at: 0))
                skip(1)
            case 0x13, 0x21, 0x22, 0x23: property.number = Int(number())
            case 0x02, 0x11, 0x18, 0x27: skip(4)
            case 0x0B: skip(MQTTPacketSplitter.variableNumber(rest)?.size ?? 1)
            case 0x26: property.bytes = binary() + binary()
            default: property.bytes = binary()
            }
            list.append(property)
        }
        return list
    }
}
