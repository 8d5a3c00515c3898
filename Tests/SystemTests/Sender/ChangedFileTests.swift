import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// A build that still writes, a copy over the file: what is pushed is what was read at the beginning, or nothing.
    @Suite("A file that changes while it is pushed")
    struct ChangedFileTests {
        private let firmware = TestFirmware(20_000_000)

        /// A push that was stopped in the middle of the sending, by an agent that is gone.
        private func begun(_ gateway: Gateway, with other: [String] = []) async throws -> (
            push: ProgramRunner, path: String
        ) {
            let words = try Person(gateway: gateway).push(firmware, as: "pumpctl.bin", ["--segment", "64KiB"] + other)
            let push = try Person(gateway: gateway).start(words)
            try await eventually("some bytes") {
                gateway.probe.messages.contains {
                    $0.topic.hasSuffix("/ack") && $0.json?["received"]?.integer ?? 0 > 2_000_000
                }
            }
            try await gateway.kill()
            return (push, words[1])
        }

        /// Writes into the file, as it lies there.
        private func overwrite(_ path: String, _ bytes: [UInt8]) throws {
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try file.write(contentsOf: bytes)
            try file.close()
        }

        private func expectNothingLeft(_ gateway: Gateway) async throws {
            let list = try await Person(gateway: gateway).run(["list", "--json"])
            let states = try JSONValue(parsing: Array(list.text().utf8))["states"]?.array
            #expect(states == [], "\(list.story)")
            #expect(await gateway.cloud.firmware.isEmpty)
        }

        @Test("It ends the push, which says so, and the gateway keeps nothing of it; the same command sends it anew")
        func overwritten() async throws {
            let gateway = try await Gateway()
            let (push, path) = try await begun(gateway)
            let other = TestFirmware(20_000_000, seed: 8)
            try overwrite(path, other.bytes)
            try gateway.launch()
            #expect(try await push.waitForExit(within: .seconds(60)) == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("otaferry: \(path) changed while it was sent\n"), "\(push.story)")
            #expect(push.text(.errors).contains("the gateway has forgotten what had come"), "\(push.story)")
            try await expectNothingLeft(gateway)
            let words = ["push", path, "--product", "pumpctl", "--version", "1.4.2"]
            let again = try await Person(gateway: gateway).run(words)
            #expect(again.ending == .exited(0), "\(again.story)")
            try await gateway.expectRegisteredOnce(other, gateway.registeredState())
        }

        @Test("One that becomes shorter ends it so too")
        func truncated() async throws {
            let gateway = try await Gateway()
            let (push, path) = try await begun(gateway)
            #expect(truncate(path, 1_000_000) == 0)
            try gateway.launch()
            #expect(try await push.waitForExit(within: .seconds(60)) == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("changed while it was sent\n"), "\(push.story)")
            try await expectNothingLeft(gateway)
        }

        @Test("Bytes that are others behind an old time of change are found by the checksum")
        func dated() async throws {
            let gateway = try await Gateway()
            let (push, path) = try await begun(gateway)
            var before = stat()
            #expect(stat(path, &before) == 0)
            try overwrite(path, TestFirmware(20_000_000, seed: 8).bytes)
            #expect(utimensat(AT_FDCWD, path, [before.st_atim, before.st_mtim], 0) == 0)
            try gateway.launch()
            #expect(try await push.waitForExit(within: .seconds(60)) == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("changed while it was sent\n"), "\(push.story)")
            try await expectNothingLeft(gateway)
        }

        @Test("The files of its package that came before it wait in vain, and the push says how they are ended")
        func package() async throws {
            let gateway = try await Gateway()
            let boot = try gateway.folder.write(TestFirmware(1_000).bytes, to: "boot.bin")
            let (push, path) = try await begun(gateway, with: [boot])
            try overwrite(path, TestFirmware(20_000_000, seed: 8).bytes)
            try gateway.launch()
            #expect(try await push.waitForExit(within: .seconds(60)) == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("otaferry: \(path) changed while it was sent\n"), "\(push.story)")
            #expect(push.text(.errors).contains("the gateway has forgotten what had come"), "\(push.story)")
            let command = try #require(push.text(.errors).firstMatch(of: /in vain: otaferry (cancel ci\/\w+)/)).output.1
            let words = command.split(separator: " ").map(String.init)
            #expect(try await Person(gateway: gateway).run(words).ending == .exited(0))
            #expect(try await Person(gateway: gateway).run(["purge", words[1]]).ending == .exited(0))
            try await expectNothingLeft(gateway)
        }

        @Test("The same bytes written once more change nothing")
        func touched() async throws {
            let gateway = try await Gateway()
            let (push, path) = try await begun(gateway)
            try overwrite(path, firmware.bytes)
            try gateway.launch()
            #expect(try await push.waitForExit(within: .seconds(60)) == .exited(0), "\(push.story)")
            try await gateway.expectRegisteredOnce(firmware, gateway.registeredState())
        }

        @Test("Where another file takes its name, the one that was there at first is sent, and the push says so")
        func replaced() async throws {
            let gateway = try await Gateway()
            let (push, path) = try await begun(gateway)
            let other = try gateway.folder.write(TestFirmware(1_000).bytes, to: "new.bin")
            #expect(rename(other, path) == 0)
            try gateway.launch()
            #expect(try await push.waitForExit(within: .seconds(60)) == .exited(0), "\(push.story)")
            let note = "\(path) was replaced meanwhile; sent is the file that was there at first"
            #expect(push.lines().contains(note), "\(push.story)")
            try await gateway.expectRegisteredOnce(firmware, gateway.registeredState())
        }
    }
}
