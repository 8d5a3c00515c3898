import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("Senders that err")
    struct BadInputTests {
        private let firmware = TestFirmware(50_000)

        /// That the agent still does its work, and has stored nothing else.
        private func expectSound(_ gateway: Gateway) async throws {
            #expect(gateway.agent?.isRunning == true)
            try await eventually("an empty spool") {
                try await gateway.command("sync")
                return gateway.probe.messages(on: Gateway.root + "/status").last?.json?["spool"]?["used"]?.integer == 0
            }
            let firmware = TestFirmware(20_000, version: "8.8.8", seed: 88)
            try await gateway.send("put/pumpctl/8.8.8", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("Topics and names that are none are refused where an address for it is there, and store nothing")
        func topics() async throws {
            let gateway = try await Gateway()
            for topic in [
                "ci", "ci/", "ci/put", "ci/put/pumpctl", "ci/put/a b/1", "ci/put/pumpctl/1/..", "ci/put/pumpctl/1/f/g",
                "ci/odd/x", "ci/t", "ci/t/", "ci/t/a b/init", "ci/t/é/0", "/t/x/init", "a b/t/x/init",
                "\(String(repeating: "s", count: 65))/t/x/init", "ci/t/\(String(repeating: "i", count: 65))/init",
            ] {
                try await gateway.probe.publish("\(Gateway.root)/in/\(topic)", firmware.bytes)
            }
            for step in [
                "odd", "-1", "0x10", "1e3", "99999999999999999999", "0/abcg", "0/1/2", "fin", "fin/", "fin/x",
                "fin/1/2/3",
                "fin/-5", "init/now", "abort/x", "",
            ] {
                let answer = try await gateway.ask("x", step, firmware.part(0..<100))
                #expect(answer.reasonText == "bad-topic", "\(step): \(answer.text)")
                #expect(answer["state"] == nil)
            }
            #expect(gateway.states("x").isEmpty)
            try await expectSound(gateway)
        }

        @Test("An init that is refused says why and leaves no state")
        func initializations() async throws {
            let gateway = try await Gateway { $0.settings["intake.any-product-key"] = "false" }
            let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
            let cases: [(String, String)] = [
                ("", "bad-metadata"), ("{", "bad-metadata"), ("[]", "bad-metadata"), ("null", "bad-metadata"),
                ("\u{0}\u{1}", "bad-metadata"), (deep, "bad-metadata"), ("{\"name\":\(deep)}", "bad-metadata"),
                (String(repeating: "x", count: 1 << 20), "bad-metadata"), ("{}", "bad-metadata"),
                (#"{"name":"a/b"}"#, "bad-metadata"), (#"{"name":".."}"#, "bad-metadata"),
                (#"{"name":7}"#, "bad-metadata"),
                (#"{"name":"a.bin","size":-1}"#, "bad-metadata"), (#"{"name":"a.bin","size":"5"}"#, "bad-metadata"),
                (#"{"name":"a.bin","size":1.5}"#, "bad-metadata"), (#"{"name":"a.bin","size":0}"#, "bad-metadata"),
                (#"{"name":"a.bin","size":1048576001}"#, "too-large"), (#"{"name":"a.bin","size":1e18}"#, "too-large"),
                (#"{"name":"a.bin","checksum":"abc"}"#, "bad-metadata"),
                (#"{"name":"a.exe"}"#, "bad-suffix"),
                (#"{"name":"a.bin","firmware":[]}"#, "bad-metadata"),
                (#"{"name":"a.bin","firmware":{"product":"nobody","version":"1"}}"#, "unknown-product"),
                (#"{"name":"a.bin","firmware":{"product":"b1AbCdEfGhI","version":"1"}}"#, "unknown-product"),
                (#"{"name":"a.bin","firmware":{"product":"pumpctl","version":"1 2"}}"#, "bad-metadata"),
                (#"{"name":"a.bin","firmware":{"name":"a.b"}}"#, "bad-metadata"),
                (#"{"name":"a.bin","firmware":{"type":"delta"}}"#, "bad-metadata"),
                (#"{"name":"a.bin","firmware":{"priority":1000}}"#, "bad-metadata"),
                (#"{"name":"a.bin","firmware":{"package":{"id":"p","files":21}}}"#, "bad-metadata"),
            ]
            for (payload, reason) in cases {
                let answer = try await gateway.ask("x", "init", text: payload)
                #expect(answer.reasonText == reason, "\(payload.prefix(80)): \(answer.text)")
                #expect(answer["text"]?.string?.isEmpty == false)
                #expect(answer["state"] == nil)
            }
            #expect(gateway.states("x").isEmpty)
            try await expectSound(gateway)
        }

        @Test("Segments and fin beyond the limits are refused by name")
        func segments() async throws {
            let gateway = try await Gateway()
            #expect(try await gateway.ask("nobody", "fin/5").reasonText == "unknown-transfer")
            #expect(try await gateway.ask("nobody", "query").reasonText == "unknown-transfer")
            #expect(try await gateway.ask("x", "1048576000", [1]).reasonText == "too-large")
            #expect(try await gateway.ask("x", "281474976710656", [1]).reasonText == "too-large")
            try await gateway.ask(
                "x",
                "init",
                text: #"{"name":"a.bin","firmware":{"product":"pumpctl","version":"1"}}"#
            )
            #expect(try await gateway.ask("x", "fin/1048576001").reasonText == "too-large")
            #expect(try await gateway.ask("x", "fin/0").reasonText == "bad-metadata")
            #expect(try await gateway.ask("x", "1048575999", [1, 2]).reasonText == "too-large")
            try await gateway.ask("x", "100", [1, 2])
            #expect(try await gateway.ask("x", "fin/50").reasonText == "conflict")
            #expect(try await gateway.ask("x", "query")["received"]?.integer == 2)
            try await gateway.ask("x", "abort")
            try await expectSound(gateway)
        }

        @Test(
            "A message over the limit for one message fails with too-large and a hint; far over it, the broker keeps it"
        )
        func oneShotTooLarge() async throws {
            let gateway = try await Gateway { $0.settings["intake.one-shot-max"] = "64KiB" }
            let large = TestFirmware(70_000)
            try await gateway.send("put/pumpctl/1.4.2", large.bytes)
            let failed = try await gateway.waitForState(.failed, of: large.oneShotID)
            #expect(failed.reasonCode == "too-large")
            #expect(failed["reason"]?["hint"]?.string?.contains("otaferry push") == true)
            try await eventually("the word to the sender") {
                gateway.acknowledgements(large.oneShotID).first?.reasonText == "too-large"
            }
            try await gateway.send("put/pumpctl/1.4.2", TestFirmware(300_000).bytes)
            let status = try await gateway.waitForStatus("online")
            #expect(status["limits"]?["one_shot_max"]?.integer == 65_536)
            #expect(status["limits"]?["packet_max"]?.integer == 262_144)
            try await expectSound(gateway)
        }

        @Test("One message with a bad suffix, an unknown product or no bytes fails by name")
        func oneShots() async throws {
            let gateway = try await Gateway()
            for (topic, reason, seed) in [
                ("put/pumpctl/1/a.exe", "bad-suffix", 1), ("put/nobody/1", "unknown-product", 2),
            ] {
                let file = TestFirmware(1_000, seed: UInt64(seed + 200))
                try await gateway.send(topic, file.bytes)
                let failed = try await gateway.waitForState(.failed, of: file.oneShotID)
                #expect(failed.reasonCode == reason)
                // It is said after the state.
                try await eventually("the word to the sender") {
                    gateway.acknowledgements(file.oneShotID).first?.reasonText == reason
                }
            }
            let empty = TestFirmware([])
            try await gateway.send("put/pumpctl/1", [])
            let failed = try await gateway.waitForState(.failed, of: empty.oneShotID)
            #expect(failed.reasonCode == "bad-metadata")
            try await expectSound(gateway)
        }

        @Test("A version that is registered with other bytes is refused at init")
        func versionExists() async throws {
            let gateway = try await Gateway()
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let other = TestFirmware(40_000, seed: 9)
            let refused = try await gateway.ask("x", "init", other.initialization())
            #expect(refused.reasonText == "version-exists")
            #expect(gateway.states("x").isEmpty)
            try await gateway.send("put/pumpctl/1.4.2", other.bytes)
            let failed = try await gateway.waitForState(.failed, of: other.oneShotID)
            #expect(failed.reasonCode == "version-exists")
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("More transfers than may be open are refused, until one ends")
        func tooMany() async throws {
            let gateway = try await Gateway { $0.settings["intake.open-transfers-max"] = "3" }
            for id in ["a", "b"] { try await gateway.ask(id, "init", firmware.initialization()) }
            try await gateway.ask("c", "0", [1])
            let refused = try await gateway.ask("d", "init", firmware.initialization())
            #expect(refused.reasonText == "too-many-transfers")
            #expect(try await gateway.ask("e", "0", [1]).reasonText == "too-many-transfers")
            try await gateway.ask("a", "abort")
            #expect(try await gateway.ask("d", "init", firmware.initialization()).reasonText == "ok")
        }

        @Test("Without room a file is refused, a segment too, with credit 0, until there is room again")
        func noRoom() async throws {
            let gateway = try await Gateway { $0.settings["spool.quota"] = "1MiB" }
            let large = TestFirmware(1_200_000)
            let refused = try await gateway.ask("x", "init", large.initialization())
            #expect(refused.reasonText == "no-room")
            let unsized = JSONValue.object([
                "name": "a.bin", "firmware": ["product": "pumpctl", "version": "9"],
            ])
            try await gateway.ask("y", "init", unsized.encoded)
            try await gateway.ask("y", "0", large.part(0..<1_000_000))
            let full = try await gateway.ask("y", "1000000", large.part(1_000_000..<1_200_000))
            #expect(full.reasonText == "no-room")
            #expect(full["received"]?.integer == 1_000_000)
            try await gateway.ask("y", "1000000", large.part(1_000_000..<1_048_576))
            let none = try await gateway.ask("y", "query")
            #expect(none["credit"]?.integer == 0)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let failed = try await gateway.waitForState(.failed, of: firmware.oneShotID)
            #expect(failed.reasonCode == "no-room")
            #expect(try await gateway.ask("y", "abort").reasonText == "ok")
            try await eventually("room") {
                try await gateway.ask("z", "query")["credit"]?.integer ?? 0 >= 1 << 20
            }
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.expectRegisteredOnce(
                firmware,
                gateway.waitForState(.registered, of: firmware.oneShotID)
            )
        }

        @Test("A transfer whose expire_at has come ends expired and gives its space back")
        func expired() async throws {
            let gateway = try await Gateway()
            let soon = Int64(Date().timeIntervalSince1970) + 1
            try await gateway.ask("x", "init", firmware.initialization(["expire_at": .integer(soon)]))
            try await gateway.ask("x", "0", firmware.part(0..<10_000))
            let state = try await gateway.waitForState(.expired, of: "x")
            #expect(state.reasonCode == "expired")
            try await eventually("the sender to hear it") {
                gateway.acknowledgements("x").last?.reasonText == "expired"
            }
            #expect(try await gateway.ask("x", "10000", [1]).reasonText == "expired")
            try await expectSound(gateway)
        }

        @Test("A flood of garbage leaves the agent's memory bounded and its work undisturbed")
        func memory() async throws {
            let gateway = try await Gateway()
            let garbage = TemporaryFolder.bytes(1 << 20)
            func flood(_ round: Int) async throws {
                for index in 0..<20 {
                    try await gateway.probe.publish("\(Gateway.root)/in/ci/t/g\(index)/init", garbage)
                    try await gateway.probe.publish("\(Gateway.root)/in/s\(round)-\(index)/odd", garbage)
                    try await gateway.probe.publish("\(Gateway.root)/cmd/v\(round)-\(index)", garbage)
                }
                for index in 0..<300 {
                    try await gateway.probe.enqueue("\(Gateway.root)/in/u\(round)-\(index)/t/q/query", [])
                }
                try await gateway.ask("end", "query")
            }
            try await flood(0)
            let before = try #require(gateway.residentBytes)
            for round in 1...4 { try await flood(round) }
            let after = try #require(gateway.residentBytes)
            #expect(after < before + 40 << 20)
            #expect(after < 200 << 20)
            try await expectSound(gateway)
        }
    }
}

extension Gateway {
    /// Resident size of the agent now.
    var residentBytes: Int? {
        guard let agent, let text = try? String(contentsOfFile: "/proc/\(agent.processID)/statm", encoding: .utf8),
            let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return pages * 4_096
    }
}
