import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What a person is told at once of what a command did.
    @Suite("Commands and what comes right after them")
    struct DescribeTests {
        private let firmware = TestFirmware(30_000)
        private var id: String { firmware.oneShotID }

        @Test("describe waits for an attempt that registers under the old name, and is carried out then")
        func describesAfterTheAttempt() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let gate = Gate()
            gateway.cloud.setFault(.createFirmware, .hold(gate))
            try await gateway.cloud.plant(
                RegisteredFirmware(name: "pumpctl-1_4_2", version: "0.1", productKey: "b1AbCdEfGhI")
            )
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.cloud.waitFor(.createFirmware, .received)
            let describe = try person.start(["describe", id, "--name", "mine"])
            try await eventually { describe.text(.errors).contains("waiting for the answer") }
            gate.open()
            #expect(try await describe.waitForExit() == .exited(0), "\(describe.story)")
            #expect(describe.text().contains("ci/\(id) is described"))
            try await gateway.waitForState(.registered, of: id)
            #expect(await gateway.cloud.firmware.map(\.name).sorted() == ["mine", "pumpctl-1_4_2"])
        }

        @Test("describe says what rests, and what is still missing")
        func describesWhatItCan() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            gateway.cloud.setFault(.createFirmware, .hangUpAfterwards, times: nil)
            gateway.cloud.setFault(.listFirmware, .unavailable, times: nil)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registering, of: id) { $0.reasonCode != nil }
            #expect(try await person.run(["pause", id]).ending == .exited(0))
            let resting = try await person.run(["describe", id, "--name", "mine"])
            #expect(resting.ending == .exited(1), "\(resting.story)")
            #expect(
                resting.text(.errors).contains("otaferry resume ci/\(id) lets the cloud answer"),
                "\(resting.story)"
            )

            let nameless = TestFirmware(1_000, seed: 5)
            try await gateway.ask("x", "init", JSONValue.object(["name": "x.bin"]).encoded)
            try await gateway.ask("x", "0", nameless.bytes)
            try await gateway.send("t/x/fin/1000")
            try await gateway.waitForState(.held, of: "x")
            let half = try await person.run(["describe", "ci/x", "--version", "3"])
            #expect(half.ending == .exited(0), "\(half.story)")
            for words in ["It is still held: The product of this", "otaferry describe ci/x --product PRODUCT"] {
                #expect(half.text(.errors).contains(words), "\(half.story)")
            }
        }

        @Test("describe refuses a version that is registered with other bytes")
        func registeredVersion() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: id)
            try await gateway.ask("x", "init", JSONValue.object(["name": "x.bin"]).encoded)
            try await gateway.ask("x", "0", TestFirmware(1_000, seed: 5).bytes)
            try await gateway.send("t/x/fin/1000")
            try await gateway.waitForState(.held, of: "x")
            let words = ["describe", "ci/x", "--product", "pumpctl", "--version"]
            let refused = try await person.run(words + ["1.4.2"])
            #expect(refused.ending == .exited(1), "\(refused.story)")
            #expect(refused.text(.errors).contains("registered with other bytes"), "\(refused.story)")
            #expect(try await person.run(words + ["1.4.3"]).ending == .exited(0))
            try await gateway.waitForState(.registered, of: "x")
            #expect(gateway.cloud.calls(.postObject).count == 2)
        }

        @Test("retry outside the window, and cancel during a registration, say what is the case all the same")
        func saysWhatElse() async throws {
            let gateway = try await Gateway { $0.settings["upload.window"] = Gateway.windowElsewhere }
            let person = Person(gateway: gateway)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: id) { $0.reasonCode == "outside-window" }
            let retry = try await person.run(["retry", id])
            #expect(retry.ending == .exited(0))
            #expect(retry.text(.errors).contains("window"), "\(retry.story)")
            let second = TestFirmware(1_000, seed: 5)
            try await gateway.ask("x", "init", JSONValue.object(["name": "x.bin"]).encoded)
            try await gateway.ask("x", "0", second.bytes)
            try await gateway.send("t/x/fin/1000")
            try await gateway.waitForState(.held, of: "x")
            _ = try await person.run(["describe", "ci/x", "--product", "pumpctl", "--version", "7"])
            let resume = try await person.run(["resume", "ci/x"])
            #expect(resume.text(.errors).contains("window"), "\(resume.story)")
            #expect(try await gateway.command("cancel", ["sender": "ci", "transfer": "x"])["ok"]?.bool == true)
            gateway.cloud.setFault(.createFirmware, .hangUpAfterwards, times: nil)
            gateway.cloud.setFault(.listFirmware, .unavailable, times: nil)
            #expect(try await gateway.command("limits", ["window": ""])["ok"]?.bool == true)
            try await gateway.waitForState(.registering, of: id) { $0.reasonCode != nil }
            let cancel = try await person.run(["cancel", id])
            #expect(cancel.ending == .exited(0))
            #expect(cancel.text(.errors).contains("the cloud may have the firmware all the same"), "\(cancel.story)")
        }

        @Test("status right after pause, resume and limits tells what they did")
        func statusAtOnce() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            for (words, isPaused) in [(["pause"], true), (["resume"], false), (["pause"], true)] {
                #expect(try await person.run(words).ending == .exited(0))
                let status = try await person.run(["status"])
                #expect(status.text().contains("Problem   paused: ") == isPaused, "\(status.story)")
            }
            _ = try await person.run(["limits", "--rate-limit", "1MB/s", "--window", "22:00-06:00"])
            let limited = try await person.run(["status"])
            #expect(
                limited.lines().contains("  Uploads   at most 1MB/s, start 22:00-06:00 only, in the gateway's time"),
                "\(limited.story)"
            )
            _ = try await person.run(["limits", "--reset"])
            let free = try await person.run(["status"])
            #expect(free.lines().contains("  Uploads   at any rate, start at any time"), "\(free.story)")
        }
    }
}
