import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What commands say where something hangs, is forbidden or cannot be written.
    @Suite("Commands claim nothing that they do not know")
    struct HonestyTests {
        private let firmware = TestFirmware(10_000)

        @Test("An agent that hangs is not told to be online, by status or by watch")
        func hanging() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            gateway.agent?.send(SIGSTOP)
            let status = try await person.run(["status"])
            #expect(status.ending == .exited(1), "\(status.story)")
            #expect(status.text().hasPrefix("gw1 is not answering; its last word was online"), "\(status.story)")
            #expect(status.text().contains("journalctl -u otaferry"), "\(status.story)")
            let json = try await person.run(["status", "--json"])
            #expect(json.text().contains("\"answers\":false"), "\(json.story)")
            let metrics = try await person.run(["status", "--metrics"])
            #expect(metrics.ending == .exited(1), "\(metrics.story)")
            #expect(metrics.text().contains("otaferry_answers{gateway=\"gw1\"} 0\n"), "\(metrics.story)")
            let watch = try person.atTerminal(["watch"], columns: 80)
            try await watch.waitForText("gw1  not answering")
            try await watch.waitForText("The agent does not answer")
            gateway.agent?.send(SIGCONT)
            try await watch.waitForScreen("the agent is back", within: .seconds(40)) {
                $0.lines.first?.hasPrefix("gw1  online") == true
            }
            try watch.interrupt()
            try await watch.program.waitForExit()
            #expect(try await person.run(["status"]).ending == .exited(0))
            let well = try await person.run(["status", "--metrics"])
            #expect(well.text().contains("otaferry_answers{gateway=\"gw1\"} 1\n"), "\(well.story)")
        }

        @Test("Where no answer comes the right to read answers is named as a cause too")
        func unreadAnswers() async throws {
            let acl = try TemporaryFolder("acl")
            let rights = [
                "topic readwrite #", "user ci", "topic read otaferry/v1/+/status", "topic write otaferry/v1/+/cmd/#",
                "user otaferry", "topic readwrite #", "topic readwrite $file/#", "topic readwrite $file-async/#",
            ]
            try acl.write(rights.joined(separator: "\n") + "\n", to: "acl")
            let gateway = try await Gateway { $0.brokerConfiguration = "acl_file \(acl.file("acl"))" }
            let person = Person(gateway: gateway)
            for words in [["status"], ["list"]] {
                let ran = try await person.run(words, ["OTAFERRY_USERNAME": "ci"])
                let text = (ran.text() + ran.text(.errors)).split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(text.contains("topic read otaferry/v1/gw1/res/#"), "\(words): \(ran.story)")
            }
        }

        @Test("Who may not read what the agent says is told so, and not that there is no agent")
        func forbidden() async throws {
            let acl = try TemporaryFolder("acl")
            let rights = [
                "pattern write otaferry/v1/+/in/%u/#", "pattern read otaferry/v1/+/out/%u/#",
                // The test comes without a name.
                "topic readwrite #", "user otaferry", "topic readwrite #", "topic readwrite $file/#",
                "topic readwrite $file-async/#",
            ]
            try acl.write(rights.joined(separator: "\n") + "\n", to: "acl")
            let gateway = try await Gateway { $0.brokerConfiguration = "acl_file \(acl.file("acl"))" }
            let person = Person(gateway: gateway)
            let login = ["OTAFERRY_USERNAME": "ci"]
            for (words, topic) in [
                (["status"], "topic read otaferry/v1/gw1/status"), (["watch"], "topic read otaferry/v1/gw1/status"),
                (["list"], "topic write otaferry/v1/gw1/cmd/#"),
            ] {
                let ran = try await person.run(words, login)
                #expect(ran.ending == .exited(77), "\(words): \(ran.story)")
                #expect(ran.text(.errors).contains(topic) && !ran.text(.errors).contains("No agent"), "\(ran.story)")
            }
            let words = try person.push(firmware)
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 1, gate))
            let push = try person.atTerminal(words, columns: 80, rows: 24, login)
            try await push.waitForText("received as ci/")
            try push.interrupt()
            #expect(try await push.program.waitForExit() == .exited(75))
            let text = push.screen.allLines.joined(separator: " ")
            #expect(
                text.contains("the same command shows how it goes on") && !text.contains("otaferry watch"),
                "\(text)"
            )
            gate.open()
            #expect(try await person.run(words, login).ending == .exited(0))
        }

        @Test(
            "Where standard output is closed, what has a result says so, and what has none works",
            arguments: [
                "status", "list", "show ID", "watch ID", "push FILE", "check --config CONFIG", "--help", "--version",
            ]
        )
        func closedOutput(words: String) async throws {
            let gateway = try await Gateway()
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let push = try Person(gateway: gateway).push(firmware).dropFirst().joined(separator: " ")
            let line = words.replacing("ID", with: firmware.oneShotID).replacing("FILE", with: push)
                .replacing("CONFIG", with: gateway.folder.file("otaferry.toml"))
            let program = try ProgramRunner.locate("otaferry")
            let environment = Person(gateway: gateway).environment
            for json in words.hasPrefix("-") ? [""] : ["", " --json"] {
                let command = "\(program) \(line)\(json) >&-"
                let closed = try await ProgramRunner.run("sh", ["-c", command], environment: environment)
                #expect(closed.ending == .exited(74), "\(command): \(closed.story)")
                #expect(closed.text(.errors) == "otaferry: standard output is closed\n", "\(command): \(closed.story)")
            }
            let complaint = try await ProgramRunner.run(
                "sh",
                ["-c", "\(program) show >&- <&-"],
                environment: environment
            )
            #expect(
                complaint.ending == .exited(64) && !complaint.text(.errors).contains("closed"),
                "\(complaint.story)"
            )
        }

        @Test(
            "A result that cannot be written is no success",
            arguments: [
                "list", "list --json", "status", "ping", "show ID --json", "check --config FILE", "--version",
                "push --help",
            ]
        )
        func fullDisk(words: String) async throws {
            let gateway = try await Gateway()
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let line = words.replacing("ID", with: firmware.oneShotID)
                .replacing("FILE", with: gateway.folder.file("otaferry.toml"))
            let program = try ProgramRunner.locate("otaferry")
            let full = try await ProgramRunner.run(
                "sh",
                ["-c", "\(program) \(line) >/dev/full"],
                environment: Person(gateway: gateway).environment
            )
            #expect(full.ending == .exited(74), "\(full.story)")
            #expect(full.text(.errors).contains("standard output could not be written: No space left"), "\(full.story)")
            // Somebody who has read enough is no failure.
            let head = try await ProgramRunner.run(
                "sh",
                ["-c", "\(program) \(line) | true"],
                environment: Person(gateway: gateway).environment
            )
            #expect(head.ending == .exited(0) && head.text(.errors).isEmpty, "\(head.story)")
        }

        @Test("Warnings and errors of the doctor that cannot be written end with 74 too", arguments: ["", " --json"])
        func fullDiskOfDoctor(json: String) async throws {
            let program = try ProgramRunner.locate("otaferry")
            let words = "doctor --offline --broker mqtt://127.0.0.1:1\(json)"
            let seen = try await ProgramRunner.run("sh", ["-c", "\(program) \(words)"])
            #expect(seen.ending == .exited(2), "\(seen.story)")
            let full = try await ProgramRunner.run("sh", ["-c", "\(program) \(words) >/dev/full"])
            #expect(full.ending == .exited(74), "\(full.story)")
        }

        @Test("watch ends when the reader of its pipe has gone, though nothing changes")
        func readerGone() async throws {
            let gateway = try await Gateway()
            let program = try ProgramRunner.locate("otaferry")
            let run = try ProgramRunner(
                "sh",
                ["-c", "\(program) watch | head -n 1"],
                environment: Person(gateway: gateway).environment
            )
            #expect(try await run.waitForExit() == .exited(0), "\(run.story)")
            #expect(run.text(.errors).isEmpty, "\(run.story)")
        }

        @Test("watch of one transfer says that everything is paused, in a pipe and on the screen")
        func pausedForAll() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            #expect(try await person.run(["pause"]).ending == .exited(0))
            let watch = try person.start(["watch", firmware.oneShotID])
            _ = try await watch.waitForLine(containing: "everything is paused; otaferry resume lets all go on")
            let screen = try person.atTerminal(["watch", firmware.oneShotID], columns: 100)
            try await screen.waitForText("everything; otaferry resume lets all go on")
            #expect(try await person.run(["resume"]).ending == .exited(0))
            _ = try await watch.waitForLine(containing: "nothing is paused for all any more")
            try screen.interrupt()
            #expect(try await screen.program.waitForExit() == .exited(75))
            #expect(try await watch.stop() == .exited(75))
        }
    }
}
