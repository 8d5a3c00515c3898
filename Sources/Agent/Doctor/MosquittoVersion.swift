/// Mosquitto's version, and what is known of it.
struct MosquittoVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    var major: Int
    var minor: Int
    var patch: Int

    init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads what `$SYS/broker/version` says: `mosquitto version 2.0.11`; nil for another broker.
    init?(status text: String) {
        let words = text.split(separator: " ")
        guard words.count >= 3, words[0] == "mosquitto", words[1] == "version" else { return nil }
        // Builds from the repository say 2.1.0-rc1.
        let numbers = words[2].split(separator: ".", maxSplits: 2)
            .map { part in Int(part.prefix { $0.isASCII && $0.isNumber }) ?? 0 }
        guard numbers.count == 3 else { return nil }
        self.init(numbers[0], numbers[1], numbers[2])
    }

    var description: String { "\(major).\(minor).\(patch)" }

    static func < (left: MosquittoVersion, right: MosquittoVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// The first version that speaks MQTT 5.
    private static let speaksMQTT5 = MosquittoVersion(1, 6, 0)
    /// The first with sessions that survive `per_listener_settings true` (its ChangeLog).
    private static let keepsSessionsPerListener = MosquittoVersion(2, 0, 23)
    /// The first with the flow control of QoS 1 mended (mosquitto#2306).
    private static let mendedQuota = MosquittoVersion(2, 0, 13)
    /// The first whose full queue also swallows SUBACK and PUBACK (mosquitto#3542), and the first that has it mended.
    private static let dropsControlPackets = MosquittoVersion(2, 0, 16)..<MosquittoVersion(2, 1, 0)
    /// The first with a default limit of 2,000,000 bytes a packet.
    private static let limitsPackets = MosquittoVersion(2, 1, 0)

    /// What a configuration that says nothing means in this version; nil: no limit.
    var defaultMaximumPacket: Int64? { self >= Self.limitsPackets ? 2_000_000 : nil }

    /// Whether `per_listener_settings true` loses sessions.
    var losesSessionsPerListener: Bool { self < Self.keepsSessionsPerListener }

    /// What is known of this version, whatever its configuration.
    var findings: [Finding] {
        let name = "Mosquitto \(self)"
        if self < Self.speaksMQTT5 {
            return [
                Finding(
                    .brokerVersion,
                    .error,
                    "\(name) does not speak MQTT 5",
                    why: "it accepts messages that its rights forbid, and answers as if they had arrived",
                    remedy: "Install Mosquitto 2.0.18 or newer"
                )
            ]
        }
        if major < 2 {
            return [
                Finding(
                    .brokerVersion,
                    .warning,
                    "\(name) is no longer maintained",
                    why: "known faults that lose messages stay in it",
                    remedy: "Install Mosquitto 2.0.18 or newer"
                )
            ]
        }
        if self < Self.mendedQuota {
            return [
                Finding(
                    .brokerVersion,
                    .note,
                    "\(name) can stop delivering to a client with many messages under way (mosquitto#2306)",
                    why: "the agent asks for 32 at a time, which has not been seen to do it",
                    remedy: "Where firmware stops coming in until the agent is restarted, install 2.0.13 or newer; "
                        + "Debian 12 has one in bookworm-backports"
                )
            ]
        }
        if Self.dropsControlPackets.contains(self) {
            return [
                Finding(
                    .brokerVersion,
                    .note,
                    "\(name) drops acknowledgements too when a client's queue is full (mosquitto#3542)",
                    why: "a sender may then wait for an answer that never comes",
                    remedy: "Keep max_queued_messages large, see broker-queue"
                )
            ]
        }
        return [Finding(.brokerVersion, .ok, "\(name), no fault known that loses messages by itself")]
    }
}
