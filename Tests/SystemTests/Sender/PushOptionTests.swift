import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What people ask of `otaferry push` besides one file until it is registered.
    @Suite("otaferry push, its options")
    struct PushOptionTests {
        private let parts = (0..<3).map { TestFirmware(400_000 + $0, version: "2.0.0", seed: UInt64($0 + 120)) }
        private let names = ["rootfs.tar.gz", "boot.bin", "modem.bin"]

        private func write(_ gateway: Gateway) throws -> [String] {
            try zip(names, parts).map { try gateway.folder.write($1.bytes, to: $0) }
        }

        private func words(_ files: [String], _ more: [String] = []) -> [String] {
            ["push"] + files + ["--product", "pumpctl", "--version", "2.0.0"] + more
        }

        @Test("Several files are one package and become one firmware; their order makes no difference")
        func package() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let files = try write(gateway)
            let push = try await person.run(words(files))
            #expect(push.ending == .exited(0), "\(push.story)")
            #expect(push.text().contains("pumpctl 2.0.0 (3 files) is registered as"), "\(push.story)")
            let list = await gateway.cloud.firmware
            #expect(list.count == 1)
            let objects = await gateway.cloud.objects
            let registered = list.first?.files ?? []
            #expect(Set(registered.map(\.name)) == Set(names))
            for (name, part) in zip(names, parts) {
                let key = registered.first { $0.name == name }?.key
                #expect(objects.first { $0.key == key }?.sha256 == part.sha256)
            }
            let again = try await person.run(words(files.reversed()))
            #expect(again.ending == .exited(0) && again.text().contains("was registered before"), "\(again.story)")
            #expect(gateway.cloud.calls(.postObject).count == 3)
        }

        @Test("A package whose sender and agent are killed in the middle goes on with the same command")
        func killed() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let files = try write(gateway)
            let words = words(files, ["--segment", "4KiB"])
            let first = try person.start(words + ["--json"])
            try await first.waitForLine { $0.contains("\"state\":\"stored\"") }
            try await first.kill()
            let second = try person.start(words + ["--resume"])
            try await gateway.killAndRestart()
            #expect(try await second.waitForExit(within: .seconds(60)) == .exited(0), "\(second.story)")
            #expect(await gateway.cloud.firmware.count == 1)
            #expect(await gateway.cloud.firmware.first?.files.count == 3)
        }

        @Test("A file that is no signature, and a name that is no UTF-8, are refused by name before anything is sent")
        func unusableFiles() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let file = try gateway.folder.write(parts[0].bytes, to: names[0])
            let other = try gateway.folder.write("-----BEGIN SSH SIGNATURE-----\nAAAA\n", to: "x.sig")
            let signature = try await person.run(words([file], ["--signature", other]))
            #expect(signature.ending == .exited(64), "\(signature.story)")
            #expect(signature.text(.errors).contains("--signature: \(other) is no signature"), "\(signature.story)")
            let program = try ProgramRunner.locate("otaferry")
            let script =
                "f=$(printf '\(gateway.folder.path)/pump\\377.bin'); echo x >\"$f\"; "
                + "\(program) push \"$f\" --product pumpctl --version 1"
            let named = try await ProgramRunner.run("sh", ["-c", script], environment: person.environment)
            #expect(named.ending == .exited(1), "\(named.story)")
            let shown = "$'\(gateway.folder.path)/pump\\xff.bin': the name is not UTF-8"
            #expect(named.text(.errors).contains(shown), "\(named.story)")
            for words in [
                ["check", "--config"], ["list", "--limit"], ["push", "--product", "p", "--version", "1"],
                ["list", "--broker", "mqtts://127.0.0.1:1", "--ca-file"],
            ] {
                let run = try await person.run(words + ["\u{1B}[31m.toml"])
                #expect(!(run.text() + run.text(.errors)).contains("\u{1B}"), "\(words): \(run.story)")
                #expect(run.story.contains("[31m.toml"), "\(words): \(run.story)")
            }
            // A name that really has the character that others are shown with.
            let missing = try await person.run(words([gateway.folder.file("pump\u{FFFD}.bin")]))
            #expect(missing.text(.errors).contains("No such file"), "\(missing.story)")
            #expect(!gateway.probe.messages.contains { $0.topic.hasPrefix(Gateway.root + "/out/") })
        }

        @Test("What a package may not hold is refused here, in a sentence, before anything is sent")
        func refused() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            func expectRefusal(_ names: [String], _ sentence: String, _ exit: Int32 = 64) async throws {
                let files = try names.map { name in
                    let folder = gateway.folder.file(UUID().uuidString)
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                    try Data([1]).write(to: URL(filePath: folder + "/" + name))
                    return folder + "/" + name
                }
                let push = try await person.run(words(files))
                #expect(push.ending == .exited(exit) && push.text(.errors).contains(sentence), "\(push.story)")
            }
            try await expectRefusal(["a.bin", "b.bin", "a.bin"], "Two files are called a.bin")
            try await expectRefusal(["a.bin", String(repeating: "n", count: 29) + ".bin"], "has 33 characters")
            try await expectRefusal((0...20).map { "\($0).bin" }, "at most 20 files; these are 21")
            try await expectRefusal(["a.bin", "b.exe"], "The cloud takes no b.exe", 1)
            #expect(gateway.probe.messages.allSatisfy { !$0.topic.contains("/out/") && !$0.topic.contains("/state/") })
        }

        @Test("--until ends with the state that is asked for, --detach with stored")
        func until() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let person = Person(gateway: gateway)
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 100_000, gate))
            let firmware = TestFirmware(3_000_000)
            let words = try person.push(firmware)
            for (options, sentence) in [
                (["--detach"], "pumpctl 1.4.2 is"), (["--until", "stored"], "pumpctl 1.4.2 is"),
                (["--until", "uploading"], "pumpctl 1.4.2 is uploading as ci/"),
            ] {
                let push = try await person.run(words + options)
                #expect(push.ending == .exited(0) && push.text().contains(sentence), "\(push.story)")
            }
            let limited = try await person.run(words + ["--until", "registering", "--time-limit", "1s"])
            #expect(limited.ending == .exited(75), "\(limited.story)")
            gate.open()
            let last = try await person.run(words + ["--until", "registering"])
            #expect(last.ending == .exited(0), "\(last.story)")
        }

        @Test("--json is one object a line, from the beginning to the end with the exit code")
        func json() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let push = try await person.run(words(try write(gateway), ["--json"]))
            let objects = try push.lines().map { try JSONValue(parsing: Array($0.utf8)) }
            #expect(objects.prefix(3).compactMap { $0["file"]?.string } == names.sorted())
            #expect(Set(objects.prefix(3).compactMap { $0["package"]?["id"]?.string }).count == 1)
            #expect(objects.last?["event"]?.string == "end" && objects.last?["exit"]?.integer == 0)
            #expect(objects.contains { $0["state"]?.string == "registered" && $0["firmware_id"]?.string != nil })
            #expect(objects.last?.object?["code"] == .null, "\(push.story)")
            let id = await gateway.cloud.firmware.first?.id
            let transfers = objects.last?["transfers"]?.array ?? []
            #expect(transfers.map { $0["id"] } == objects.prefix(3).map { $0["id"] }, "\(push.story)")
            #expect(transfers.compactMap { $0["file"]?.string } == names.sorted(), "\(push.story)")
            for transfer in transfers {
                #expect(transfer["state"]?.string == "registered" && transfer["firmware_id"]?.string == id)
            }
            let missing = try await person.run(words(["/nonexistent.bin"], ["--json"]))
            let end = try JSONValue(parsing: Array((missing.lines().last ?? "").utf8))
            #expect(missing.ending == .exited(1) && end["exit"]?.integer == 1, "\(missing.story)")
        }

        @Test("Of one that is registered the firmware's id is told, also where the state comes behind the answer")
        func registeredLate() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let words = try person.push(TestFirmware(10_000)) + ["--json"]
            let first = try await person.run(words)
            #expect(first.ending == .exited(0), "\(first.story)")
            let state = try gateway.registeredState()
            let address = "ci/\(state["id"]?.string ?? "")"
            let kept = "\(Gateway.root)/state/\(address)"
            // As after a restart of a broker that forgets, until the agent has said its states again.
            try await gateway.probe.publish(kept, [], retained: true)
            let before = gateway.probe.messages(on: "\(Gateway.root)/out/\(address)/ack").count
            let again = try person.start(words)
            try await gateway.probe.waitFor(topic: "\(Gateway.root)/out/\(address)/ack", skipping: before) {
                $0.json?["state"]?.string == "registered"
            }
            try await gateway.probe.publish(kept, state.encoded, retained: true)
            #expect(try await again.waitForExit() == .exited(0), "\(again.story)")
            let objects = try again.lines().map { try JSONValue(parsing: Array($0.utf8)) }
            let id = await gateway.cloud.firmware.first?.id
            #expect(objects.last { $0["event"]?.string == "state" }?["firmware_id"]?.string == id, "\(again.story)")
            #expect(objects.last?["transfers"]?.array?.first?["firmware_id"]?.string == id, "\(again.story)")
        }

        @Test("A file over the cloud's limit is refused by its size, without being read")
        func tooLarge() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let file = try gateway.folder.write([], to: "large.bin")
            // A hole: reading it would take an hour.
            #expect(truncate(file, 4 << 40) == 0)
            let push = try await Person(gateway: gateway).run(words([file]), [:])
            #expect(push.ending == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("the cloud takes at most"), "\(push.story)")
        }

        @Test("Where broker or agent vanish on the way, the time limit says who, and for how long")
        func vanished() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 1, gate))
            defer { gate.open() }
            let words = try person.push(TestFirmware(3_000_000), ["--time-limit", "6s"])
            let push = try person.start(words)
            try await push.waitForLine { $0.contains("received as") }
            try await gateway.kill()
            #expect(try await push.waitForExit() == .exited(75), "\(push.story)")
            #expect(push.text(.errors).contains(/first; the agent has been away for \d s/), "\(push.story)")
            try await gateway.start()
            let other = try person.start(words)
            try await other.waitForLine { $0.contains("has this file already") }
            try await gateway.broker.stop()
            #expect(try await other.waitForExit() == .exited(75), "\(other.story)")
            #expect(other.text(.errors).contains(/first; the broker has been away for \d s/), "\(other.story)")
        }

        // MARK: - Signatures

        @Test("--sign puts a signature into init that ssh-keygen verifies, for every file")
        func sign() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let key = gateway.folder.file("key")
            let made = try await ProgramRunner.run(
                "ssh-keygen",
                ["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", key]
            )
            #expect(made.ending == .exited(0), "\(made.story)")
            let listener = try await MQTTClient(port: gateway.broker.port, topics: ["\(Gateway.root)/in/#"])
            let files = try write(gateway)
            let push = try await person.run(words(files, ["--sign", key]))
            #expect(push.ending == .exited(0), "\(push.story)")
            let publicKey = try String(contentsOfFile: key + ".pub", encoding: .utf8)
            let signers = try gateway.folder.write("ci namespaces=\"otaferry\" \(publicKey)", to: "signers")
            let requests = listener.messages.filter { $0.topic.hasSuffix("/init") }.compactMap(\.json)
            #expect(Set(requests.compactMap { $0["name"]?.string }) == Set(names))
            for request in requests {
                let name = try #require(request["name"]?.string)
                let text = try #require(request["firmware"]?["signature"]?.string)
                let signature = try gateway.folder.write(text, to: name + ".sig")
                let verify = try await ProgramRunner.run(
                    "ssh-keygen",
                    ["-Y", "verify", "-f", signers, "-I", "ci", "-n", "otaferry", "-s", signature],
                    input: gateway.folder.file(name)
                )
                #expect(verify.ending == .exited(0), "\(verify.story)")
            }
        }

        @Test("Without ssh-keygen, or with a key that is none, --sign says what is missing")
        func signFails() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let words = words(try write(gateway), ["--sign", gateway.folder.file("nokey")])
            let absent = try await person.run(words, ["PATH": gateway.folder.path])
            #expect(absent.ending == .exited(1))
            #expect(absent.text(.errors).contains("--sign needs ssh-keygen"), "\(absent.story)")
            #expect(absent.text(.errors).contains("apt install openssh-client"))
            let wrong = try await person.run(words)
            #expect(wrong.ending == .exited(1) && wrong.text(.errors).contains("nokey"), "\(wrong.story)")
        }
    }
}
