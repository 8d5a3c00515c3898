import FerryCore
import TestSupport
import Testing

extension PeopleTests {
    /// That people are told what they have typed, and commands that they can type.
    @Suite("Errors in the words of the command line")
    struct OptionNameTests {
        @Test("What the agent refuses of describe and push is told by the option's name")
        func refusals() async throws {
            let firmware = TestFirmware(30_000)
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            let describe = ["describe", firmware.oneShotID, "--type", "delta", "--source-version", "1.4.2"]
            for words in [describe, describe + ["--json"]] {
                let run = try await person.run(words)
                #expect(run.ending == .exited(1), "\(run.story)")
                #expect(run.story.contains("--source-version must differ from --version"), "\(run.story)")
                #expect(!run.story.contains("firmware.") && !run.story.contains("source_version"), "\(run.story)")
            }
            let push = try await person.run(
                try person.push(
                    TestFirmware(20_000, version: "1.5.0", seed: 8),
                    as: "b.bin",
                    ["--name", "pumpctl-1_4_2"]
                )
            )
            #expect(push.ending == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("--name pumpctl-1_4_2 is that of ci/"), "\(push.story)")
        }

        @Test("Where metadata are missing, show and retry print the command that supplies them, and it works")
        func describe() async throws {
            let firmware = TestFirmware(20_000)
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let bare: JSONValue = ["name": "blob.bin", "firmware": ["product": "pumpctl"]]
            try await gateway.ask("0a1b2c", "init", bare.encoded)
            try await gateway.send("t/0a1b2c/0", firmware.bytes)
            try await gateway.send("t/0a1b2c/" + firmware.finish)
            let held = try await gateway.waitForState(.held, of: "0a1b2c")
            #expect(held["reason"]?["hint"]?.string == "Supply it with the command describe")
            let command = "otaferry describe ci/0a1b2c --version VERSION"
            let show = try await person.run(["show", "0a1b2c"])
            #expect(show.text().contains("Supply what is missing: \(command)\n"), "\(show.story)")
            let retry = try await person.run(["retry", "0a1b2c"])
            #expect(retry.ending == .exited(1) && retry.text(.errors).contains(command), "\(retry.story)")
            let words = command.split(separator: " ").dropFirst().map { $0 == "VERSION" ? "1.4.2" : String($0) }
            #expect(try await person.run(words).ending == .exited(0))
            try await gateway.expectRegisteredOnce(firmware, try await gateway.waitForState(.registered, of: "0a1b2c"))
        }

        @Test("A hint goes to the broker and the gateway that were named, and works when it is pasted")
        func pasted() async throws {
            let firmware = TestFirmware(20_000)
            let gateway = try await Gateway()
            let bare: JSONValue = ["name": "blob.bin", "firmware": ["product": "pumpctl"]]
            try await gateway.ask("0a1b2c", "init", bare.encoded)
            try await gateway.send("t/0a1b2c/0", firmware.bytes)
            try await gateway.send("t/0a1b2c/" + firmware.finish)
            try await gateway.waitForState(.held, of: "0a1b2c")
            let options = ["--broker", gateway.broker.url, "--gateway", Gateway.name]
            let show = try await ProgramRunner.run("otaferry", ["show", "0a1b2c"] + options)
            let command =
                "otaferry describe ci/0a1b2c --version VERSION " + options.joined(separator: " ")
            #expect(show.text().contains("Supply what is missing: \(command)\n"), "\(show.story)")
            let words = command.split(separator: " ").dropFirst().map { $0 == "VERSION" ? "1.4.2" : String($0) }
            let described = try await ProgramRunner.run("otaferry", words)
            #expect(described.ending == .exited(0), "\(described.story)")
        }

        @Test("The hint of a wrong command line is a command that works")
        func usageHints() async throws {
            for (words, command) in [
                (["--x", "--json"], ["--help"]), (["--json", "list", "--x"], ["list", "--help"]),
                (["show", "--json"], ["show", "--help"]), (["explode", "--json"], ["--help"]),
            ] {
                let run = try await ProgramRunner.run("otaferry", words)
                #expect(run.ending == .exited(64), "\(run.story)")
                let hint = try JSONValue(parsing: Array(run.text().utf8))["error"]?["hint"]?.string ?? ""
                #expect(hint.hasPrefix("otaferry \(command.joined(separator: " ")) "), "\(words): \(hint)")
                #expect(try await ProgramRunner.run("otaferry", command).ending == .exited(0))
            }
        }
    }
}
