import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("Start, stop and what the service manager hears")
    struct LifeTests {
        @Test("Killed, the agent is offline by its will")
        func will() async throws {
            let gateway = try await Gateway()
            let before = gateway.probe.messages(on: Gateway.root + "/status").count
            try await gateway.kill()
            let status = try await gateway.waitForStatus("offline", skipping: before)
            #expect(status["v"]?.integer == 1)
            #expect(try await gateway.retained("status") == status)
        }

        @Test("SIGTERM and SIGINT end it within 5 s with code 0: stopping, then offline", arguments: [SIGTERM, SIGINT])
        func stopped(signal: Int32) async throws {
            let gateway = try await Gateway()
            let agent = try #require(gateway.agent)
            let before = gateway.probe.messages(on: Gateway.root + "/status").count
            let start = ContinuousClock.now
            agent.send(signal)
            #expect(try await agent.waitForExit() == .exited(0))
            #expect(ContinuousClock.now - start < .seconds(5))
            try await gateway.waitForStatus("offline", skipping: before)
            let states = gateway.probe.messages(on: Gateway.root + "/status").dropFirst(before).compactMap {
                $0.json?["state"]?.string
            }
            #expect(states.suffix(2) == ["stopping", "offline"])
        }

        @Test("It ends within 5 s in the middle of an upload, and goes on with it at the next start")
        func stoppedWhileUploading() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let firmware = TestFirmware(3_000_000)
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 100_000, Gate()))
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.cloud.waitForUpload(bytes: 90_000)
            let start = ContinuousClock.now
            #expect(try await gateway.stop() == .exited(0))
            #expect(ContinuousClock.now - start < .seconds(5))
            try await gateway.start()
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("It ends within 5 s with a broker that says nothing any more")
        func stoppedWithDeafBroker() async throws {
            let gateway = try await Gateway { $0.isRecorded = true }
            gateway.proxy?.pause()
            let start = ContinuousClock.now
            #expect(try await gateway.stop() == .exited(0))
            #expect(ContinuousClock.now - start < .seconds(5.5))
        }

        @Test("A configuration with mistakes ends it with code 78 and names all of them")
        func mistakes() async throws {
            let folder = try TemporaryFolder()
            let file = try folder.write(
                "gatway = \"x\"\n[retry]\nmin = \"soon\"\n[broker]\nurl = \"http://x\"\n",
                to: "otaferry.toml"
            )
            let program = try await ProgramRunner.run("otaferry", ["run", "--config", file])
            #expect(program.ending == .exited(78))
            let text = program.text(.errors)
            for word in ["gatway", "gateway", "[retry] min", "soon", "[broker] url", "http://x", file] {
                #expect(text.contains(word), "\(word) is not in: \(text)")
            }
        }

        @Test("With --json the mistakes of a configuration are lines of the log")
        func mistakesInJSON() async throws {
            let folder = try TemporaryFolder()
            let file = try folder.write("gatway = \"x\"\n[retry]\nmin = \"soon\"\n", to: "otaferry.toml")
            let program = try await ProgramRunner.run("otaferry", ["run", "--json", "--config", file])
            #expect(program.ending == .exited(78))
            let lines = try program.lines(.errors).map { try JSONValue(parsing: Array($0.utf8)) }
            #expect(lines.count == 2 && lines.allSatisfy { $0["level"]?.string == "critical" }, "\(program.story)")
            #expect(lines.first?["message"]?.string?.contains("did you mean \"gateway\"") == true, "\(program.story)")
        }

        @Test("A second agent on the same spool ends with a sentence, and the first goes on")
        func second() async throws {
            let gateway = try await Gateway()
            let second = try await ProgramRunner.run("otaferry", gateway.arguments)
            guard case .exited(let code) = second.ending else { throw TestSupportError("\(second.ending as Any)") }
            #expect(code == 1)
            #expect(second.text(.errors).contains("another agent works on it"))
            let firmware = TestFirmware(20_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
        }

        @Test("The service manager hears READY, WATCHDOG and STOPPING")
        func notify() async throws {
            let listener = try NotifySocket()
            let gateway = try await Gateway {
                $0.environment = ["NOTIFY_SOCKET": listener.path, "WATCHDOG_USEC": "400000"]
            }
            try await eventually("READY=1") { listener.lines.contains("READY=1") }
            try await eventually("WATCHDOG=1") { listener.lines.count { $0 == "WATCHDOG=1" } >= 5 }
            #expect(!listener.lines.contains("STOPPING=1"))
            try await gateway.stop()
            try await eventually("STOPPING=1") { listener.lines.contains("STOPPING=1") }
            let first = try #require(listener.lines.first)
            #expect(first == "READY=1")
        }
    }
}
