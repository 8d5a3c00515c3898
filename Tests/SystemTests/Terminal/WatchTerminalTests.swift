import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What a person sees of a gateway, live.
    @Suite("otaferry watch")
    struct WatchTerminalTests {
        private let firmware = TestFirmware(3_000_000)

        /// A gateway whose upload takes some seconds.
        private func uploading() async throws -> Gateway {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            gateway.cloud.setFault(.postObject, .slowUpload(bytesPerSecond: 600_000))
            try await gateway.send("put/pumpctl/1.4.2/pumpctl.bin", firmware.bytes)
            return gateway
        }

        /// A gateway whose upload rests in the middle until the gate opens.
        private func uploading(_ gate: Gate) async throws -> Gateway {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 1_500_000, gate))
            try await gateway.send("put/pumpctl/1.4.2/pumpctl.bin", firmware.bytes)
            return gateway
        }

        private func row(_ screen: TerminalScreen) -> String? { screen.lines.first { $0.hasPrefix("ci/") } }

        @Test("A kept state with numbers that cannot be is shown, and ends nothing")
        func hostileNumbers() async throws {
            let gateway = try await Gateway()
            let states = [
                (
                    "x",
                    "{\"state\":\"receiving\",\"size\":10,\"received\":{\"bytes\":\(Int64.max),\"missing\":[[0,1]]}}"
                ),
                ("y", "{\"state\":\"uploading\",\"size\":\(Int64.max),\"cloud\":{\"sent\":\(Int64.max)}}"),
                ("z", "{\"state\":\"receiving\",\"size\":9,\"received\":{\"bytes\":\(Int64.min),\"durable\":5}}"),
            ]
            for (id, state) in states {
                let document = state.replacing("{\"state\"", with: "{\"sender\":\"ci\",\"id\":\"\(id)\",\"state\"")
                let topic = "\(Gateway.root)/state/ci/\(id)"
                try await MQTTProbe.publish(port: gateway.broker.port, topic: topic, text: document, retained: true)
            }
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: 100)
            for (id, percent) in [("x", "90%"), ("y", "100%"), ("z", "0%")] {
                try await watch.waitForScreen("\(id)") { screen in
                    screen.lines.contains { $0.hasPrefix("ci/\(id) ") && $0.contains(" \(percent)") }
                }
            }
            try watch.interrupt()
            #expect(try await watch.program.waitForExit() == .exited(0))
        }

        @Test(
            "It draws the window, follows the transfer to its end, and Ctrl-C brings the terminal back",
            arguments: [40, 80, 200]
        )
        func follows(columns: Int) async throws {
            let gateway = try await uploading()
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: columns, rows: 12)
            let screen = try await watch.waitForScreen("the upload") { row($0)?.contains("uploading") ?? false }
            #expect(screen.isAlternate && !screen.isCursorVisible)
            #expect(screen.lines.first?.hasPrefix("gw1  online") == true, "\(screen.text)")
            #expect(screen.lines.last == "q ends")
            #expect(screen.lines.count == 12)
            if columns >= 80 {
                try await watch.waitForScreen("how far it is") { row($0)?.contains("%") ?? false }
            }
            if columns == 200 {
                try await watch.waitForScreen("bar and rate") { screen in
                    row(screen)?.firstMatch(of: /[█▏▎▍▌▋▊▉░]{16} +\d+% +[\d.]+ .?B\/s/) != nil
                }
            }
            try await watch.waitForScreen("the end") { row($0)?.contains("registered") ?? false }
            try watch.interrupt()
            #expect(try await watch.program.waitForExit() == .exited(0))
            let after = watch.screen
            #expect(watch.isAsBefore && after.unknown.isEmpty, "\(after.unknown)")
            #expect(after.wraps == 0)
            // The last picture stays.
            #expect(row(after)?.contains("registered") == true, "\(after.text)")
        }

        @Test("What is held, and what to do about it, is seen at 40 columns", arguments: [40, 80])
        func held(columns: Int) async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", Array(#"{"name":"blob.bin","size":30000}"#.utf8))
            try await gateway.send("t/x/0", Array(firmware.bytes.prefix(30_000)))
            try await gateway.send("t/x/fin/30000")
            try await gateway.waitForState(.held, of: "x")
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: columns, rows: 16)
            func has(_ screen: TerminalScreen, _ text: String) -> Bool {
                screen.text.split { $0 == " " || $0 == "\n" }.joined(separator: " ").contains(text)
            }
            let screen = try await watch.waitForScreen("the remedy") {
                has($0, "1 held: otaferry show ID tells what to do")
            }
            // A line that fills the window is there to its end.
            #expect(columns != 80 || row(screen)?.hasSuffix("…") == true, "\(screen.text)")
            #expect(row(screen)?.contains("held") == true && screen.wraps == 0, "\(screen.text)")
            #expect(screen.text.contains("blob.bin"), "\(screen.text)")
            try await gateway.stop()
            try await watch.waitForScreen("what to do without the agent") { has($0, "journalctl -u otaferry") }
            try watch.interrupt()
            #expect(try await watch.program.waitForExit() == .exited(0))
        }

        @Test("A window of another size is drawn anew, whole")
        func resize() async throws {
            let gate = Gate()
            let gateway = try await uploading(gate)
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: 200, rows: 24)
            try await watch.waitForScreen("the upload") { row($0)?.contains("uploading") ?? false }
            for (columns, rows) in [(80, 12), (40, 8), (200, 40)] {
                watch.resize(columns: columns, rows: rows)
                let screen = try await watch.waitForScreen("\(columns) by \(rows)") { screen in
                    screen.lines.count == rows && screen.lines.last == "q ends" && row(screen) != nil
                }
                #expect(screen.lines.count { $0.hasPrefix("ci/") } == 1, "\(screen.text)")
                #expect(screen.lines.allSatisfy { $0.count <= columns })
            }
            #expect(watch.screen.wraps == 0)
            gate.open()
            try watch.type("q")
            #expect(try await watch.program.waitForExit() == .exited(0))
            #expect(watch.isAsBefore)
        }

        @Test("While nothing changes, next to nothing is written")
        func isCalm() async throws {
            let gateway = try await Gateway()
            try await gateway.send("put/pumpctl/1.4.2", TestFirmware(10_000).bytes)
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: 150)
            // The agent says its status again a moment after the last change.
            try await watch.waitForScreen("the end") { screen in
                row(screen)?.contains("registered") == true && screen.text.contains("spool 0 B of")
            }
            let begun = ContinuousClock.now
            let before = watch.written.count
            // Long enough for several pictures: the age of the row changes.
            try await watch.waitForScreen("an age") { row($0)?.contains(/\ [3-9]s/) ?? false }
            // Every line is written with an erasure before it; of the five pictures a second each has two dozen of them.
            let lines = watch.written.dropFirst(before).ranges(of: "\u{1B}[K").count
            let seconds = (ContinuousClock.now - begun).seconds
            #expect(lines >= 1 && Double(lines) <= 2 * seconds + 3, "\(lines) lines in \(seconds) s")
            try watch.interrupt()
            try await watch.program.waitForExit()
        }

        @Test("The broker goes away and comes back: the window says so and goes on")
        func brokerAway() async throws {
            let gateway = try await Gateway { $0.persistence = .on }
            try await gateway.send("put/pumpctl/1.4.2", TestFirmware(10_000).bytes)
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: 80)
            try await watch.waitForScreen("the end") { row($0)?.contains("registered") ?? false }
            try await gateway.broker.stop()
            try await watch.waitForText("The connection to the broker is lost; trying again")
            #expect(watch.screen.lines.first?.hasPrefix("gw1  not connected") == true, "\(watch.screen.text)")
            #expect(!watch.screen.text.contains("The agent is away"), "\(watch.screen.text)")
            try await gateway.broker.start()
            try await watch.waitForScreen("the end of it") { screen in
                screen.lines.first?.hasPrefix("gw1  online") == true && row(screen)?.contains("registered") ?? false
            }
            try watch.interrupt()
            #expect(try await watch.program.waitForExit() == .exited(0))
        }

        @Test("Ctrl-Z gives the terminal back, and fg draws the window again")
        func suspended() async throws {
            let gateway = try await Gateway()
            try await gateway.send("put/pumpctl/1.4.2", TestFirmware(10_000).bytes)
            let watch = try Person(gateway: gateway).atTerminal(["watch"], columns: 80)
            try await watch.waitForScreen("the end") { row($0)?.contains("registered") ?? false }
            // A session without a shell ignores Ctrl-Z itself, so the signal is sent as a shell's terminal would.
            watch.program.send(SIGTSTP)
            try await watch.waitForScreen("the shell's screen") { !$0.isAlternate && $0.isCursorVisible }
            try await eventually("the stop") {
                let stat = try String(contentsOfFile: "/proc/\(watch.program.processID)/stat", encoding: .utf8)
                return stat.split(separator: ")").last?.hasPrefix(" T") ?? false
            }
            #expect(watch.isAsBefore)
            watch.program.send(SIGCONT)
            try await watch.waitForScreen("the window") { $0.isAlternate && row($0) != nil }
            try watch.interrupt()
            #expect(try await watch.program.waitForExit() == .exited(0))
            #expect(watch.isAsBefore)
        }

        @Test("In a pipe it writes a line for each state, with --json an object")
        func pipes() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let lines = try person.start(["watch"])
            let objects = try person.start(["watch", "--json"])
            try await lines.waitForLine(containing: "gw1 is online")
            try await objects.waitForLine(containing: "\"event\":\"status\"")
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await lines.waitForLine(containing: "registered")
            try await objects.waitForLine(containing: "\"registered\"")
            for program in [lines, objects] { #expect(try await program.stop() == .exited(0)) }
            let states = lines.lines().filter { $0.contains("ci/") }
            let words = ["stored", "ticketing", "uploading", "registering", "registered"]
            #expect(states.compactMap { line in words.first { line.hasSuffix("  \($0)") } } == words, "\(states)")
            #expect(states.allSatisfy { $0.contains("pumpctl 1.4.2") && !$0.contains("\u{1B}") })
            let documents = objects.lines().map { try? JSONValue(parsing: Array($0.utf8)) }
            #expect(documents.allSatisfy { $0?["event"]?.string != nil })
            let said = documents.compactMap { $0?["state"]?["state"]?.string }
            #expect(said.suffix(words.count) == words[...], "\(said)")
        }

        @Test("One transfer is watched until it ends, with its history, and the exit code tells how")
        func one() async throws {
            let gate = Gate()
            let gateway = try await uploading(gate)
            let person = Person(gateway: gateway)
            let watch = try person.atTerminal(["watch", firmware.oneShotID], columns: 80)
            let words = ["Transfer      ci/\(firmware.oneShotID)", "Version       1.4.2", "History", "ticketing", "░"]
            let screen = try await watch.waitForScreen("bar and history") { screen in
                words.allSatisfy { screen.text.contains($0) }
            }
            #expect(screen.wraps == 0)
            gate.open()
            #expect(try await watch.program.waitForExit() == .exited(0))
            #expect(watch.screen.text.contains("✓ ci/\(firmware.oneShotID) is registered as"), "\(watch.screen.text)")
            #expect(watch.isAsBefore)
            let again = try await person.run(["watch", firmware.oneShotID])
            #expect(again.ending == .exited(0))
            let unknown = try await person.run(["watch", "ci/nobody"])
            #expect(unknown.ending == .exited(1), "\(unknown.story)")
        }

        @Test(
            "What ends while it is watched leaves what it was, its state, the reason and what to do on the terminal",
            arguments: [(80, 30), (80, 24), (50, 12)]
        )
        func remains(columns: Int, rows: Int) async throws {
            let gateway = try await Gateway()
            await gateway.cloud.stop()
            let firmware = TestFirmware(10_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID)
            let person = Person(gateway: gateway)
            let watch = try person.atTerminal(["watch", firmware.oneShotID], columns: columns, rows: rows)
            try await watch.waitForScreen("it waits") { $0.isAlternate && $0.text.contains("State         stored") }
            #expect(try await person.run(["cancel", firmware.oneShotID]).ending == .exited(0))
            #expect(try await watch.program.waitForExit() == .exited(1))
            // What the window shows, without what has scrolled out of it.
            let screen = watch.screen
            let text = screen.lines.joined(separator: " ").split(separator: " ").joined(separator: " ")
            for words in [
                "Transfer ci/\(firmware.oneShotID)", "State cancelled since",
                "otaferry: ci/\(firmware.oneShotID) is cancelled: Cancelled by an operator",
                "If it is wanted after all, send it again: it begins anew",
            ] { #expect(text.contains(words), "\(words): \(screen.text)") }
            #expect(rows < 24 || text.contains("History"), "\(screen.text)")
            #expect(rows < 30 || text.contains("receiving"), "\(screen.text)")
            #expect(watch.isAsBefore && screen.wraps == 0)
        }

        @Test("A watched transfer that is cancelled ends the command with 1, the time limit with 75")
        func endings() async throws {
            let gateway = try await Gateway()
            await gateway.cloud.stop()
            let firmware = TestFirmware(10_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID)
            let person = Person(gateway: gateway)
            let limited = try await person.run(["watch", firmware.oneShotID, "--time-limit", "1s"])
            #expect(limited.ending == .exited(75), "\(limited.story)")
            let watch = try person.start(["watch", firmware.oneShotID])
            try await watch.waitForLine(containing: "stored")
            let cancel = try await person.run(["cancel", firmware.oneShotID])
            #expect(cancel.ending == .exited(0))
            #expect(try await watch.waitForExit() == .exited(1))
            #expect(watch.text(.errors).contains("is cancelled"), "\(watch.story)")
        }
    }
}
