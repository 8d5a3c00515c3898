import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What a person sees of a push, at a real terminal.
    @Suite("otaferry push at a terminal")
    struct PushTerminalTests {
        private let firmware = TestFirmware(3_000_000)

        /// The row with the bar of that stage, if it is seen.
        private func bar(_ phase: String, _ screen: TerminalScreen) -> String? {
            screen.lines.first { $0.hasPrefix(phase + " ") }
        }

        @Test("Every stage is a bar that fits the window, and what was reached stays", arguments: [40, 80, 200])
        func stages(columns: Int) async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let person = Person(gateway: gateway)
            gateway.cloud.setFault(.postObject, .slowUpload(bytesPerSecond: 800_000))
            let push = try person.atTerminal(try person.push(firmware), columns: columns)
            let uploading = try await push.waitForScreen("some of the upload, with its rate") { screen in
                guard let line = bar("uploading", screen), !line.contains(" 0 %") else { return false }
                return columns < 80 || line.contains("B/s")
            }
            let line = try #require(bar("uploading", uploading))
            #expect(line.count < columns)
            // 11 columns of phase, two blanks, a bar of 8 to 40, two blanks, the percentage.
            #expect(line.firstMatch(of: /^uploading    [█▏▎▍▌▋▊▉░]{8,40}  [ 0-9]{2}\d %( |$)/) != nil, "\(line)")
            #expect(line.contains("of 3.0 MB") == (columns >= 80))
            #expect(try await push.program.waitForExit() == .exited(0), "\(push.screen.text)")
            let screen = push.screen
            let words = screen.allLines.joined(separator: columns == 40 ? "" : "\n")
                .replacing("  ", with: " ")
            let patterns = [
                /pumpctl\.bin, 3\.0 MB, as pumpctl 1\.4\.2 to gw1/, /✓ 3\.0 MB received as ci\/[0-9a-f]{16} in 0:\d\d/,
                /✓ 3\.0 MB uploaded in 0:\d\d/, /✓ pumpctl 1\.4\.2 is registered as [0-9a-f]+/,
            ]
            for pattern in patterns { #expect(words.firstMatch(of: pattern) != nil, "\(words)") }
            // Nothing else is left: no bar, no piece of one.
            if columns > 40 { #expect(screen.allLines.count == patterns.count, "\(words)") }
            #expect(screen.unknown.isEmpty && push.isAsBefore)
            try await gateway.expectRegisteredOnce(firmware, gateway.registeredState())
        }

        @Test("The bar of the sending moves and stops with the agent; Ctrl-C leaves what the same command resumes")
        func interruptedWhileSending() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let firmware = TestFirmware(60_000_000)
            let words = try person.push(firmware, as: "pumpctl.bin", ["--segment", "16KiB"])
            let push = try person.atTerminal(words, columns: 80)
            try await push.waitForScreen("the sending") { bar("sending", $0)?.contains("%") ?? false }
            gateway.agent?.send(SIGSTOP)
            let seen = try await push.waitForScreen("a rate") { bar("sending", $0)?.contains("B/s") ?? false }
            let line = try #require(bar("sending", seen))
            #expect(line.firstMatch(of: /^sending +[█▏▎▍▌▋▊▉░]+ +\d+ % +[\d.]+ .?B\/s/) != nil, "\(line)")
            try push.interrupt()
            #expect(try await push.program.waitForExit() == .exited(75))
            #expect(push.screen.text.contains("otaferry: Interrupted"))
            #expect(push.screen.text.contains("The same command goes on where it stopped"))
            #expect(bar("sending", push.screen) == nil && push.isAsBefore, "\(push.screen.text)")
            gateway.agent?.send(SIGCONT)
            let again = try await person.run(words + ["--resume", "--until", "stored"])
            #expect(again.ending == .exited(0), "\(again.story)")
        }

        @Test("Ctrl-C during the upload says that the gateway goes on by itself, and it does")
        func interruptedWhileUploading() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let person = Person(gateway: gateway)
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 1_000_000, gate))
            let push = try person.atTerminal(try person.push(firmware), columns: 80)
            try await push.waitForScreen("the upload") { bar("uploading", $0)?.contains("%") ?? false }
            try push.interrupt()
            #expect(try await push.program.waitForExit() == .exited(75))
            #expect(push.screen.text.contains("goes on by itself;\n  otaferry watch ci/"), "\(push.screen.text)")
            gate.open()
            try await eventually("the firmware") { await gateway.cloud.firmware.count == 1 }
        }

        @Test("A window that becomes narrower and wider again keeps one bar that fits, and no pieces of old ones")
        func resize() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let person = Person(gateway: gateway)
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 1_000_000, gate))
            let push = try person.atTerminal(try person.push(firmware), columns: 80)
            try await push.waitForScreen("the upload") { bar("uploading", $0)?.contains("%") ?? false }
            for columns in [40, 200, 30, 80] {
                push.resize(columns: columns)
                let screen = try await push.waitForScreen("a bar for \(columns) columns") { screen in
                    guard let line = bar("uploading", screen) else { return false }
                    // Its bar and what follows take what there is, up to the longest bar.
                    return line.count < columns && line.count > min(columns, 60) - 24 && screen.lines.last == line
                }
                #expect(screen.lines.count { $0.contains("█") || $0.contains("░") } == 1, "\(screen.text)")
            }
            let before = push.screen
            #expect(before.lines.first == "pumpctl.bin, 3.0 MB, as pumpctl 1.4.2 to gw1")
            gate.open()
            #expect(try await push.program.waitForExit() == .exited(0))
            #expect(push.screen.allLines.count == 4, "\(push.screen.text)")
        }

        @Test("Without UTF-8 all is ASCII, with NO_COLOR nothing is colored, and a dumb terminal gets lines")
        func plain() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let words = try person.push(firmware)
            let ascii = try person.atTerminal(words, columns: 80, rows: 24, ["LC_ALL": "C", "NO_COLOR": "1"])
            #expect(try await ascii.program.waitForExit() == .exited(0), "\(ascii.screen.text)")
            #expect(ascii.written.utf8.allSatisfy { $0 < 0x80 })
            #expect(ascii.written.firstMatch(of: /\u{1B}\[[0-9;]*m/) == nil)
            #expect(ascii.screen.text.contains("+ pumpctl 1.4.2 is registered as"), "\(ascii.screen.text)")
            let dumb = try person.atTerminal(words, columns: 80, rows: 24, ["TERM": "dumb"])
            #expect(try await dumb.program.waitForExit() == .exited(0))
            #expect(!dumb.written.contains("\u{1B}") && dumb.written.contains("was registered before"))
            let pipe = try await person.run(words)
            #expect(pipe.ending == .exited(0) && !pipe.text().contains("\u{1B}"), "\(pipe.story)")
            #expect(pipe.lines().last?.hasPrefix("pumpctl 1.4.2 was registered before as ") == true)
        }

        @Test("While the agent is away the bar says so, and the push goes on when it is back")
        func agentAway() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let firmware = TestFirmware(40_000_000)
            let push = try person.atTerminal(
                try person.push(firmware, as: "pumpctl.bin", ["--segment", "16KiB"]),
                columns: 80
            )
            try await push.waitForScreen("the sending") { bar("sending", $0)?.contains("%") ?? false }
            try await gateway.kill()
            try await push.waitForText("the agent is away; waiting for it")
            try gateway.launch()
            #expect(try await push.program.waitForExit(within: .seconds(60)) == .exited(0), "\(push.screen.text)")
            #expect(push.screen.text.contains("✓ pumpctl 1.4.2 is registered"))
        }
    }
}
