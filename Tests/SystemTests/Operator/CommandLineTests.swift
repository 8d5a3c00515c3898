import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// The commands as operators type them.
    @Suite("The command line of operators")
    struct CommandLineTests {
        private let firmware = TestFirmware(30_000)
        private var id: String { firmware.oneShotID }

        @Test("Every command about a transfer does it and says so, also as JSON")
        func verbs() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            let address = "ci/\(id)"
            let table: [([String], String)] = [
                (["ping"], "gw1 answered in"), (["pause", id], "\(address) is paused"),
                (["resume", id], "\(address) goes on"),
                (["pause"], "All publication is paused"), (["resume"], "Publication goes on"),
                (["priority", id, "-7"], "\(address) has priority -7"), (["retry", id], "\(address) is tried again"),
                (["describe", id, "--description", "for the pump"], "\(address) is described"),
                (["show", id], "for the pump"), (["sync"], "Everything is said again"),
                (["retry", "ci/" + id.prefix(8)], "\(address) is tried again"),
                (["cancel", id], "\(address) is cancelled"),
                (["purge", address], "\(address) is forgotten"),
            ]
            let negative = try await person.run(["priority", String(id.prefix(8)), "--", "-5"])
            #expect(negative.ending == .exited(0) && negative.text().contains("priority -5"), "\(negative.story)")
            for (words, sentence) in table {
                let command = try await person.run(words)
                #expect(command.ending == .exited(0), "\(words): \(command.story)")
                #expect(command.text().contains(sentence), "\(words): \(command.story)")
            }
            let other = TestFirmware(1_000, version: "1.5.0", seed: 3)
            try await gateway.send("put/pumpctl/1.5.0", other.bytes)
            try await gateway.waitForState(.stored, of: other.oneShotID)
            for (words, _) in table {
                let words = words.map {
                    $0.hasSuffix(String(id.prefix(8))) || $0.contains(id) ? "ci/\(other.oneShotID)" : $0
                }
                let command = try await person.run(words + ["--json"])
                #expect(command.ending == .exited(0), "\(words): \(command.story)")
                #expect(try JSONValue(parsing: Array(command.text().utf8)).object != nil, "\(words)")
            }
        }

        @Test("While everything is paused, list and show say so")
        func pausedForAll() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            _ = try await person.run(["pause"])
            let list = try await person.run(["list"])
            #expect(list.text(.errors).contains("Everything is paused: otaferry resume"), "\(list.story)")
            let show = try await person.run(["show", id])
            #expect(show.text().contains("Paused        everything; otaferry resume lets all go on"), "\(show.story)")
            _ = try await person.run(["pause", id])
            _ = try await person.run(["cancel", id])
            let cancelled = try await person.run(["show", id])
            // The history tells that it was.
            #expect(!cancelled.lines().contains { $0.hasPrefix("Paused") }, "\(cancelled.story)")
            _ = try await person.run(["resume"])
            #expect(try await person.run(["list"]).text(.errors).isEmpty)
        }

        @Test("resume for all names what stays paused by itself; purge of one that waits the command that ends it")
        func stayPaused() async throws {
            let gateway = try await Gateway { $0.settings["upload.window"] = Gateway.windowElsewhere }
            let person = Person(gateway: gateway)
            let firmware = [TestFirmware(1_000), TestFirmware(2_000, version: "1.4.3", seed: 4)]
            for one in firmware {
                try await gateway.send("put/pumpctl/\(one.version)", one.bytes)
                try await gateway.waitForState(.stored, of: one.oneShotID)
            }
            let none = try await person.run(["resume"])
            #expect(none.ending == .exited(0) && none.text(.errors).isEmpty, "\(none.story)")
            let address = "ci/\(firmware[0].oneShotID)"
            _ = try await person.run(["pause", address])
            let one = try await person.run(["resume"])
            #expect(
                one.text(.errors).contains("1 transfer stays paused by itself: otaferry resume \(address)\n"),
                "\(one.story)"
            )
            _ = try await person.run(["pause", "ci/\(firmware[1].oneShotID)"])
            let both = try await person.run(["resume"])
            #expect(
                both.text(.errors).contains("2 transfers stay paused by themselves: otaferry resume"),
                "\(both.story)"
            )
            let purge = try await person.run(["purge", address])
            #expect(purge.ending == .exited(1), "\(purge.story)")
            #expect(purge.text(.errors).contains("Cancel it first: otaferry cancel \(address)"), "\(purge.story)")
        }

        @Test("cancel and purge take no id that a table has cut, and name the whole one; others do")
        func cutIDs() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            for (verb, cut) in [("cancel", "ci/\(id.prefix(8))…"), ("purge", "c~/\(id)")] {
                let refused = try await person.run([verb, cut])
                #expect(refused.ending == .exited(64), "\(refused.story)")
                #expect(refused.text(.errors).contains("otaferry \(verb) ci/\(id)\n"), "\(refused.story)")
                let shown = try await person.run(["show", cut])
                #expect(shown.text().contains("stored since"), "\(shown.story)")
            }
            #expect(try await person.run(["cancel", "ci/\(id)"]).ending == .exited(0))
        }

        @Test("--sender and an address that names another sender contradict each other; the environment's does not")
        func senders() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            let address = "ci/\(id)"
            for words in [["show", address], ["cancel", address], ["watch", address]] {
                let command = try await person.run(words + ["--sender", "lab"])
                #expect(command.ending == .exited(64), "\(words): \(command.story)")
                #expect(
                    command.text(.errors).contains("--sender lab is not the sender of \(address)"),
                    "\(command.story)"
                )
            }
            let all = try await person.run(["pause", "--sender", "ci"])
            #expect(all.ending == .exited(64) && all.text(.errors).contains("--sender needs an id"), "\(all.story)")
            for more in [["OTAFERRY_SENDER": "lab"], [:]] {
                let shown = try await person.run(["show", address] + (more.isEmpty ? ["--sender", "ci"] : []), more)
                #expect(shown.ending == .exited(0), "\(shown.story)")
                #expect(shown.text().contains("stored since") && !shown.text().contains("Paused"), "\(shown.story)")
            }
        }

        @Test("show names the package and the bytes that are missing, list counts those that are here")
        func missing() async throws {
            let gateway = try await Gateway()
            let package: JSONValue = ["id": "spring", "files": 2]
            try await gateway.ask(
                "x",
                "init",
                firmware.initialization(firmware: ["product": "pumpctl", "version": "2", "package": package])
            )
            try await gateway.ask("x", "20000", firmware.part(20_000..<25_000))
            let person = Person(gateway: gateway)
            let show = try await person.run(["show", "ci/x"])
            for line in ["Package       spring, 2 files", "Missing       25.0 kB: bytes 0-19999, 25000-29999"] {
                #expect(show.lines().contains(line), "\(show.story)")
            }
            let list = try await person.run(["list"])
            #expect(list.text().contains(" 16% "), "\(list.story)")
            try await gateway.ask("x", "0", firmware.part(0..<20_000))
            let later = try await person.run(["show", "ci/x"])
            #expect(later.lines().contains("Missing       5.0 kB: bytes 25000-29999"), "\(later.story)")
        }

        @Test("The history says what an operator did, in lines that fit the window", arguments: [40, 80, 200])
        func history(columns: Int) async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let person = Person(gateway: gateway)
            for words in [["pause", id], ["resume", id], ["priority", id, "3"]] {
                #expect(try await person.run(words).ending == .exited(0))
            }
            let show = try person.atTerminal(["show", id], columns: columns, rows: 200)
            #expect(try await show.program.waitForExit() == .exited(0))
            let history = show.screen.allLines.drop { $0 != "History" }
            #expect(history.allSatisfy { $0.count <= columns } && history.count > 5, "\(history)")
            let text = history.joined(separator: " ").split(separator: " ").joined(separator: " ")
            for sentence in ["Paused by an operator", "Resumed by an operator", "another priority by an operator"] {
                #expect(text.contains(sentence), "\(history)")
            }
            #expect(columns == 40 || show.screen.wraps == 0, "\(show.screen.text)")
            let answer = try await gateway.command("get", ["sender": "ci", "transfer": .string(id)])
            let changes = answer["result"]?["events"]?.array?.compactMap { $0["change"]?.string }
            #expect(changes == ["paused", "resumed", "prioritized"])
        }

        @Test("A terminal without UTF-8 is shown ASCII alone; pipes and JSON have every name as it is")
        func ascii() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let (name, plain) = ("größe-固件.bin", "gr??e-????.bin")
            let request: JSONValue = ["name": .string(name), "size": 30_000]
            try await gateway.ask("x", "init", request.encoded)
            let locale = ["LC_ALL": "C", "NO_COLOR": "1"]
            for words in [["list"], ["show", "ci/x"], ["watch"], ["watch", "ci/x"]] {
                let seen = try person.atTerminal(words, columns: 100, locale)
                try await seen.waitForText(plain)
                if words[0] == "watch" { try seen.interrupt() }
                try await seen.program.waitForExit()
                #expect(seen.written.utf8.allSatisfy { $0 < 0x80 }, "\(words): \(seen.written)")
                let other = try person.atTerminal(words, columns: 100)
                try await other.waitForText(name)
                if words[0] == "watch" { try other.interrupt() }
                try await other.program.waitForExit()
            }
            for words in [
                ["grüße"], ["list", "--state", "grüße"],
                ["push", "/fehlt/größe.bin", "--product", "p", "--version", "1"],
            ] {
                let mistake = try person.atTerminal(words, columns: 100, locale)
                try await mistake.waitForText("gr??e")
                try await mistake.program.waitForExit()
                #expect(mistake.written.utf8.allSatisfy { $0 < 0x80 }, "\(mistake.written)")
            }
            let json = try person.atTerminal(["show", "ci/x", "--json"], columns: 200, locale)
            #expect(try await json.program.waitForExit() == .exited(0))
            #expect(json.written.contains(name), "\(json.written)")
            #expect(try await person.run(["list"], locale).text().contains(name))
        }

        @Test("list goes over all pages, filters, and fits a window of any width")
        func list() async throws {
            let gateway = try await Gateway {
                // Small files come faster than they are verified.
                $0.settings["intake.open-transfers-max"] = "1000"
            }
            let person = Person(gateway: gateway)
            #expect(try await person.run(["pause"]).ending == .exited(0))
            let count = 520
            for number in 0..<count {
                try await gateway.send(
                    "put/pumpctl/4.0.\(number)",
                    Array("firmware \(number)".utf8),
                    sender: number % 4 == 0 ? "lab" : "ci"
                )
            }
            try await eventually(within: .seconds(60), "all of them") {
                gateway.probe.messages.count {
                    $0.topic.hasPrefix(Gateway.root + "/state/") && $0.json?["state"]?.string == "stored"
                } >= count
            }
            let all = try await person.run(["list"])
            #expect(all.ending == .exited(0) && all.lines().count == count + 1, "\(all.lines().count)")
            #expect(!all.text().contains("\u{1B}"))
            func number(_ words: [String]) async throws -> Int? {
                let list = try await person.run(["list", "--json"] + words)
                return try JSONValue(parsing: Array(list.text().utf8))["states"]?.array?.count
            }
            #expect(try await number([]) == count)
            #expect(try await number(["--sender", "lab"]) == count / 4)
            #expect(try await number(["--sender", "lab", "--product", "pumpctl", "--state", "stored"]) == count / 4)
            #expect(try await number(["--state", "registered"]) == 0)
            #expect(try await number(["--product", "other"]) == 0)
            #expect(try await number(["--limit", "501"]) == 501)
            let newest = try await person.run(["list", "--limit", "2"])
            #expect(
                newest.lines().map { $0.split(separator: " ").dropFirst(2).first ?? "" } == [
                    "VERSION", "4.0.518", "4.0.519",
                ],
                "\(newest.story)"
            )
            #expect(newest.lines(.errors).prefix(1) == ["There are older ones; raise --limit"], "\(newest.story)")
            for columns in [40, 80, 200] {
                let list = try person.atTerminal(["list", "--limit", "3"], columns: columns)
                #expect(try await list.program.waitForExit() == .exited(0))
                #expect(list.screen.wraps == 0)
                let lines = list.screen.lines
                #expect(lines.first?.hasPrefix("ID ") == true && lines.first?.contains("STATE") == true, "\(lines)")
                #expect(lines.count { $0.contains("stored") } == 3, "\(lines)")
                #expect(lines.first?.contains("FILE") == (columns > 40), "\(lines)")
            }
        }

        @Test("limits shows what is in force, sets it until the next start, or for good")
        func limits() async throws {
            let gateway = try await Gateway { $0.settings["upload.rate-limit"] = "1MiB/s" }
            let person = Person(gateway: gateway)
            func expect(_ words: [String], _ rate: String, _ window: String) async throws {
                let limits = try await person.run(["limits"] + words)
                #expect(limits.ending == .exited(0), "\(limits.story)")
                #expect(limits.lines() == ["Rate limit  \(rate)", "Window      \(window)"], "\(words)")
            }
            try await expect([], "1MiB/s", "none")
            try await expect(["--rate-limit", "512KiB/s", "--window", "22:00-06:00"], "512KiB/s", "22:00-06:00")
            try await gateway.killAndRestart()
            try await expect([], "1MiB/s", "none")
            try await expect(["--rate-limit", "none", "--window", "01:00-02:00", "--keep"], "none", "01:00-02:00")
            try await gateway.killAndRestart()
            try await expect([], "none", "01:00-02:00")
            let json = try await person.run(["limits", "--json"])
            #expect(try JSONValue(parsing: Array(json.text().utf8))["window"]?.string == "01:00-02:00")
        }

        @Test("Every command ends with the exit code that the documents promise")
        func exitCodes() async throws {
            let folder = try TemporaryFolder("acl")
            try folder.write("topic read none\n", to: "acl")
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.file("acl"))
            let strict = try await MosquittoBroker(configuration: "acl_file \(folder.file("acl"))")
            let gateway = try await Gateway()
            await gateway.cloud.stop()
            let person = Person(gateway: gateway)
            let file = try gateway.folder.write(firmware.bytes, to: "pumpctl.bin")
            let push = ["push", file, "--product", "pumpctl", "--version", "1.4.2"]
            let badConfiguration = try gateway.folder.write("gatway = \"x\"\n", to: "bad.toml")
            let badPassword = ["--password-file", gateway.folder.file("absent")]
            let noBroker = ["--broker", "mqtt://127.0.0.1:\(try LoopbackSocket.freePort())"]
            let noAgent = ["--gateway", "elsewhere"]
            let noRight = ["--broker", strict.url]
            let table: [([String], Int32)] = [
                (push + ["--until", "stored"], 0), (["list"], 0), (["show", "ci/"], 64), (["limits"], 0), (["ping"], 0),
                (["check", "--config", gateway.folder.file("otaferry.toml")], 0), (["--help"], 0), (["--version"], 0),
                (["show", "ci/nobody"], 1), (["cancel", "nobody99"], 1),
                (["push", "/absent", "--product", "p", "--version", "1"], 1),
                (["push", file, "--version", "1"], 64), (["push", "--product", "p", "--version", "1"], 64),
                (push + ["--product", "unheard.of"], 1),
                ([], 0), (["explode"], 64), (["push", file], 64), (["list", "--state", "odd"], 64),
                (["list", "--limit", "0"], 64),
                (["limits", "--keep"], 64), (["limits", "--window", "noon"], 64),
                (["limits", "--rate-limit", "fast"], 64),
                (["priority", "ci/x", "101"], 64), (["describe", "ci/x"], 64), (push + ["--priority", "101"], 64),
                (["list"] + badPassword, 64), (["ping", "--gateway", "a/b"], 64),
                (["list", "--broker", "http://x"], 64),
                (["list"] + noBroker, 69), (push + noBroker, 69), (["watch"] + noBroker, 69),
                (["limits"] + noBroker, 69),
                (["list"] + noAgent, 69), (push + noAgent, 69), (["watch"] + noAgent, 69),
                (["watch", "--time-limit", "1s"] + noAgent, 69),
                (push + ["--time-limit", "500ms"], 75), (push + noBroker + ["--time-limit", "500ms"], 69),
                (["list"] + noRight, 77), (push + noRight, 77), (["watch"] + noRight, 77),
                (["check", "--config", badConfiguration], 78), (["list", "--config", badConfiguration], 78),
                (push + ["--config", badConfiguration], 78), (["run", "--config", badConfiguration], 78),
            ]
            for (words, code) in table {
                let command = try await person.run(words)
                #expect(command.ending == .exited(code), "\(words): \(command.story)")
                if code == 0 { continue }
                // Whatever went wrong is said, and never on standard output.
                #expect(!command.text(.errors).isEmpty && command.text().isEmpty || words.first == "push", "\(words)")
            }
            for words in [["list"] + noAgent, ["show", "ci/nobody"], ["watch"] + noBroker] {
                let command = try await person.run(words + ["--json"])
                let answer = try JSONValue(parsing: Array(command.text().utf8))
                #expect(answer["error"]?["text"]?.string?.isEmpty == false, "\(words): \(command.story)")
            }
            for words in [["list", "--limit", "0"], ["explode"], ["show"], ["list", "--stat", "held"]] {
                let command = try await person.run(words + ["--json"])
                #expect(command.ending == .exited(64) && command.text(.errors).isEmpty, "\(words): \(command.story)")
                let error = try JSONValue(parsing: Array(command.text().utf8))["error"]
                #expect(
                    error?["text"]?.string?.isEmpty == false && error?["hint"]?.string?.isEmpty == false,
                    "\(words)"
                )
            }
            let end = try await person.run(["push", "--json"])
            #expect(try JSONValue(parsing: Array(end.text().utf8))["exit"]?.integer == 64, "\(end.story)")
        }
    }
}
