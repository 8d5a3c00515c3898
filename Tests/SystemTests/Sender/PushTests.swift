import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    @Suite("otaferry push")
    struct PushTests {
        /// The command line that sends a file to the gateway.
        private func words(_ gateway: Gateway, _ file: String, _ more: [String] = []) -> [String] {
            [
                "push", file, "--product", "pumpctl", "--version", "1.4.2", "--broker", gateway.broker.url, "--gateway",
                Gateway.name, "--sender", "ci", "--json",
            ] + more
        }

        /// The only transfer that was said to be registered.
        private func registered(_ gateway: Gateway) throws -> JSONValue {
            let states = gateway.probe.messages.filter { message in
                message.topic.hasPrefix(Gateway.root + "/state/") && message.json?["state"]?.string == "registered"
            }
            return try #require(states.last?.json)
        }

        @Test("50 MB are pushed until registered, and pushing them again is harmless")
        func again() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(50_000_000)
            let file = try gateway.folder.write(firmware.bytes, to: "pumpctl-1.4.2.bin")
            for _ in 0..<2 {
                let push = try await ProgramRunner.run("otaferry", words(gateway, file), within: .seconds(120))
                #expect(push.ending == .exited(0), "\(push.text(.errors)) \(push.text())")
                try await gateway.expectRegisteredOnce(firmware, registered(gateway))
            }
            #expect(gateway.cloud.calls(.postObject).count == 1)
        }

        @Test("The agent is killed again and again during a push, and the push ends registered")
        func agentKilled() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(20_000_000)
            let file = try gateway.folder.write(firmware.bytes, to: "pumpctl-1.4.2.bin")
            let push = try ProgramRunner("otaferry", words(gateway, file, ["--segment", "64KiB"]))
            for limit in [2_000_000, 8_000_000, 14_000_000] {
                try await eventually("\(limit) bytes") {
                    gateway.probe.messages.contains {
                        $0.topic.hasSuffix("/ack") && $0.json?["received"]?.integer ?? 0 > limit
                    }
                }
                try await gateway.kill()
                try gateway.launch()
            }
            #expect(try await push.waitForExit(within: .seconds(120)) == .exited(0), "\(push.text(.errors))")
            try await gateway.expectRegisteredOnce(firmware, registered(gateway))
        }

        @Test("A push that is killed goes on where it stopped, when the same command runs again")
        func senderKilled() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(20_000_000)
            let file = try gateway.folder.write(firmware.bytes, to: "pumpctl-1.4.2.bin")
            let first = try ProgramRunner("otaferry", words(gateway, file, ["--segment", "64KiB"]))
            try await eventually("some bytes") {
                gateway.probe.messages.contains {
                    $0.topic.hasSuffix("/ack") && $0.json?["received"]?.integer ?? 0 > 4_000_000
                }
            }
            try await first.kill()
            let second = try await ProgramRunner.run("otaferry", words(gateway, file, ["--resume"]))
            #expect(second.ending == .exited(0), "\(second.text(.errors))")
            try await gateway.expectRegisteredOnce(firmware, registered(gateway))
        }

        @Test("A push of a version that is registered with other bytes fails and says why")
        func refused() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(20_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let file = try gateway.folder.write(TestFirmware(30_000).bytes, to: "other.bin")
            let push = try await ProgramRunner.run("otaferry", words(gateway, file))
            #expect(push.ending == .exited(1), "\(push.text(.errors)) \(push.text())")
            #expect((push.text() + push.text(.errors)).contains("other bytes"))
        }
    }
}
