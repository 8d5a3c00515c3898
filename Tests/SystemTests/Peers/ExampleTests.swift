import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    /// Senders that share no code with ours: the examples of the documents, in other languages and over other libraries.
    @Suite("The examples of the documents")
    struct ExampleTests {
        private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../docs/examples").standardized.path

        /// Runs an example with 2 MB of firmware, which has to end registered in the cloud with the same bytes.
        private func expectRegistered(_ command: (Gateway, String) -> [String]) async throws {
            let gateway = try await Gateway()
            let bytes = TemporaryFolder.bytes(2_000_001, seed: 11)
            let file = try gateway.folder.write(bytes, to: "pumpctl.bin")
            let words = command(gateway, file)
            let example = try ProgramRunner(words[0], Array(words.dropFirst()))
            let ending = try await example.waitForExit(within: .seconds(60))
            #expect(ending == .exited(0), "\(example.text()) \(example.text(.errors))")
            try await eventually(within: .seconds(20), "one firmware in the cloud") {
                await gateway.cloud.firmware.count == 1
            }
            let object = try #require(await gateway.cloud.objects.first)
            #expect(try Array(Data(contentsOf: URL(filePath: object.path))) == bytes)
        }

        // The system's own Python, which has the distribution's paho.
        private static let python = "/usr/bin/python3"

        @Test("A Python sender over paho keeps the credit rule and sees its firmware registered")
        func python() async throws {
            try await expectRegistered { gateway, file in
                let script = Self.folder + "/send.py"
                return [
                    Self.python, script, "127.0.0.1", "\(gateway.broker.port)", Gateway.name, "ci", file, "pumpctl",
                    "3.1",
                ]
            }
        }

        @Test("A Python client of EMQX's file transfer over paho is served unchanged")
        func fileTransfer() async throws {
            try await expectRegistered { gateway, file in
                let script = Self.folder + "/emqx_file_transfer.py"
                return [Self.python, script, "127.0.0.1", "\(gateway.broker.port)", file, "pumpctl", "3.2"]
            }
        }

        @Test("A sender made of a shell and mosquitto-clients sees its firmware registered")
        func shell() async throws {
            try await expectRegistered { gateway, file in
                let script = Self.folder + "/send.sh"
                return [script, "127.0.0.1", "\(gateway.broker.port)", Gateway.name, "ci", file, "pumpctl", "3.3"]
            }
        }

        @Test("The shell's sender shows at once why its firmware is refused")
        func shellRefused() async throws {
            let gateway = try await Gateway()
            let file = try gateway.folder.write([1, 2, 3], to: "note \"a\".txt")
            let script = Self.folder + "/send.sh"
            let words = ["127.0.0.1", "\(gateway.broker.port)", Gateway.name, "ci", file, "pumpctl", "3.4"]
            let sender = try await ProgramRunner.run(script, words)
            #expect(sender.ending == .exited(1), "\(sender.story)")
            #expect(sender.text().contains("bad-suffix"), "\(sender.story)")
        }

        /// The indented commands of a page, block by block.
        private func commands(of page: String) throws -> [String] {
            let path = Self.folder + "/../" + page
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(
                separator: "\n",
                omittingEmptySubsequences: false
            )
            return lines.split { !$0.hasPrefix("    ") }.map { $0.map { $0.dropFirst(4) }.joined(separator: "\n") }
                .filter { $0.contains("mosquitto_") }
        }

        @Test("Every command of docs/mqtt-api.md does what it says, as printed")
        func interfaceCommands() async throws {
            let gateway = try await Gateway()
            let blocks = try commands(of: "mqtt-api.md")
            #expect(blocks.count >= 9)
            // The programs take their defaults from these files, so the commands run as they are printed. One that listens
            // for ever is stopped after a moment.
            for program in ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"] {
                try gateway.folder.write("-h 127.0.0.1\n-p \(gateway.broker.port)\n", to: program)
            }
            try gateway.folder.write(TemporaryFolder.bytes(700_000, seed: 3), to: "pumpctl.bin")
            let script = """
                set -eu
                mosquitto_sub() { timeout 2 mosquitto_sub "$@" || [ $? -eq 124 ]; }
                """
            let words = ["-c", ([script] + blocks + ["wait"]).joined(separator: "\n")]
            let shell = try ProgramRunner(
                "bash",
                words,
                environment: ["XDG_CONFIG_HOME": gateway.folder.path],
                folder: gateway.folder.path
            )
            #expect(try await shell.waitForExit(within: .seconds(60)) == .exited(0), "\(shell.text(.errors))")
            let output = shell.text()
            // One message, segments, EMQX's door, status and the answer to a command have all been heard of.
            for word in ["\"reason_code\":0", "\"limits\"", "\"request\":\"my-1\"", "\"sender\":\"ci\""] {
                #expect(output.contains(word), "\(word) in \(output)")
            }
            try await gateway.waitForState(.registered, of: "pumpctl-1.4.2")
        }
    }
}
