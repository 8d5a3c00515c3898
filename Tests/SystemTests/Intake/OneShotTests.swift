import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("A firmware in one message")
    struct OneShotTests {
        @Test("One message by mosquitto_pub ends registered, with the same bytes and metadata in the cloud")
        func registered() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(300_000)
            try await MQTTProbe.publish(
                port: gateway.broker.port,
                topic: "\(Gateway.root)/in/ci/put/pumpctl/1.4.2",
                firmware.bytes,
                properties: [["user-property", "description", "The pump's control"]]
            )
            let id = firmware.oneShotID
            let state = try await gateway.waitForState(.registered, of: id)
            try await gateway.expectRegisteredOnce(firmware, state)
            let listed = try #require(await gateway.cloud.firmware.first)
            #expect(listed.name == "pumpctl-1_4_2")
            #expect(listed.module == "default")
            #expect(listed.signMethod == "MD5")
            #expect(listed.description == "The pump's control")

            #expect(
                gateway.states(id).compactMap { $0["state"]?.string }
                    == ["receiving", "stored", "ticketing", "uploading", "registering", "registered"]
            )
            try gateway.expectGrowingSequence(id)
            #expect(state["sha256"]?.string == firmware.sha256)
            #expect(state["size"]?.integer == 300_000)
            #expect(state["received"]?["durable"]?.integer == 300_000)
            #expect(state["firmware"]?["version"]?.string == "1.4.2")
            #expect(state["reason"] == nil)
            #expect(try await gateway.retained("state/ci/\(id)") == state)

            let acknowledgement = try #require(gateway.acknowledgements(id).first)
            #expect(acknowledgement["received"]?.integer == 300_000)
            #expect(acknowledgement["durable"]?.integer == 300_000)
            #expect(acknowledgement.missing == [])
            #expect(acknowledgement["credit"]?.integer ?? 0 > 0)
            #expect(acknowledgement["segment"]?.integer ?? 0 > 0)
            #expect(acknowledgement.reasonText == "ok")

            // No older word comes after a newer one, whichever topic it is on.
            let topics = [Gateway.root + "/state/ci/\(id)", Gateway.root + "/out/ci/\(id)/ack"]
            let numbersSaid = gateway.probe.messages.filter { topics.contains($0.topic) }.compactMap {
                $0.json?["seq"]?.integer
            }
            #expect(numbersSaid == numbersSaid.sorted())

            let statesOfEvents = ["receiving", "stored", "ticketing", "uploading", "registering", "registered"]
            try await eventually("all events") { gateway.events(id).count == statesOfEvents.count }
            #expect(gateway.events(id).compactMap { $0["state"]?.string } == statesOfEvents)
            let numbers = gateway.events(id).compactMap { $0["seq"]?.integer }
            #expect(numbers == numbers.sorted())
            #expect(gateway.events(id).allSatisfy { $0["event"]?.string == "state" })
        }

        @Test("The agent is online first, with its limits, before it says states")
        func online() async throws {
            let gateway = try await Gateway()
            let first = try #require(gateway.probe.messages.first { $0.topic.hasPrefix(Gateway.root) })
            #expect(first.topic == Gateway.root + "/status")
            #expect(first.json?["state"]?.string == "online")
            let status = try #require(first.json)
            #expect(status["gateway"]?.string == Gateway.name)
            #expect(status["limits"]?["size_max"]?.integer == 1_048_576_000)
            #expect(status["limits"]?["one_shot_max"]?.integer == 16 << 20)
            #expect(status["limits"]?["packet_max"]?.integer == 64 << 20)
            #expect(status["limits"]?["suffixes"]?.array?.contains("tar.gz") == true)
            #expect(status["spool"]?["quota"]?.integer == 4 << 30)
            #expect(status["problems"]?.array == [])
            try await eventually("the broker's version in the status") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["broker"]?["version"]?.string?
                    .contains("mosquitto") == true
            }
        }

        @Test("A retained firmware that is taken away from the broker is no empty one")
        func retained() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(50_000)
            let topic = "\(Gateway.root)/in/ci/put/pumpctl/1.4.2"
            try await gateway.probe.publish(topic, firmware.bytes, retained: true)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.probe.publish(topic, [], retained: true)
            // One that is not retained is refused, after it.
            try await gateway.probe.publish(topic + "/empty.bin", [])
            try await gateway.waitForState(.failed, of: TestFirmware([]).oneShotID) {
                $0["file"]?.string == "empty.bin"
            }
            #expect(gateway.acknowledgements(TestFirmware([]).oneShotID).count == 1)
        }

        @Test("The same message again repeats the answer and registers nothing anew")
        func again() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(50_000)
            let id = firmware.oneShotID
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: id)
            let before = gateway.acknowledgements(id).count
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await eventually("another answer") { gateway.acknowledgements(id).count > before }
            #expect(gateway.acknowledgements(id).last?["state"]?.string == "registered")
            #expect(gateway.acknowledgements(id).last?.reasonText == "ok")
            try await gateway.send("put/pumpctl/9.9.9", firmware.bytes)
            try await eventually("a refusal") { gateway.acknowledgements(id).last?.reasonText == "conflict" }
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(gateway.cloud.calls(.createFirmware).count == 1)
        }

        @Test("Versions whose names come to the same once they are cut are told apart, also from what is registered")
        func longNames() async throws {
            let gateway = try await Gateway()
            for version in ["10.2026.11.26-rc1-linux-armhf-pump", "10.2026.11.26-rc1-linux-armhf-pumps-2"] {
                let firmware = TestFirmware(20_000, version: version, seed: UInt64(version.count))
                try await gateway.send("put/pumpctl/\(version)", firmware.bytes)
                try await gateway.waitForState(.registered, of: firmware.oneShotID)
            }
            let names = await gateway.cloud.firmware.map(\.name)
            #expect(names.count == 2 && Set(names).count == 2 && names.allSatisfy { $0.count <= 40 }, "\(names)")
            #expect(names.contains("pumpctl-10_2026_11_26-rc1-linux-armhf-pu"), "\(names)")
        }

        @Test("Several at once are all registered, the higher priority of those that wait first")
        func several() async throws {
            let gateway = try await Gateway()
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .hold(gate))
            let files = (0..<5).map { TestFirmware(20_000, version: "2.0.\($0)", seed: UInt64($0 + 20)) }
            try await gateway.send("put/pumpctl/2.0.0", files[0].bytes)
            try await gateway.cloud.waitFor(.postObject, .received)
            for (index, file) in files.enumerated().dropFirst() {
                try await gateway.probe.publish(
                    "\(Gateway.root)/in/ci/put/pumpctl/\(file.version)",
                    file.bytes,
                    properties: .init(user: [("priority", "\(index)")])
                )
                try await gateway.waitForState(.stored, of: file.oneShotID)
            }
            gate.open()
            for file in files { try await gateway.waitForState(.registered, of: file.oneShotID) }
            #expect(await gateway.cloud.firmware.map(\.version) == ["2.0.0", "2.0.4", "2.0.3", "2.0.2", "2.0.1"])
        }
    }
}
