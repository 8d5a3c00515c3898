import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("A gateway that takes signed firmware only")
    struct SignedFirmwareTests {
        private let firmware = TestFirmware(700_000)

        /// Two keys, of which the file names the first for the sender `ci`.
        private final class Keys {
            let folder: TemporaryFolder
            var signers: String { folder.file("signers") }

            init(_ kind: [String] = ["ed25519"]) async throws {
                folder = try TemporaryFolder("keys")
                for name in ["known", "unknown"] {
                    let words = ["-q", "-N", "", "-C", name, "-f", folder.file(name), "-t"] + kind
                    let made = try await ProgramRunner.run("ssh-keygen", words)
                    #expect(made.ending == .exited(0), "\(made.story)")
                }
                let key = try String(contentsOfFile: folder.file("known.pub"), encoding: .utf8)
                try folder.write("# who may sign\nci namespaces=\"otaferry\" \(key)", to: "signers")
            }

            func sign(_ path: String, namespace: String = "otaferry") async throws -> String {
                let words = ["-q", "-Y", "sign", "-n", namespace, "-f", folder.file("known")]
                return try await ProgramRunner.run("ssh-keygen", words, input: path).text()
            }
        }

        @Test(
            "Signed firmware is registered; unsigned firmware and that of other keys and senders is refused before a byte"
        )
        func push() async throws {
            let keys = try await Keys()
            let gateway = try await Gateway { $0.settings["intake.allowed-signers"] = keys.signers }
            let person = Person(gateway: gateway)
            let words = try person.push(firmware)
            for (options, sentence) in [
                ([], "is not signed"), (["--sign", keys.folder.file("unknown")], "not among the allowed signers"),
                (["--sign", keys.folder.file("known"), "--sender", "lab"], "may not sign for the sender lab"),
            ] as [([String], String)] {
                let refused = try await person.run(words + options)
                #expect(refused.ending == .exited(1), "\(refused.story)")
                #expect(refused.text(.errors).contains("bad-signature"), "\(refused.story)")
                #expect(refused.text(.errors).contains(sentence), "\(refused.story)")
            }
            #expect(gateway.probe.messages.allSatisfy { !$0.topic.contains("/state/") })
            let push = try await person.run(words + ["--sign", keys.folder.file("known")])
            #expect(push.ending == .exited(0), "\(push.story)")
            try await gateway.expectRegisteredOnce(firmware, gateway.registeredState())
        }

        @Test("Bytes that are not those that were signed end failed, and the same id may begin anew")
        func otherBytes() async throws {
            let keys = try await Keys()
            let gateway = try await Gateway { $0.settings["intake.allowed-signers"] = keys.signers }
            let other = try gateway.folder.write(TestFirmware(700_000, seed: 99).bytes, to: "other.bin")
            func deliver(_ signature: String) async throws {
                let answer = try await gateway.ask(
                    "x",
                    "init",
                    firmware.initialization(firmware: ["signature": .string(signature)])
                )
                #expect(answer.reasonText == "ok")
                for cut in firmware.cuts(200_000) {
                    try await gateway.send("t/x/\(cut.lowerBound)", firmware.part(cut))
                }
                try await gateway.send("t/x/\(firmware.finish)")
            }
            try await deliver(keys.sign(other))
            let failed = try await gateway.waitForState(.failed, of: "x")
            #expect(failed.reasonCode == "bad-signature" && failed["reason"]?["class"]?.string == "permanent")
            try await eventually("the answer to fin") {
                gateway.acknowledgements("x").last?.reasonText == "bad-signature"
            }
            #expect(gateway.cloud.calls.isEmpty)
            let own = try gateway.folder.write(firmware.bytes, to: "own.bin")
            try await deliver(keys.sign(own))
            try await gateway.expectRegisteredOnce(firmware, gateway.waitForState(.registered, of: "x"))
        }

        @Test("A one-shot needs a signature too, which comes as a user property")
        func oneShot() async throws {
            let keys = try await Keys()
            let gateway = try await Gateway { $0.settings["intake.allowed-signers"] = keys.signers }
            let file = try gateway.folder.write(firmware.bytes, to: "f.bin")
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            #expect(try await gateway.waitForState(.failed, of: firmware.oneShotID).reasonCode == "bad-signature")
            let pub = try await ProgramRunner.run(
                "mosquitto_pub",
                [
                    "-V", "5", "-q", "1", "-h", "127.0.0.1", "-p", "\(gateway.broker.port)", "-t",
                    "\(Gateway.root)/in/ci/put/pumpctl/1.4.2", "-f", file, "-D", "publish", "user-property",
                    "signature",
                    // The broker takes no line ends there.
                    keys.sign(file).replacing("\n", with: " "),
                ]
            )
            #expect(pub.ending == .exited(0), "\(pub.story)")
            try await gateway.expectRegisteredOnce(
                firmware,
                gateway.waitForState(.registered, of: firmware.oneShotID)
            )
        }

        @Test("A push that is repeated with a new signature of the same key goes on, over a kill of the agent")
        func repeated() async throws {
            // Each signature of such a key is another one.
            let keys = try await Keys(["ecdsa", "-b", "256"])
            let gateway = try await Gateway { $0.settings["intake.allowed-signers"] = keys.signers }
            let person = Person(gateway: gateway)
            let firmware = TestFirmware(20_000_000)
            let words = try person.push(
                firmware,
                as: "pumpctl.bin",
                ["--segment", "64KiB", "--sign", keys.folder.file("known")]
            )
            let first = try person.start(words)
            try await eventually("some bytes") {
                gateway.probe.messages.contains {
                    $0.topic.hasSuffix("/ack") && $0.json?["received"]?.integer ?? 0 > 4_000_000
                }
            }
            try await first.kill()
            try await gateway.killAndRestart()
            let second = try await person.run(words + ["--resume"])
            #expect(second.ending == .exited(0), "\(second.story)")
            let third = try await person.run(words)
            #expect(third.ending == .exited(0) && third.text().contains("was registered before"), "\(third.story)")
            try await gateway.expectRegisteredOnce(firmware, gateway.registeredState())
        }

        @Test("A file of signers with a mistake starts nothing, and says the line")
        func mistakes() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let file = try gateway.folder.write("# fine\nci cert-authority ssh-ed25519 AAAA\n", to: "signers")
            for (path, words) in [(file, "in line 2 of it"), ("/nowhere/signers", "No such file or directory")] {
                let check = try await ProgramRunner.run(
                    "otaferry",
                    [
                        "check", "--config", gateway.folder.file("otaferry.toml"), "--set",
                        "intake.allowed-signers=\(path)",
                    ]
                )
                #expect(check.ending == .exited(78) && check.text(.errors).contains(words), "\(check.story)")
            }
        }
    }
}
