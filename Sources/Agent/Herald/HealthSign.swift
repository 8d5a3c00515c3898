import Broker
import FerryCore
import Glibc
import Synchronization

/// Tells thin-edge.io whether the agent is up, where `broker.thin-edge` asks for it: retained, and the will of the data
/// connection, so that it says `down` when no firmware is taken.
final class HealthSign: Sendable {
    /// thin-edge.io's topic for the health of a service.
    static let topic = "te/device/main/service/otaferry/status/health"

    /// The will.
    static var down: OutboundMessage { message(status: "down", at: nil) }

    private let said = Mutex<String?>(nil)

    /// What has to be said now; nil where it is said already.
    func message(isUp: Bool, at now: WallTime = .now()) -> OutboundMessage? {
        let status = isUp ? "up" : "down"
        let isNews = said.withLock { said in
            defer { said = status }
            return said != status
        }
        return isNews ? Self.message(status: status, at: now) : nil
    }

    /// The broker may have said otherwise meanwhile, by the will.
    func forget() { said.withLock { $0 = nil } }

    private static func message(status: String, at now: WallTime?) -> OutboundMessage {
        var payload: [String: JSONValue] = ["status": .string(status)]
        if let now {
            payload["pid"] = .integer(Int64(getpid()))
            payload["time"] = .integer(now.milliseconds / 1_000)
        }
        return OutboundMessage(topic: topic, payload: JSONValue.object(payload).encoded, isRetained: true)
    }
}
