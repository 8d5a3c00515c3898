import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("The broker comes and goes")
    struct BrokerTests {
        private let firmware = TestFirmware(4_000_000)

        @Test(
            "The broker is restarted while segments come, with and without its persistence, and the file arrives whole",
            arguments: [MosquittoBroker.Persistence.off, .on]
        )
        func restarted(persistence: MosquittoBroker.Persistence) async throws {
            let gateway = try await Gateway { $0.persistence = persistence }
            var isRestarted = false
            let sender = SegmentSender(client: gateway.probe, firmware: firmware, id: "x", segment: 64 << 10)
            try await sender.run { received in
                guard received > 1_500_000, !isRestarted else { return }
                isRestarted = true
                try await gateway.broker.restart()
            }
            #expect(isRestarted)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(try await gateway.retained("state/ci/x") == state)
            #expect(try await gateway.retained("status")?["state"]?.string == "online")
        }

        @Test("The broker is killed after firmware was stored: states and events are said again when it is back")
        func killed() async throws {
            let gateway = try await Gateway()
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .hold(gate))
            let firmware = TestFirmware(50_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.cloud.waitFor(.postObject, .received)
            try await gateway.broker.kill()
            gate.open()
            try await eventually("the firmware") { await gateway.cloud.firmware.count == 1 }
            try await gateway.broker.start()
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
            try await eventually("every event") {
                let states = gateway.events(firmware.oneShotID).compactMap { $0["state"]?.string }
                return states.contains("registering") && states.last == "registered"
            }
        }

        @Test("The agent starts without a broker and is online when it comes")
        func absent() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            try await gateway.broker.stop()
            try gateway.launch()
            let agent = try #require(gateway.agent)
            try await agent.waitForLine(.errors, containing: "No connection to the broker")
            try await gateway.broker.start()
            try await gateway.online()
            let firmware = TestFirmware(50_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("What is sent while the agent is away waits in the broker, and arrives when it is back")
        func agentAway() async throws {
            let gateway = try await Gateway()
            try await gateway.kill()
            try await gateway.waitForStatus("offline")
            let firmware = TestFirmware(50_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.start()
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("A broker that has lost the session: every open transfer gets an ack at once")
        func sessionLost() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(100_000)
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.part(0..<60_000))
            let before = gateway.acknowledgements("x").count
            try await gateway.broker.restart()
            try await eventually(within: .seconds(15), "an ack") { gateway.acknowledgements("x").count > before }
            #expect(gateway.acknowledgements("x").last?["received"]?.integer == 60_000)
        }
    }
}
