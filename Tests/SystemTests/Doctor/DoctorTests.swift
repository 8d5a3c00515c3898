import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// `otaferry doctor` against brokers and clouds that are set up with each hazard.
    @Suite("otaferry doctor")
    struct DoctorTests {
        /// What one run found.
        private struct Report {
            var ending: ProgramEnding?
            var json: JSONValue
            var text: String

            func findings(_ check: String) -> [JSONValue] {
                (json["findings"]?.array ?? []).filter { $0["check"]?.string == check }
            }

            func grade(_ check: String) -> String? { findings(check).first?["grade"]?.string }
        }

        private func examine(_ gateway: Gateway, _ more: [String] = []) async throws -> Report {
            try await examine(
                [
                    "--config", gateway.folder.file("otaferry.toml"), "--broker-file",
                    gateway.broker.folder.file("mosquitto.conf"),
                ]
                    + more
            )
        }

        private func examine(_ words: [String]) async throws -> Report {
            let run = try await ProgramRunner.run("otaferry", ["doctor", "--json"] + words)
            let json = try JSONValue(parsing: run.text())
            return Report(ending: run.ending, json: json, text: run.text() + run.text(.errors))
        }

        /// A broker without a gateway, and a configuration that leads to it.
        private func examine(
            broker: MosquittoBroker,
            username: String = "",
            password: String? = nil,
            _ more: [String] = []
        ) async throws -> Report {
            let file = try broker.folder.write(
                "gateway = \"gw1\"\n[broker]\nurl = \"\(broker.url)\"\nusername = \"\(username)\"\n"
                    + "[spool]\npath = \"\(broker.folder.file("spool.db"))\"\n",
                to: "otaferry.toml"
            )
            var words = ["--config", file, "--offline", "--broker-file", broker.folder.file("mosquitto.conf")]
            if let password {
                words += ["--set", "broker.password-file=\(try broker.folder.write(password, to: "password"))"]
            }
            return try await examine(words + more)
        }

        @Test("A gateway that is set up well: broker, agent, cloud, key and storage are ok")
        func well() async throws {
            let gateway = try await Gateway {
                $0.brokerConfiguration = "max_queued_messages 100000\nautosave_interval 60"
                $0.persistence = .on
            }
            let calls = gateway.cloud.calls.count
            let report = try await examine(gateway)
            let checks = [
                "configuration", "broker", "broker-protocol", "broker-packets", "broker-inflight", "broker-queue",
                "broker-persistence", "broker-listeners", "broker-sessions", "broker-rights", "broker-file-topics",
                "agent", "spool-rights", "secrets", "cloud", "cloud-credentials", "cloud-upload",
            ]
            for check in checks { #expect(report.grade(check) == "ok", "\(check): \(report.text)") }
            // Nothing is left behind: no transfer, no firmware, and few calls.
            #expect(try await gateway.command("list")["result"]?["states"]?.array?.isEmpty == true)
            #expect(await gateway.cloud.firmware.isEmpty)
            #expect(gateway.cloud.calls.count - calls == 4)
        }

        @Test(
            "Each hazard of a broker's configuration is named",
            arguments: [
                ("max_queued_messages 0", "broker-queue", "error"), ("", "broker-queue", "warning"),
                ("", "broker-persistence", "warning"), ("", "broker-senders", "warning"),
                ("max_packet_size 100000", "broker-packets", "warning"),
                ("message_size_limit 20000", "broker-packets", "error"),
                ("max_inflight_messages 5", "broker-inflight", "warning"),
                ("retain_available false", "broker-protocol", "error"), ("max_qos 0", "broker-protocol", "error"),
                ("persistent_client_expiration 1h", "broker-sessions", "warning"),
            ]
        )
        func hazards(configuration: String, check: String, grade: String) async throws {
            let broker = try await MosquittoBroker(configuration: configuration)
            let report = try await examine(broker: broker)
            #expect(report.grade(check) == grade, "\(report.text)")
            #expect(report.findings(check).first?["remedy"]?.string?.isEmpty == false)
            #expect(report.findings(check).first?["why"]?.string?.isEmpty == false)
        }

        @Test("per_listener_settings is a hazard in the versions that lose sessions with it")
        func listeners() async throws {
            let broker = try await MosquittoBroker(preamble: "per_listener_settings true")
            let report = try await examine(broker: broker)
            #expect(report.grade("broker-listeners") == "warning", "\(report.text)")
        }

        @Test("The limit of packets is learned from the broker where its file cannot be read")
        func packetsFromBroker() async throws {
            let broker = try await MosquittoBroker(configuration: "max_packet_size 100000")
            let report = try await examine(broker: broker, ["--broker-file", broker.folder.file("nothing")])
            #expect(report.grade("broker-packets") == "warning", "\(report.text)")
            #expect(report.grade("broker-persistence") == "skipped")
        }

        @Test(
            "How much the broker keeps is found out by trying, where asked for",
            arguments: [("", "warning"), ("max_queued_messages 100000", "ok"), ("max_queued_messages 100", "error")]
        )
        func probe(configuration: String, grade: String) async throws {
            let broker = try await MosquittoBroker(configuration: configuration)
            let report = try await examine(broker: broker, ["--broker-file", "/nowhere", "--probe-queue"])
            #expect(report.grade("broker-queue") == grade, "\(report.text)")
            // The session that was left behind for it is gone: its client came back with a clean start.
            let visits = broker.log.filter { $0.contains("as otaferry-doctor-") && $0.contains("-queue (") }
            #expect(visits.count == 3)
            #expect(visits.last?.contains("c1") == true, "\(visits)")
        }

        private static let users = ["otaferry": "o", "ci": "c"]

        private func broker(acl: String) async throws -> MosquittoBroker {
            let folder = try TemporaryFolder("doctor-acl")
            let file = try folder.write(acl, to: "acl")
            let broker = try await MosquittoBroker(configuration: "acl_file \(file)", access: .users(Self.users))
            // The broker has read it; doctor shall too.
            try broker.folder.write(acl, to: "acl")
            let configuration = try String(contentsOfFile: broker.folder.file("mosquitto.conf"), encoding: .utf8)
            try broker.folder.write(
                configuration.replacingOccurrences(of: file, with: broker.folder.file("acl")),
                to: "mosquitto.conf"
            )
            return broker
        }

        @Test(
            "Rights that are missing are found by asking the broker, and in its access list",
            arguments: [
                ("user otaferry\ntopic readwrite #\n", "broker-file-topics", "error"),
                ("user otaferry\ntopic write otaferry/v1/#\ntopic write $file/#\n", "broker-rights", "error"),
                ("user otaferry\ntopic write #\ntopic write $file/#\n", "broker-file-topics", "error"),
                ("user otaferry\ntopic readwrite otaferry/v1/#\ntopic readwrite $file/#\n", "broker-rights", "ok"),
            ],
            [true, false]
        )
        func rights(acl: (String, String, String), isFileReadable: Bool) async throws {
            let broker = try await broker(acl: acl.0)
            let more = isFileReadable ? [] : ["--broker-file", "/nowhere"]
            let report = try await examine(broker: broker, username: "otaferry", password: "o", more)
            // Without its file a right to write $file that is missing hides the right to read.
            let isHidden = !isFileReadable && acl.0 == "user otaferry\ntopic readwrite #\n"
            #expect(report.grade(acl.1) == (isHidden ? "skipped" : acl.2), "\(report.text)")
            guard isHidden else { return }
            // What root sees no more of is named.
            let remedy = report.findings(acl.1).first?["remedy"]?.string ?? ""
            #expect(remedy.hasSuffix("ame Mosquitto's configuration with --broker-file"), "\(report.text)")
            #expect(getuid() != 0 || !remedy.contains("sudo") && !remedy.contains("as root"), "\(report.text)")
        }

        @Test("A wrong password and a broker that is not there are errors with a remedy")
        func unreachable() async throws {
            let broker = try await MosquittoBroker(access: .users(Self.users))
            let wrong = try await examine(broker: broker, username: "otaferry", password: "x")
            #expect(wrong.grade("broker") == "error", "\(wrong.text)")
            #expect(wrong.findings("broker").first?["remedy"]?.string?.contains("password") == true)
            #expect(wrong.ending == .exited(2))
            try await broker.stop()
            let gone = try await examine(broker: broker, username: "otaferry", password: "o")
            #expect(gone.grade("broker") == "error", "\(gone.text)")
            #expect(gone.ending == .exited(2))
        }

        @Test("An agent that is not there is told, and one that has a problem says so")
        func agent() async throws {
            let gateway = try await Gateway()
            try await gateway.command("pause")
            try await gateway.probe.waitFor(topic: Gateway.root + "/status") {
                $0.json?["problems"]?.array?.isEmpty == false
            }
            let paused = try await examine(gateway, ["--offline"])
            #expect(paused.findings("agent").first?["text"]?.string?.contains("paused") == true, "\(paused.text)")
            try await gateway.stop()
            let gone = try await examine(gateway, ["--offline"])
            #expect(gone.grade("agent") == "warning", "\(gone.text)")
            // What is sent to a gateway that never had an agent is lost.
            let never = try await examine(gateway, ["--offline", "--set", "gateway=nobody"])
            #expect(never.grade("agent") == "error", "\(never.text)")
        }

        @Test(
            "Each trouble with the cloud is named",
            arguments: [
                ("key", "cloud-credentials", "error"), ("clock", "clock", "warning"), ("host", "cloud-upload", "error"),
                ("away", "cloud", "error"), ("proxy", "cloud", "error"), ("ticket", "cloud-credentials", "error"),
            ]
        )
        func cloud(trouble: String, check: String, grade: String) async throws {
            let gateway = try await Gateway { setup in
                setup.isStarted = false
                setup.cloud = { cloud in
                    if trouble == "key" { cloud.accessKeys = [.init(id: "other", secret: "other")] }
                    if trouble == "clock" { cloud.clockOffset = .seconds(7_200) }
                    if trouble == "host" { cloud.ticketHost = "https://storage.example.com" }
                }
            }
            if trouble == "away" { await gateway.cloud.stop() }
            if trouble == "ticket" {
                gateway.cloud.setFault(
                    .generateUploadURL,
                    .refuse(status: 403, code: "NoPermission", message: "You are not authorized to do this action.")
                )
            }
            let port = try LoopbackSocket.freePort()
            let more = trouble == "proxy" ? ["--set", "cloud.proxy=http://127.0.0.1:\(port)"] : []
            let report = try await examine(gateway, more)
            #expect(report.grade(check) == grade, "\(report.text)")
            #expect(report.findings(check).first?["remedy"]?.string?.isEmpty == false)
            #expect(!report.text.contains("simulated-secret"))
        }

        @Test("A credentials file that others may read, or that is not there, is an error")
        func credentials() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let path = gateway.folder.file("credentials")
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            #expect(try await examine(gateway, ["--offline"]).grade("secrets") == "error")
            try FileManager.default.removeItem(atPath: path)
            let report = try await examine(gateway)
            #expect(report.grade("secrets") == "error")
            #expect(report.grade("cloud-credentials") == "error", "\(report.text)")
        }

        @Test("Two agents that both take files below $file are told")
        func twoFileAgents() async throws {
            let gateway = try await Gateway()
            #expect(try await examine(gateway, ["--offline"]).grade("broker-file-topics") == "ok")
            let words =
                gateway.arguments + [
                    "--set", "gateway=gw2", "--set", "spool.path=\(gateway.folder.file("other.db"))",
                ]
            let other = try ProgramRunner("otaferry", words)
            try await eventually("both of its connections") {
                other.lines(.errors).count { $0.contains("Connected to the broker") } == 2
            }
            let finding = try await examine(gateway, ["--offline"]).findings("broker-file-topics").first
            #expect(finding?["grade"]?.string == "error", "\(finding ?? .null)")
            #expect(finding?["text"]?.string == "2 agents take what is published below $file/#")
            #expect(try await other.stop() == .exited(0))
        }

        @Test("States that the agent has not said are named with the command that clears them, and so is a status")
        func forgedStates() async throws {
            let gateway = try await Gateway()
            let own = TestFirmware(2_000, seed: 11)
            try await gateway.send("put/pumpctl/1.4.2", own.bytes)
            try await gateway.waitForState(.registered, of: own.oneShotID)
            // One that is due would take the place of the forged one.
            try await eventually("the status after it") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["totals"]?["registered"]?.integer == 1
            }
            let words = [
                "--config", gateway.folder.file("otaferry.toml"), "--offline", "--broker-file", "/nowhere",
            ]
            #expect(try await examine(words).grade("broker-states") == "ok")
            let topics = ["\(Gateway.root)/state/ci/forged", "\(Gateway.root)/status"]
            for topic in topics {
                try await gateway.probe.publish(topic, Array(#"{"v":1,"state":"offline"}"#.utf8), retained: true)
            }
            let report = try await examine(words)
            #expect(report.findings("broker-states").count == 2, "\(report.text)")
            for part in ["not know: ci/forged", "mosquitto_pub -r -n -q 1 -t \(topics[0]), as", "otaferry sync"] {
                #expect(report.text.contains(part), "\(report.text)")
            }
            try await gateway.probe.publish(topics[0], [], retained: true)
            _ = try await Person(gateway: gateway).run(["sync"])
            #expect(try await examine(words).grade("broker-states") == "ok")
        }

        @Test("States that may not be read are not found well")
        func unreadStates() async throws {
            let acl = try TemporaryFolder("acl")
            // The test comes without a name.
            let rights =
                [
                    "topic readwrite #", "user otaferry", "topic readwrite #", "topic readwrite $file/#",
                    "topic readwrite $file-async/#", "user blind", "topic write otaferry/v1/#",
                ] + ["in/#", "cmd/#", "res/#", "status"].map { "topic read otaferry/v1/gw1/\($0)" }
            try acl.write(rights.joined(separator: "\n") + "\n", to: "acl")
            let gateway = try await Gateway { $0.brokerConfiguration = "acl_file \(acl.file("acl"))" }
            let words = [
                "--config", gateway.folder.file("otaferry.toml"), "--offline", "--broker-file", "/nowhere",
                "--username", "blind",
            ]
            #expect(try await examine(words).grade("broker-states") == "ok")
            let firmware = TestFirmware(2_000, seed: 11)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let report = try await examine(words)
            #expect(report.grade("broker-states") == "skipped", "\(report.text)")
            #expect(report.text.contains("topic read otaferry/v1/gw1/state/#"), "\(report.text)")
        }

        @Test("Whoever is not the agent at the broker is not judged as the agent")
        func asOperator() async throws {
            let broker = try await broker(
                acl: "user otaferry\ntopic readwrite otaferry/v1/#\ntopic readwrite $file/#\nuser ci\ntopic read x\n"
            )
            let password = try broker.folder.write("c", to: "ci-password")
            let words = ["--username", "ci", "--password-file", password]
            let unseen = try await examine(broker: broker, username: "otaferry", ["--broker-file", "/nowhere"] + words)
            #expect(unseen.grade("broker") == "ok", "\(unseen.text)")
            for check in ["broker-rights", "broker-file-topics"] {
                #expect(unseen.grade(check) == "skipped", "\(unseen.text)")
            }
            #expect(!unseen.text.contains("Give ci"), "\(unseen.text)")
            // The access list tells what the agent's user may do.
            let seen = try await examine(broker: broker, username: "otaferry", words)
            #expect(seen.grade("broker-rights") == "ok", "\(seen.text)")
        }

        @Test("--broker, --gateway and the like go over what the configuration says, and their mistakes are told")
        func options() async throws {
            let broker = try await MosquittoBroker()
            let port = try LoopbackSocket.freePort()
            let folder = try TemporaryFolder("doctor")
            let file = try folder.write(
                "gateway = \"gw1\"\n[broker]\nurl = \"mqtt://127.0.0.1:\(port)\"\n"
                    + "[spool]\npath = \"\(folder.file("spool.db"))\"\n",
                to: "otaferry.toml"
            )
            let words = ["--config", file, "--offline", "--broker-file", "/nowhere"]
            #expect(try await examine(words).grade("broker") == "error")
            let report = try await examine(words + ["--broker", broker.url, "--gateway", "gw2", "--username", "gw2"])
            #expect(report.grade("broker") == "ok", "\(report.text)")
            #expect(broker.log.contains { $0.contains("u'gw2'") }, "\(broker.log)")
            let wrong = try await examine(words + ["--broker", "localhost"])
            #expect(wrong.ending == .exited(2) && wrong.text.contains("broker.url"), "\(wrong.text)")
        }

        @Test("Commands that a remedy names lead to the gateway that was examined")
        func remedies() async throws {
            let gateway = try await Gateway()
            try await gateway.command("pause")
            let report = try await examine(gateway, ["--offline", "--gateway", Gateway.name])
            let remedies = report.findings("agent").compactMap { $0["remedy"]?.string }
            let options = "--config \(gateway.folder.file("otaferry.toml")) --gateway \(Gateway.name)"
            #expect(remedies.contains("otaferry resume \(options)"), "\(report.text)")
            // Other commands would follow the environment, which doctor does not.
            let elsewhere = try await ProgramRunner.run(
                "otaferry",
                ["doctor", "--offline", "--config", gateway.folder.file("otaferry.toml")],
                environment: ["OTAFERRY_GATEWAY": "gw2", "OTAFERRY_BROKER": "mqtt://127.0.0.1:1"]
            )
            let led = "--broker \(gateway.broker.url) --gateway \(Gateway.name)"
            #expect(elsewhere.text().contains("otaferry resume --config"), "\(elsewhere.story)")
            #expect(elsewhere.text().contains(led), "\(elsewhere.story)")
        }

        @Test("A configuration with mistakes is an error for each, and a person reads it line by line")
        func mistakes() async throws {
            let folder = try TemporaryFolder("doctor")
            let file = try folder.write("[retry]\nmax = \"15x\"\nmni = \"1s\"\n", to: "otaferry.toml")
            let report = try await examine(["--config", file])
            #expect(report.findings("configuration").count == 2)
            #expect(report.ending == .exited(2))
            let person = try await ProgramRunner.run("otaferry", ["doctor", "--config", file])
            #expect(person.ending == .exited(2))
            let lines = person.lines()
            #expect(lines.filter { $0.hasPrefix("error  ") && $0.contains("configuration") }.count == 2)
            #expect(lines.last == "2 errors")
            #expect(!person.text().contains("\u{1B}"))
        }
    }
}
