import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What the agent tells of itself: the status, the metrics, thin-edge.io's health.
    @Suite("How the agent is")
    struct StatusTests {
        private func status(_ gateway: Gateway, _ more: [String] = []) async throws -> ProgramRunner {
            try await ProgramRunner.run(
                "otaferry",
                ["status", "--broker", gateway.broker.url, "--gateway", Gateway.name] + more
            )
        }

        private func publish(_ gateway: Gateway, _ firmware: TestFirmware) async throws {
            try await gateway.send("put/pumpctl/\(firmware.version)", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
        }

        @Test("otaferry status counts what was acknowledged just before")
        func statusAtOnce() async throws {
            let gateway = try await Gateway()
            #expect(try await gateway.command("pause")["ok"]?.bool == true)
            for count in 1...4 {
                let firmware = TestFirmware(1_000, version: "1.\(count)", seed: UInt64(count))
                try await gateway.send("put/pumpctl/1.\(count)", firmware.bytes)
                try await gateway.waitForState(.stored, of: firmware.oneShotID)
                let told = try JSONValue(parsing: try await status(gateway, ["--json"]).text())
                #expect(told["queue"]?["stored"]?.integer == Int64(count), "\(told)")
            }
        }

        @Test("otaferry status tells a person how it is, and a program by its exit code")
        func person() async throws {
            let gateway = try await Gateway()
            try await publish(gateway, TestFirmware(100_000))
            try await eventually("the status after it") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["totals"]?["registered"]?.integer == 1
            }
            let run = try await status(gateway)
            #expect(run.ending == .exited(0), "\(run.text(.errors))")
            let text = run.text()
            for part in [
                "gw1 is online", "Broker    connected, mosquitto version", "Cloud     reachable, last success",
                "Queue     empty", "100 kB stored, 100 kB sent, 1 registered, 1 attempts", "one message up to 16.8 MB",
            ] {
                #expect(text.contains(part), "\(part) in \(text)")
            }
            #expect(!text.contains("\u{1B}"))
            let json = try await JSONValue(parsing: status(gateway, ["--json"]).text())
            #expect(json["totals"]?["stored"]?.integer == 100_000)
            #expect(json["memory"]?["resident"]?.integer ?? 0 > 1_000_000)
            #expect(json["broker"]?["connected"]?.bool == true)
        }

        @Test("A spool that holds as much as it may is a problem until there is room again")
        func full() async throws {
            let gateway = try await Gateway { $0.settings["spool.quota"] = "1MiB" }
            _ = try await gateway.command("pause")
            let firmware = TestFirmware(1 << 20)
            try await gateway.send("put/pumpctl/\(firmware.version)", firmware.bytes)
            func codes() -> [String?]? {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["problems"]?.array?.map {
                    $0["code"]?.string
                }
            }
            try await eventually(within: .seconds(20), "the problem") { codes()?.contains("spool-full") == true }
            let run = try await status(gateway)
            #expect(run.text().contains("as much as spool.quota allows"), "\(run.text())")
            _ = try await gateway.command("cancel", ["transfer": .string(firmware.oneShotID)])
            try await eventually(within: .seconds(20), "its end") { codes()?.contains("spool-full") == false }
        }

        @Test("An agent that is gone, degraded or was never there: the exit code says so")
        func gone() async throws {
            let remedy = "On the gateway: systemctl status otaferry, journalctl -u otaferry"
            let gateway = try await Gateway()
            try await gateway.stop()
            let offline = try await status(gateway)
            #expect(offline.ending == .exited(1))
            #expect(offline.text().hasPrefix("gw1 is offline"))
            #expect(offline.text().contains("  Hint      \(remedy)"), "\(offline.text())")
            let other = try await ProgramRunner.run(
                "otaferry",
                ["status", "--broker", gateway.broker.url, "--gateway", "other"]
            )
            #expect(other.ending == .exited(69))
            #expect(other.text(.errors).contains(remedy), "\(other.text(.errors))")
            for words in [["list"], ["show", "ci/x"], ["ping"], ["watch", "--gateway", "other"]] {
                let run = try await Person(gateway: gateway).run(words)
                #expect(run.ending == .exited(69), "\(run.story)")
                #expect(run.text(.errors).contains(remedy), "\(words): \(run.story)")
            }
            let nobody = try await ProgramRunner.run(
                "otaferry",
                ["status", "--broker", "mqtt://127.0.0.1:\(try LoopbackSocket.freePort())"]
            )
            #expect(nobody.ending == .exited(69), "\(nobody.text(.errors))")
        }

        private static let package = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../..").standardized.path
        private static let documents = package + "/docs/observability"

        /// Prometheus' own checker: of the machine, or as packaging/check-observability.sh has fetched it.
        private static let promtool = [package + "/.build/checks/usr/bin/promtool", "/usr/bin/promtool"]
            .first { FileManager.default.isExecutableFile(atPath: $0) }

        private func expectSound(_ words: [String], input: String? = nil) async throws {
            let run = try await ProgramRunner.run(try #require(Self.promtool), words, input: input)
            #expect(run.ending == .exited(0), "\(words): \(run.text()) \(run.text(.errors))")
        }

        @Test("The figures of a gateway are what Prometheus reads")
        func metrics() async throws {
            let gateway = try await Gateway()
            await gateway.cloud.stop()
            try await gateway.send("put/pumpctl/1.4.2", TestFirmware(50_000).bytes)
            try await eventually("a waiting firmware") {
                let status = gateway.probe.messages(on: Gateway.root + "/status").last?.json
                return status?["queue"]?["stored"]?.integer == 1 && status?["cloud"]?["reachable"]?.bool == false
            }
            let run = try await status(gateway, ["--metrics"])
            #expect(run.ending == .exited(0))
            for line in [
                #"otaferry_transfers{gateway="gw1",state="stored"} 1"#, #"otaferry_cloud_reachable{gateway="gw1"} 0"#,
                #"otaferry_problem{gateway="gw1",code="cloud"} 1"#,
                #"otaferry_stored_bytes_total{gateway="gw1"} 50000"#,
                "otaferry_oldest_transfer_timestamp_seconds{gateway=\"gw1\"} 1",
            ] {
                #expect(run.text().contains(line), "\(line) in \(run.text())")
            }
            guard Self.promtool != nil else { return }
            try await expectSound(["check", "metrics"], input: gateway.folder.write(run.text(), to: "metrics"))
        }

        @Test("A cloud that refuses the key is one that answers, and has not done anything yet")
        func refusedKey() async throws {
            let gateway = try await Gateway { setup in
                setup.cloud = { $0.accessKeys = [.init(id: "other", secret: "other")] }
            }
            let firmware = TestFirmware(2_000, seed: 7)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.held, of: firmware.oneShotID) { $0.reasonCode == "credentials" }
            try await gateway.probe.waitFor(topic: Gateway.root + "/status") {
                $0.json?["cloud"]?["reachable"]?.bool == true && $0.json?["cloud"]?["last_success"]?.string == nil
            }
        }

        @Test("The metrics file is there while the agent runs, says when it stops, and rests while nothing happens")
        func textfile() async throws {
            let folder = try TemporaryFolder("metrics")
            let path = folder.file("otaferry.prom")
            let gateway = try await Gateway { $0.settings["metrics.textfile"] = path }
            func text() -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
            try await eventually(within: .seconds(30), "the file") { text().contains(#"state="online"} 1"#) }
            let first = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
            try await publish(gateway, TestFirmware(10_000))
            try await eventually(within: .seconds(40), "the firmware in the file") {
                text().contains(#"otaferry_registered_total{gateway="gw1"} 1"#)
            }
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int != first)
            try await gateway.stop()
            #expect(text().contains(#"state="offline"} 1"#), "\(text())")
        }

        @Test("The example of alerts is sound, and its rules fire when they should", .enabled(if: promtool != nil))
        func alerts() async throws {
            try await expectSound(["check", "rules", Self.documents + "/alerts.yml"])
            try await expectSound(["test", "rules", Self.documents + "/alerts-test.yml"])
        }

        @Test(
            "Every expression of the example of a dashboard is one that Prometheus reads",
            .enabled(if: promtool != nil)
        )
        func dashboard() async throws {
            let text = try String(contentsOfFile: Self.documents + "/dashboard.json", encoding: .utf8)
            let targets = try JSONValue(parsing: text)["panels"]?.array?.flatMap { $0["targets"]?.array ?? [] } ?? []
            let expressions = targets.compactMap { $0["expr"]?.string }
            #expect(expressions.count >= 15)
            let rules = expressions.enumerated().map { index, text in
                let rate = text.replacingOccurrences(of: "$__rate_interval", with: "5m")
                return "  - record: panel_\(index)\n    expr: '\(rate)'\n"
            }
            let folder = try TemporaryFolder("dashboard")
            let file = try folder.write("groups:\n- name: dashboard\n  rules:\n" + rules.joined(), to: "rules.yml")
            try await expectSound(["check", "rules", file])
        }

        @Test("A broker that is away is logged once for each connection, and when it is back with how often")
        func brokerAway() async throws {
            let gateway = try await Gateway { $0.persistence = .on }
            let agent = try #require(gateway.agent)
            func lines(_ sentence: String) -> [String] { agent.lines(.errors).filter { $0.contains(sentence) } }
            try await gateway.broker.stop()
            try await eventually("both connections to be missed") { lines("No connection to the broker").count == 2 }
            try await gateway.broker.start()
            try await eventually(within: .seconds(30), "both connections to be back") {
                lines("Connected to the broker").filter { $0.contains(" count=") && $0.contains(" duration=") }.count
                    == 2
            }
            #expect(lines("No connection to the broker").count == 2)
        }

        @Test("A sender that keeps making one mistake does not fill the log")
        func refusals() async throws {
            let gateway = try await Gateway()
            let agent = try #require(gateway.agent)
            for number in 0..<200 { try await gateway.send("nonsense/\(number)") }
            try await gateway.send("put/pumpctl/1.4.2/a b?.exe/x", [1])
            // Commands go another way; what was sent before is dealt with when this one is registered.
            let firmware = TestFirmware(5_000)
            try await gateway.send("put/pumpctl/\(firmware.version)", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let refused = agent.lines(.errors).filter { $0.contains("A message was refused") }
            #expect((1...3).contains(refused.count), "\(refused)")
        }

        @Test("The same bytes as another version are refused, and the log says so")
        func conflict() async throws {
            let gateway = try await Gateway()
            let agent = try #require(gateway.agent)
            let firmware = TestFirmware(5_000)
            try await gateway.send("put/pumpctl/\(firmware.version)", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.send("put/pumpctl/9.9.9", firmware.bytes)
            let line = try await agent.waitForLine(.errors, containing: "A message was refused")
            #expect(line.contains("conflict") && line.contains("other metadata"), "\(line)")
        }

        @Test("thin-edge.io is told up and down, where it is asked for")
        func thinEdge() async throws {
            let topic = "te/device/main/service/otaferry/status/health"
            let gateway = try await Gateway {
                $0.settings["broker.thin-edge"] = "true"
                $0.isStarted = false
            }
            let listener = try await MQTTClient(port: gateway.broker.port, topics: [topic])
            try await gateway.start()
            let up = try await listener.waitFor(topic: topic)
            #expect(up.json?["status"]?.string == "up")
            #expect(up.json?["pid"]?.integer == gateway.agent.map { Int64($0.processID) })
            try await gateway.kill()
            try await listener.waitFor(topic: topic, skipping: 1) { $0.json?["status"]?.string == "down" }
            try await gateway.start()
            try await eventually("up again") { listener.messages(on: topic).last?.json?["status"]?.string == "up" }
            try await gateway.stop()
            try await eventually("down") { listener.messages(on: topic).last?.json?["status"]?.string == "down" }
        }

        @Test("Nobody is told anything on thin-edge.io's topics where it is not asked for")
        func withoutThinEdge() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let listener = try await MQTTClient(port: gateway.broker.port, topics: ["te/#", Gateway.root + "/status"])
            try await gateway.start()
            try await gateway.stop()
            try await listener.waitFor(topic: Gateway.root + "/status") { $0.json?["state"]?.string == "offline" }
            #expect(!listener.messages.contains { $0.topic.hasPrefix("te/") })
        }
    }
}
