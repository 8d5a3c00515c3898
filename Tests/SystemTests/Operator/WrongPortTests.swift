import TestSupport
import Testing

extension PeopleTests {
    /// What people are told whose URL and port do not fit each other.
    @Suite("The wrong scheme for a port")
    struct WrongPortTests {
        private let commands = [["ping"], ["list"], ["status"], ["watch"], ["watch", "--time-limit", "1s"]]

        private func expect(_ url: String, _ words: [String], in commands: [[String]]) async throws {
            for command in commands {
                let run = try await ProgramRunner.run(
                    "otaferry",
                    command + ["--broker", url, "--gateway", "gw1", "--sender", "ci"]
                )
                #expect(run.ending == .exited(69), "\(command): \(run.story)")
                for word in words { #expect(run.text(.errors).contains(word), "\(command): \(run.story)") }
            }
        }

        @Test("mqtts:// to a port without TLS, and mqtt:// to one with it, are told with the remedy")
        func misfits() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1")
            let port = try LoopbackSocket.freePort()
            let broker = try await MosquittoBroker(configuration: certificates.listener(port))
            let file = try broker.folder.write([1, 2, 3], to: "pumpctl.bin")
            let push = ["push", file, "--product", "pumpctl", "--version", "1.4.2"]
            let all = commands + [push, push + ["--time-limit", "1s"]]
            try await expect(
                "mqtts://127.0.0.1:\(broker.port)",
                [
                    "hung up at the first bytes of TLS",
                    "--broker mqtt://127.0.0.1:\(broker.port), which sends the "
                        + "password unprotected",
                ],
                in: all
            )
            try await expect(
                "mqtt://127.0.0.1:\(port)",
                ["If the port speaks TLS: --broker mqtts://127.0.0.1:\(port)"],
                in: all
            )
            try await expect(
                "mqtts://127.0.0.1:\(port)",
                ["certificate verify failed", "--ca-file names"],
                in: all
            )
            let doctor = try await ProgramRunner.run(
                "otaferry",
                ["doctor", "--offline", "--set", "broker.url=mqtts://127.0.0.1:\(broker.port)", "--set"]
                    + ["spool.path=\(broker.folder.file("spool.db"))"]
            )
            #expect(doctor.text().contains("hung up at the first bytes of TLS"), "\(doctor.story)")
            try await broker.stop()
        }
    }
}
