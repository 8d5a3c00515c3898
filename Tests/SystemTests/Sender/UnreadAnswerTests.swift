import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// A sender whose rights at the broker do not let it hear the agent's answers.
    @Suite("A sender that may not read its answers")
    struct UnreadAnswerTests {
        /// A gateway whose broker lets `ci` deliver and hear the status, but no acknowledgement; and what else it may.
        private func gateway(_ more: [String]) async throws -> (Gateway, TemporaryFolder) {
            let acl = try TemporaryFolder("acl")
            let rights =
                ["topic readwrite #", "user ci", "topic write otaferry/v1/+/in/ci/#"]
                + ["topic read otaferry/v1/+/status", "topic read otaferry/v1/+/state/ci/#"] + more
                + ["user otaferry", "topic readwrite #", "topic readwrite $file/#", "topic readwrite $file-async/#"]
            try acl.write(rights.joined(separator: "\n") + "\n", to: "acl")
            return (try await Gateway { $0.brokerConfiguration = "acl_file \(acl.file("acl"))" }, acl)
        }

        /// What a push has sent is behind it once the agent answers another question on the same way.
        private func expectNothingBegun(_ gateway: Gateway) async throws {
            try await gateway.ask("mark", "query")
            let list = try await gateway.command("list")
            #expect(list["result"]?["states"]?.array == [], "\(list.text)")
        }

        @Test("Push names the line that its access list lacks, where the agent answers otherwise")
        func push() async throws {
            let (gateway, acl) = try await gateway([
                "topic write otaferry/v1/+/cmd/#", "topic read otaferry/v1/+/res/#",
            ])
            defer { _ = acl }
            let person = Person(gateway: gateway)
            let push = try await person.run(try person.push(TestFirmware(1_000)), ["OTAFERRY_USERNAME": "ci"])
            #expect(push.ending == .exited(77), "\(push.story)")
            #expect(push.text(.errors).contains("nothing comes on otaferry/v1/gw1/out/ci"), "\(push.story)")
            #expect(push.text(.errors).contains("pattern read otaferry/v1/+/out/%u/#"), "\(push.story)")
            try await expectNothingBegun(gateway)
        }

        @Test(
            "A broker that refuses the subscription to answers is told with the line, and one to states is done without"
        )
        func refusedSubscription() async throws {
            let folders = try FileManager.default.contentsOfDirectory(atPath: "/usr/lib")
            let plugin = try #require(
                folders.map { "/usr/lib/\($0)/mosquitto_dynamic_security.so" }.first {
                    FileManager.default.fileExists(atPath: $0)
                }
            )
            for (topic, ending, words) in [
                ("otaferry/v1/+/status", 77, "topic read otaferry/v1/gw1/out/ci/#"),
                ("otaferry/v1/+/out/#", 69, "No agent of the gateway gw1 answers"),
            ] as [(String, Int32, String)] {
                let folder = try TemporaryFolder("rights")
                let rights = """
                    {"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true, "subscribe": false,
                    "unsubscribe": true}, "clients": [], "anonymousGroup": "all",
                    "groups": [{"groupname": "all", "roles": [{"rolename": "reader"}]}],
                    "roles": [{"rolename": "reader", "acls": [
                    {"acltype": "subscribePattern", "topic": "\(topic)", "allow": true, "priority": 0}]}]}
                    """
                let file = try folder.write(rights, to: "rights.json")
                let broker = try await MosquittoBroker(
                    configuration: "plugin \(plugin)\nplugin_opt_config_file \(file)"
                )
                let firmware = try folder.write([1, 2, 3], to: "pumpctl.bin")
                let push = try await ProgramRunner.run(
                    "otaferry",
                    ["push", firmware, "--product", "pumpctl", "--version", "1", "--sender", "ci", "--gateway", "gw1"]
                        + ["--broker", broker.url]
                )
                #expect(push.ending == .exited(ending), "\(topic): \(push.story)")
                #expect(push.text(.errors).contains(words), "\(topic): \(push.story)")
            }
        }

        @Test("An agent that hangs is told as one that does not answer")
        func hanging() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            gateway.agent?.send(SIGSTOP)
            defer { gateway.agent?.send(SIGCONT) }
            let push = try await person.run(try person.push(TestFirmware(1_000)))
            #expect(push.ending == .exited(69), "\(push.story)")
            #expect(push.text(.errors).contains("says that it is online, and does not answer"), "\(push.story)")
            #expect(push.text(.errors).contains("topic read otaferry/v1/gw1/out/ci/#"), "\(push.story)")
            gateway.agent?.send(SIGCONT)
            try await expectNothingBegun(gateway)
        }

        @Test("An agent that hangs is no question of rights to one who may not ask it")
        func hangingUnasked() async throws {
            let (gateway, acl) = try await gateway(["topic read otaferry/v1/+/out/ci/#"])
            defer { _ = acl }
            let person = Person(gateway: gateway)
            gateway.agent?.send(SIGSTOP)
            defer { gateway.agent?.send(SIGCONT) }
            let push = try await person.run(try person.push(TestFirmware(1_000)), ["OTAFERRY_USERNAME": "ci"])
            #expect(push.ending == .exited(69), "\(push.story)")
            #expect(push.text(.errors).contains("systemctl status otaferry"), "\(push.story)")
            #expect(push.text(.errors).contains("pattern read otaferry/v1/+/out/%u/#"), "\(push.story)")
        }

        @Test("An agent that says how it is, and whose answers do not come, is a question of rights")
        func alive() async throws {
            let (gateway, acl) = try await gateway([])
            defer { _ = acl }
            let person = Person(gateway: gateway)
            let push = try person.start(try person.push(TestFirmware(1_000)), ["OTAFERRY_USERNAME": "ci"])
            while push.isRunning { try await gateway.command("sync") }
            #expect(push.ending == .exited(77), "\(push.story)")
            #expect(push.text(.errors).contains("pattern read otaferry/v1/+/out/%u/#"), "\(push.story)")
        }

        @Test("The example in Python says a sentence where it hears nothing")
        func example() async throws {
            let (gateway, acl) = try await gateway([])
            defer { _ = acl }
            let script = URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../../docs/examples/send.py").standardized.path
            // As it is, but for patience.
            let text = try String(contentsOfFile: script, encoding: .utf8).replacing("timeout=60", with: "timeout=2")
            let copy = try gateway.folder.write(text, to: "send.py")
            let file = try gateway.folder.write([1, 2, 3], to: "pumpctl.bin")
            let words = [copy, "127.0.0.1", "\(gateway.broker.port)", Gateway.name, "ci", file, "pumpctl", "3.1"]
            let sent = try await ProgramRunner.run("/usr/bin/python3", words)
            #expect(sent.ending == .exited(1), "\(sent.story)")
            #expect(sent.text(.errors).contains("lacks: pattern read otaferry/v1/+/out/%u/#"), "\(sent.story)")
            #expect(!sent.text(.errors).contains("None"), "\(sent.story)")
        }
    }
}
