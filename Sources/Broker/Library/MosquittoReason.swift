import CMosquitto

/// libmosquitto's words for the reason codes of CONNACK.
enum MosquittoReason {
    static func text(of code: Int32) -> String {
        // Below 6 these are the return codes of MQTT 3.1.1.
        let text = code < 6 ? mosquitto_connack_string(code) : mosquitto_reason_string(code)
        return text.map { String(cString: $0) } ?? "code \(code)"
    }
}
