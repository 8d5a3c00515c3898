import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("The page about the command line")
    struct CommandDocumentTests {
        private static let page = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../docs/commands.md").standardized

        /// The commands of the page, block by block.
        private func blocks() throws -> [String] {
            let parts = try String(contentsOf: Self.page, encoding: .utf8).components(separatedBy: "```sh\n")
            return parts.dropFirst().compactMap { $0.components(separatedBy: "```").first }
        }

        @Test("Every command of docs/commands.md does what it says, as printed")
        func commands() async throws {
            let gateway = try await Gateway()
            let person = Person(gateway: gateway)
            let blocks = try blocks()
            #expect(blocks.count >= 12)
            for (name, seed) in [("pumpctl.bin", 1), ("boot.bin", 2), ("rootfs.tar.gz", 3)] as [(String, UInt64)] {
                try gateway.folder.write(TemporaryFolder.bytes(300_000, seed: seed), to: name)
            }
            let program = try ProgramRunner.locate("otaferry")
            let configuration = gateway.folder.file("otaferry.toml")
            // The page leaves out what a gateway has in its place: the program, and the configuration file.
            let script = """
                set -eu
                otaferry() {
                    if [ "$1" = check ]; then "\(program)" "$@" --config "\(configuration)"; else "\(program)" "$@"; fi
                }

                """
            var environment = person.environment
            environment["OTAFERRY_GATEWAY"] = nil
            environment["OTAFERRY_SENDER"] = nil
            let shell = try ProgramRunner(
                "bash",
                ["-c", script + blocks.joined(separator: "\n")],
                environment: environment,
                folder: gateway.folder.path
            )
            #expect(try await shell.waitForExit(within: .seconds(120)) == .exited(0), "\(shell.story)")
            for words in [
                "gw1 answered in", "pumpctl 1.4.2 is registered as", "pumpctl 2.0.0 (2 files) is registered as",
                "pumpctl 1.4.3 is registered as", "History", "Window      22:00-06:00", "Everything is said again",
                "\"mistakes\":[]",
            ] {
                #expect(shell.text().contains(words), "\(words) in \(shell.text())")
            }
        }

        @Test("The page names every command and every exit code")
        func isComplete() async throws {
            let page = try String(contentsOf: Self.page, encoding: .utf8)
            let help = try await ProgramRunner.run("otaferry", ["--help"]).text()
            for name in [
                "push", "list", "show", "watch", "cancel", "retry", "pause", "resume", "describe", "priority", "purge",
                "limits", "ping", "sync", "check", "run",
            ] {
                #expect(help.contains("  \(name) "), "\(help)")
                #expect(page.contains("`\(name)"), "\(name)")
            }
            for code in [0, 1, 2, 64, 69, 75, 77, 78] { #expect(page.contains("\n| \(code) | ")) }
        }
    }
}
