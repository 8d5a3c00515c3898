/// A message as the probe saw it.
package struct MQTTMessage: Sendable {
    package let topic: String
    package let payload: [UInt8]
    package let qos: Int
    /// Whether the broker sent it because it was retained.
    package let isRetained: Bool
    /// MQTT 5; empty where there is none.
    package let responseTopic: String
    /// MQTT 5; empty where there is none.
    package let correlationData: String

    /// The payload as text.
    package var text: String { String(decoding: payload, as: UTF8.self) }

    /// Reads a line in the probe's format; nil for any other line.
    init?(line: String) {
        guard line.hasPrefix(Self.mark) else { return nil }
        let parts = line.dropFirst(Self.mark.count).split(
            separator: "|",
            maxSplits: 5,
            omittingEmptySubsequences: false
        )
        guard parts.count == 6, let qos = Int(parts[1]) else { return nil }
        isRetained = parts[0] == "1"
        self.qos = qos
        responseTopic = String(parts[3])
        topic = String(parts[4])
        correlationData = String(parts[5])
        var bytes: [UInt8] = []
        bytes.reserveCapacity(parts[2].utf8.count / 2)
        var high: UInt8?
        for digit in parts[2].utf8 {
            let value = digit <= UInt8(ascii: "9") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        payload = bytes
    }

    private static let mark = "=|"
    /// For `mosquitto_sub -F`.
    static let format = "=|%r|%q|%x|%R|%t|%D"
}
