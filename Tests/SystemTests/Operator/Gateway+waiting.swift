import CloudSimulator
import FerryCore

extension Gateway {
    /// A gateway with one stored firmware that cannot go to the cloud.
    static func waiting(with firmware: TestFirmware) async throws -> Gateway {
        let gateway = try await Gateway()
        await gateway.cloud.stop()
        try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
        try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0.reasonCode == "cloud-unreachable" }
        return gateway
    }
}
