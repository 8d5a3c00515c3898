import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    /// What has to be said on MQTT, said in the end.
    @Suite("What has to be said is said in the end")
    struct OutboxTests {
        @Test("Events after a purge and a restart are told like those before")
        func eventsAfterPurge() async throws {
            let gateway = try await Gateway()
            let first = TestFirmware(20_000, version: "1.0", seed: 1)
            try await gateway.send("put/pumpctl/1.0", first.bytes)
            try await gateway.waitForState(.registered, of: first.oneShotID)
            let answer = try await gateway.command("purge", ["sender": "ci", "transfer": .string(first.oneShotID)])
            #expect(answer["ok"]?.bool == true)
            try await gateway.killAndRestart()
            let second = TestFirmware(20_000, version: "1.1", seed: 2)
            try await gateway.send("put/pumpctl/1.1", second.bytes)
            try await gateway.waitForState(.registered, of: second.oneShotID)
            let topic = Gateway.root + "/event/ci/" + second.oneShotID
            let states = ["receiving", "stored", "ticketing", "uploading", "registering", "registered"]
            try await eventually(within: .seconds(10), "the events of the second firmware") {
                gateway.probe.messages(on: topic).compactMap { $0.json?["state"]?.string } == states
            }
        }

        @Test("A retained state is cleared also when the broker was away at the time")
        func clearedLater() async throws {
            let gateway = try await Gateway {
                $0.persistence = .on
                $0.settings["spool.keep-final"] = "1s"
            }
            let firmware = TestFirmware(20_000, seed: 3)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.stop()
            // The time of the final state passes while nobody is there to clear it.
            let topic = Gateway.root + "/state/ci/" + firmware.oneShotID
            try await gateway.start()
            try await eventually(within: .seconds(30), "the retained state to be cleared") {
                gateway.probe.messages(on: topic).last?.payload.isEmpty == true
            }
            let late = try await MQTTClient(port: gateway.broker.port, topics: [topic, Gateway.root + "/status"])
            try await late.waitFor(topic: Gateway.root + "/status")
            #expect(late.messages(on: topic).isEmpty)
        }

        @Test("An answer goes to no topic that would make a firmware, a command or a state of it")
        func confusedDeputy() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(20_000, seed: 4)
            await gateway.cloud.stop()
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID)
            for topic in ["in/ci/put/pumpctl/6.6.6", "cmd/pause", "state/ci/x", "in/ci/t/\(firmware.oneShotID)/abort"] {
                try await MQTTProbe.publish(
                    port: gateway.broker.port,
                    topic: "$file/evil/init",
                    text: #"{"name":"evil.bin"}"#,
                    properties: [["response-topic", Gateway.root + "/" + topic]]
                )
            }
            // Answered in order, so the ones before have been dealt with.
            let list = try await gateway.command("list", [:])
            let versions = list["result"]?["states"]?.array?.compactMap { $0["firmware"]?["version"]?.string }
            #expect(versions == ["1.4.2"])
            #expect(gateway.probe.messages(on: Gateway.root + "/state/ci/x").isEmpty)
        }

        @Test("A sender that had to pause for want of room is told when there is room again")
        func roomAgain() async throws {
            let gateway = try await Gateway { $0.settings["spool.quota"] = "1MiB" }
            await gateway.cloud.stop()
            let large = TestFirmware(700_000, version: "1.0", seed: 5)
            try await gateway.send("put/pumpctl/1.0", large.bytes)
            try await gateway.waitForState(.stored, of: large.oneShotID)
            let ack = Gateway.root + "/out/ci/late/ack"
            let document: JSONValue = ["name": "late.bin", "firmware": ["product": "pumpctl", "version": "2.0"]]
            try await gateway.send("t/late/init", document.encoded)
            try await gateway.send("t/late/0", [UInt8](repeating: 1, count: 340_000))
            try await gateway.send("t/late/340000", [UInt8](repeating: 2, count: 100_000))
            try await eventually(within: .seconds(10), "a credit of 0") {
                gateway.probe.messages(on: ack).last?.json?["reason"]?.string == "no-room"
            }
            let before = gateway.probe.messages(on: ack).count
            try await gateway.command("cancel", ["sender": "ci", "transfer": .string(large.oneShotID)])
            try await eventually(within: .seconds(20), "credit again") {
                gateway.probe.messages(on: ack).dropFirst(before).contains { ($0.json?["credit"]?.integer ?? 0) > 0 }
            }
        }
    }
}
