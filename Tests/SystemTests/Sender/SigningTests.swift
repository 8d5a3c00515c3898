import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// `push --sign` and the program that signs.
    @Suite("Signing what is pushed")
    struct SigningTests {
        private let folder: TemporaryFolder
        private let words: [String]
        private var key: String { folder.file("key") }

        init() async throws {
            folder = try TemporaryFolder("signing")
            let file = try folder.write([1, 2, 3], to: "pumpctl.bin")
            words = [
                "push", file, "--product", "pumpctl", "--version", "1.4.2", "--sender", "ci", "--sign",
                folder.file("key"), "--broker", "mqtt://127.0.0.1:1",
            ]
            let made = try await ProgramRunner.run(
                "ssh-keygen",
                ["-q", "-t", "ed25519", "-N", "secret", "-f", folder.file("key")]
            )
            #expect(made.ending == .exited(0), "\(made.text(.errors))")
        }

        /// Whether a program runs that has the key among its arguments.
        private var isKeyInUse: Bool {
            let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            return processes.contains { process in
                guard let line = try? Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline")) else { return false }
                return String(decoding: line, as: UTF8.self).contains(key)
            }
        }

        @Test(
            "One Ctrl-C at the passphrase, or a signal, ends push and the program that asks",
            arguments: [true, false]
        )
        func interrupted(byKey: Bool) async throws {
            let push = try TerminalProgram("otaferry", words, columns: 80)
            try await push.waitForText("passphrase")
            try await eventually { !push.isAsBefore }
            if byKey { try push.interrupt() } else { push.program.send(SIGTERM) }
            #expect(try await push.program.waitForExit(within: .seconds(5)) == .exited(75), "\(push.written)")
            #expect(push.isAsBefore && push.written.contains("Interrupted"), "\(push.written)")
            #expect(!isKeyInUse)
        }

        @Test("Where nobody can be asked for the passphrase, ssh-agent is pointed at")
        func withoutTerminal() async throws {
            let push = try await ProgramRunner.run(
                "otaferry",
                words,
                environment: ["SSH_ASKPASS": "/bin/false", "DISPLAY": "", "SSH_AUTH_SOCK": ""]
            )
            #expect(push.ending == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("ssh-add \(key) gives the key to ssh-agent"), "\(push.story)")
            #expect(push.text(.errors).contains("--sign \(key).pub"), "\(push.story)")
        }

        @Test("A key of a kind that no gateway checks is told before anything is sent")
        func otherKind() async throws {
            let other = folder.file("rsa")
            let made = try await ProgramRunner.run("ssh-keygen", ["-q", "-t", "rsa", "-N", "", "-f", other])
            #expect(made.ending == .exited(0), "\(made.story)")
            let push = try await ProgramRunner.run("otaferry", words.map { $0 == key ? other : $0 })
            #expect(push.ending == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("take a key of kind ssh-ed25519 or ecdsa-sha2"), "\(push.story)")
        }

        @Test("A key that others may read is told in words, without a frame")
        func openKey() async throws {
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
            let push = try await ProgramRunner.run("otaferry", words)
            #expect(push.ending == .exited(1), "\(push.story)")
            #expect(push.text(.errors).contains("are too open. It is required"), "\(push.story)")
            #expect(!push.text(.errors).contains("@"), "\(push.story)")
        }
    }
}
