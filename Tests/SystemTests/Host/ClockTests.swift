import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("A wall clock that is wrong")
    struct ClockTests {
        @Test("A gateway in another year publishes after one refused call", arguments: [1_970, 2_069], ["v1", "v3"])
        func wrongYear(year: Int64, signature: String) async throws {
            let shim = try await ClockShim()
            try shim.move(toYear: year)
            let gateway = try await Gateway {
                $0.environment = shim.environment
                $0.settings["cloud.signature"] = signature
            }
            let firmware = TestFirmware(200_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(state["since"]?.string?.hasPrefix("\(year)") == true, "\(state.text)")
            let refused = gateway.cloud.calls.filter { !$0.code.isEmpty }
            #expect(refused.map(\.code) == ["InvalidTimeStamp.Expired"])
            #expect(gateway.cloud.calls(.generateUploadURL).count == 2)
            // Nobody saw a failed attempt for it.
            #expect(gateway.states(firmware.oneShotID).allSatisfy { $0.reasonCode == nil })
            try await eventually("the status to tell the offset") {
                let status = gateway.probe.messages(on: Gateway.root + "/status").last?.json
                return switch status?["cloud"]?["clock_offset"] {
                case .double(let seconds)?: abs(seconds) > 40.0 * 31_556_952
                case .integer(let seconds)?: abs(seconds) > 40 * 31_556_952
                default: false
                }
            }
        }

        @Test("Over TLS a certificate has to be valid by the cloud's time", arguments: [1_970, 2_069], [true, false])
        func tls(year: Int64, isValid: Bool) async throws {
            let shim = try await ClockShim()
            try shim.move(toYear: year)
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1", days: isValid ? 2 : -1)
            let port = try LoopbackSocket.freePort()
            let server = try await TLSPeer(target: port, certificates, "server")
            let gateway = try await Gateway {
                $0.environment = shim.environment
                $0.cloud = {
                    $0.port = port
                    $0.ticketHost = "https://127.0.0.1:\(server.port)"
                }
                $0.settings["cloud.endpoint"] = "https://127.0.0.1:\(server.port)/"
                $0.settings["cloud.ca-file"] = certificates.file("ca.pem")
            }
            let firmware = TestFirmware(200_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            if isValid {
                let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
                try await gateway.expectRegisteredOnce(firmware, state)
            } else {
                // One call was made to learn the time, and none afterwards.
                try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0.reasonCode == "tls" }
                #expect(!server.failures.isEmpty && gateway.cloud.calls(.postObject).isEmpty)
            }
            #expect(gateway.cloud.calls.filter { !$0.code.isEmpty }.map(\.code) == ["InvalidTimeStamp.Expired"])
            #expect(gateway.cloud.calls(.generateUploadURL).count == (isValid ? 2 : 1))
        }

        @Test("Steps of the clock, forwards and back, neither delay an attempt nor end a transfer")
        func steps() async throws {
            let shim = try await ClockShim()
            let gateway = try await Gateway { $0.environment = shim.environment }
            let waiting = TestFirmware(100_000)
            await gateway.cloud.stop()
            try await gateway.send("put/pumpctl/1.4.2", waiting.bytes)
            try await gateway.waitForState(.stored, of: waiting.oneShotID) { $0.reasonCode == "cloud-unreachable" }
            let slow = TestFirmware(300_000, version: "1.4.3", seed: 5)
            try await gateway.ask("slow", "init", slow.initialization())
            try await gateway.ask("slow", "0", slow.part(0..<100_000))
            for year in [1_970, 2_069, 1_990, 2_040] as [Int64] {
                try shim.move(toYear: year)
                // An attempt after the step shows that it did not wait for another year.
                let before = gateway.events(waiting.oneShotID).count
                try await eventually("another attempt in \(year)") {
                    gateway.events(waiting.oneShotID).count > before
                }
            }
            try await gateway.cloud.start()
            let state = try await gateway.waitForState(.registered, of: waiting.oneShotID)
            try await gateway.expectRegisteredOnce(waiting, state)
            // What was being received is still there.
            try await gateway.ask("slow", "100000", slow.part(100_000..<300_000))
            try await gateway.send("t/slow/\(slow.finish)")
            try await gateway.waitForState(.registered, of: "slow")
            #expect(gateway.cloud.calls.filter { !$0.code.isEmpty }.count <= 1)
        }
    }
}
