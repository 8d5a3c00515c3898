import Foundation
import Synchronization

/// A client that listens, made of `mosquitto_sub`; and `mosquitto_pub` to send. Gone with the value that owns it.
package final class MQTTProbe: Sendable {
    /// Who it is for the broker.
    package struct Login: Sendable {
        package var user: String
        package var password: String

        package init(_ user: String, _ password: String) {
            self.user = user
            self.password = password
        }

        fileprivate var arguments: [String] { ["-u", user, "-P", password] }
    }

    /// The versions of MQTT.
    package enum Version: String, Sendable {
        case v311 = "mqttv311"
        case v5 = "mqttv5"
    }

    private struct Seen {
        var messages: [MQTTMessage] = []
        var position = 0
    }

    private let program: ProgramRunner
    private let seen = Mutex(Seen())

    /// Subscribes at QoS 1; returns when the broker has confirmed every subscription.
    package init(
        port: UInt16,
        topics: [String] = ["#"],
        login: Login? = nil,
        version: Version = .v5,
        clientID: String? = nil,
        arguments: [String] = []
    ) async throws {
        var words = [
            "-h", "127.0.0.1", "-p", "\(port)", "-V", version.rawValue, "-q", "1", "-d", "-F", MQTTMessage.format,
        ]
        words += topics.flatMap { ["-t", $0] } + (login?.arguments ?? []) + arguments
        if let clientID { words += ["-i", clientID] }
        // Without line buffers what it says about the subscription comes with the first message only.
        program = try ProgramRunner("stdbuf", ["-oL", "mosquitto_sub"] + words)
        try await program.waitForLine { $0.hasPrefix("Subscribed ") }
    }

    /// All messages so far, in the order they came.
    package var messages: [MQTTMessage] {
        seen.withLock { seen in
            let (lines, end) = program.lines(.output, from: seen.position)
            seen.messages += lines.compactMap(MQTTMessage.init(line:))
            seen.position = end
            return seen.messages
        }
    }

    /// The messages on one topic.
    package func messages(on topic: String) -> [MQTTMessage] { messages.filter { $0.topic == topic } }

    /// Returns the first message that fits; throws, with the topics seen last, after the deadline.
    @discardableResult
    package func waitFor(
        topic: String? = nil,
        within limit: Duration = .longEnough,
        where fits: (MQTTMessage) -> Bool = { _ in true }
    ) async throws -> MQTTMessage {
        let found = try? await firstValue(within: limit) {
            messages.first { (topic == nil || $0.topic == topic) && fits($0) }
        }
        if let found { return found }
        let seen = messages.suffix(20).map { "\($0.topic) \($0.text.prefix(200))" }.joined(separator: "\n")
        throw TestSupportError("Waited \(limit) for a message on \(topic ?? "any topic"); seen:\n\(seen)")
    }

    /// Returns the first so many messages on the topic; throws after the deadline.
    @discardableResult
    package func waitFor(
        topic: String,
        count: Int,
        within limit: Duration = .longEnough
    ) async throws -> [MQTTMessage] {
        try await firstValue(within: limit, "\(count) messages on \(topic)") {
            let found = messages(on: topic)
            return found.count >= count ? found : nil
        }
    }

    /// Publishes at QoS 1 and returns when the broker has confirmed it. `properties` are `-D publish NAME VALUE…`.
    package static func publish(
        port: UInt16,
        topic: String,
        _ payload: [UInt8],
        retained: Bool = false,
        login: Login? = nil,
        version: Version = .v5,
        properties: [[String]] = []
    ) async throws {
        let folder = try TemporaryFolder("publish")
        let file = try folder.write(payload, to: "payload")
        var words = ["-h", "127.0.0.1", "-p", "\(port)", "-V", version.rawValue, "-q", "1", "-t", topic]
        words += payload.isEmpty ? ["-n"] : ["-f", file]
        if retained { words.append("-r") }
        words += login?.arguments ?? []
        for property in properties { words += ["-D", "publish"] + property }
        let program = try await ProgramRunner.run("mosquitto_pub", words)
        guard program.ending == .exited(0) else {
            throw TestSupportError("mosquitto_pub failed: \(program.text(.errors))")
        }
    }

    /// Publishes a text.
    package static func publish(
        port: UInt16,
        topic: String,
        text: String,
        retained: Bool = false,
        login: Login? = nil,
        version: Version = .v5,
        properties: [[String]] = []
    ) async throws {
        try await publish(
            port: port,
            topic: topic,
            Array(text.utf8),
            retained: retained,
            login: login,
            version: version,
            properties: properties
        )
    }
}
