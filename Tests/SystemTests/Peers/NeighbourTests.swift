import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    /// The examples for programs that are not there: they are read, and what they read and write is compared with what an
    /// agent says and takes.
    @Suite("The examples for neighbours")
    struct NeighbourTests {
        private static let examples = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../docs/examples")

        private static func text(_ name: String) throws -> String {
            try String(contentsOf: examples.appending(path: name), encoding: .utf8)
        }

        /// A YAML file as JSON, by the Python of the machine, where it has a parser for YAML.
        private func readYAML(_ name: String) async throws -> JSONValue {
            let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
            let path = Self.examples.appending(path: name).standardized.path
            let run = try await ProgramRunner.run("/usr/bin/python3", ["-c", script, path])
            try #require(run.ending == .exited(0), "\(run.text(.errors))")
            return try JSONValue(parsing: run.text())
        }

        /// What an agent of the gateway gw1 said and took in a firmware's life, by topic.
        private func heard() async throws -> (messages: [MQTTClient.Message], gateway: Gateway) {
            let gateway = try await Gateway()
            let firmware = TestFirmware(20_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.command("ping")
            try await eventually("the status after it") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["totals"]?["registered"]?.integer == 1
            }
            return (gateway.probe.messages, gateway)
        }

        private static func fits(_ filter: String, _ topic: String) -> Bool {
            let (wanted, levels) = (filter.split(separator: "/"), topic.split(separator: "/"))
            return wanted.count == levels.count && zip(wanted, levels).allSatisfy { $0 == "+" || $0 == $1 }
        }

        /// The verbs that `cmd/` takes.
        private func expectCommand(_ topic: String, _ members: [String: JSONValue], _ gateway: Gateway) async throws {
            let verb = topic.split(separator: "/").last.map(String.init) ?? ""
            #expect(topic == "otaferry/v1/gw1/cmd/\(verb)")
            let code = try await gateway.command(verb, members).errorCode
            #expect(code == nil || code == "unknown-transfer", "\(topic)")
        }

        @Test("The Node-RED flow is whole, listens to what is said, and gives commands that are taken")
        func nodeRed() async throws {
            let nodes = try JSONValue(parsing: Self.text("node-red-flow.json")).array ?? []
            let names = Set(nodes.compactMap { $0["id"]?.string })
            #expect(names.count == nodes.count)
            for node in nodes {
                let targets = (node["wires"]?.array ?? []).flatMap { $0.array ?? [] }.compactMap(\.string)
                #expect(names.isSuperset(of: targets), "\(node)")
                if let broker = node["broker"]?.string, node["type"]?.string?.hasPrefix("mqtt ") == true {
                    #expect(names.contains(broker))
                }
            }
            let (messages, gateway) = try await heard()
            let filters = nodes.filter { $0["type"]?.string == "mqtt in" }.compactMap { $0["topic"]?.string }
            #expect(filters.count == 3)
            for filter in filters {
                #expect(messages.contains { Self.fits(filter, $0.topic) && $0.json != nil }, "\(filter)")
            }
            let functions = nodes.compactMap { $0["func"]?.string }.joined(separator: "\n")
            let commands = functions.matches(of: /"(otaferry\/[a-z0-9\/]+)"/).map { String($0.output.1) }
            #expect(commands.count == 1)
            for command in commands {
                try await expectCommand(command, ["sender": "ci", "transfer": "pumpctl-1.4.2"], gateway)
            }
        }

        private static let hasYAML = FileManager.default.fileExists(atPath: "/usr/lib/python3/dist-packages/yaml")

        @Test(
            "The Home Assistant example reads members that there are, and gives commands that are taken",
            .enabled(if: hasYAML)
        )
        func homeAssistant() async throws {
            let example = try await readYAML("home-assistant.yaml")
            let (messages, gateway) = try await heard()
            let entities = ["binary_sensor", "sensor"].flatMap { example["mqtt"]?[$0]?.array ?? [] }
            #expect(entities.count == 7)
            for entity in entities {
                let topic = try #require(entity["state_topic"]?.string)
                let message = try #require(messages.last { $0.topic == topic }?.json, "\(topic)")
                let template = try #require(entity["value_template"]?.string)
                let paths = template.matches(of: /value_json((?:\.[a-z_]+)+)/).map { String($0.output.1) }
                #expect(!paths.isEmpty, "\(template)")
                for path in paths {
                    let names = path.split(separator: ".").map(String.init)
                    #expect(names.reduce(message as JSONValue?) { $0?[$1] } != nil, "\(path) of \(topic)")
                    // The will has none of them.
                    let isGuarded = template.contains("value_json.\(names[0]) is defined")
                    #expect(names.count == 1 || isGuarded && entity["availability_template"] != nil, "\(template)")
                }
            }
            for button in example["mqtt"]?["button"]?.array ?? [] {
                try await expectCommand(try #require(button["command_topic"]?.string), [:], gateway)
            }
            let trigger = try #require(example["automation"]?.array?.first?["trigger"]?.array?.first)
            let filter = try #require(trigger["topic"]?.string)
            let events = messages.filter { Self.fits(filter, $0.topic) }
            #expect(events.contains { $0.json?["state"]?.string == "registered" })
        }
    }
}
