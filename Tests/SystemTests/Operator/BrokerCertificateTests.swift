import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What commands, the doctor and the agent say about certificates.
    @Suite("Certificates and the broker")
    struct BrokerCertificateTests {
        /// A listener with TLS; returns its URL.
        private func broker(
            _ certificates: TestCertificates,
            _ more: String = ""
        ) async throws -> (MosquittoBroker, url: String) {
            let port = try LoopbackSocket.freePort()
            let broker = try await MosquittoBroker(configuration: certificates.listener(port) + more)
            return (broker, "mqtts://127.0.0.1:\(port)")
        }

        private func configuration(_ folder: TemporaryFolder, _ url: String, _ more: [String]) throws -> String {
            try folder.write(
                (["gateway = \"gw1\"", "[spool]", "path = \"\(folder.file("spool.db"))\"", "[broker]"]
                    + ["username = \"\"", "url = \"\(url)\""] + more).joined(separator: "\n") + "\n",
                to: "otaferry.toml"
            )
        }

        /// Commands, the doctor and the agent's log all have to say it.
        private func expect(
            _ words: [String],
            hint: (option: String, key: String),
            from broker: MosquittoBroker,
            _ url: String,
            ca: String
        ) async throws {
            let firmware = try broker.folder.write([1, 2, 3], to: "pumpctl.bin")
            let push = ["push", firmware, "--product", "pumpctl", "--version", "1.4.2", "--sender", "ci"]
            for command in [["ping"], ["status"], ["watch"], push, push + ["--time-limit", "1s"]] {
                let run = try await ProgramRunner.run(
                    "otaferry",
                    command + ["--broker", url, "--gateway", "gw1", "--ca-file", ca]
                )
                #expect(run.ending == .exited(69), "\(command): \(run.story)")
                for word in words + [hint.option] {
                    #expect(run.text(.errors).contains(word), "\(word) of \(command): \(run.story)")
                }
            }
            let file = try configuration(broker.folder, url, ["ca-file = \"\(ca)\""])
            let doctor = try await ProgramRunner.run("otaferry", ["doctor", "--json", "--offline", "--config", file])
            for word in words + [hint.key] { #expect(doctor.text().contains(word), "\(word): \(doctor.story)") }
            let agent = try ProgramRunner("otaferry", ["run", "--json", "--config", file])
            try await eventually(within: .seconds(20), "the agent's word") {
                agent.lines(.errors).contains { line in (words + [hint.key]).allSatisfy(line.contains) }
            }
            try await agent.stop()
        }

        @Test("An expired certificate of the broker points at its renewal and the clock")
        func expired() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1", days: -1)
            let (broker, url) = try await broker(certificates)
            try await expect(
                ["certificate has expired", "the clock of this machine"],
                hint: ("Renew the broker's", "Renew the broker's"),
                from: broker,
                url,
                ca: certificates.file("ca.pem")
            )
        }

        @Test("A broker that wants a client certificate is told with the names of option and key")
        func wanted() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1")
            let (broker, url) = try await broker(certificates, "require_certificate true")
            try await expect(
                ["the broker wants a client certificate"],
                hint: ("--cert-file and --key-file", "broker.cert-file and broker.key-file"),
                from: broker,
                url,
                ca: certificates.file("ca.pem")
            )
        }

        @Test("A key with a passphrase is told by check, and the agent never asks for it")
        func lockedKey() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1")
            try await certificates.sign("client", "DNS:client")
            let locked = certificates.file("locked.key")
            let key = ["pkey", "-in", certificates.file("client.key"), "-aes256", "-passout", "pass:x", "-out", locked]
            #expect(try await ProgramRunner.run("openssl", key).ending == .exited(0))
            let (broker, url) = try await broker(certificates, "require_certificate true")
            let text = try broker.folder.write("nothing", to: "text.pem")
            let files = ["ca-file = \"\(text)\"", "cert-file = \"\(certificates.file("client.pem"))\""]
            let file = try configuration(broker.folder, url, files + ["key-file = \"\(locked)\""])
            let check = try await ProgramRunner.run("otaferry", ["check", "--config", file])
            #expect(check.ending == .exited(78), "\(check.story)")
            for word in [
                "[broker] ca-file", "no certificate in PEM", "[broker] key-file", "has a passphrase", "openssl pkey",
            ] {
                #expect(check.text(.errors).contains(word), "\(word): \(check.story)")
            }
            let agent = try TerminalProgram(
                "otaferry",
                ["run", "--config", file, "--set", "broker.ca-file=\(certificates.file("ca.pem"))"],
                columns: 200
            )
            try await agent.waitForText("has a passphrase")
            #expect(!agent.written.contains("Enter PEM pass phrase"), "\(agent.written)")
            #expect(agent.written.contains("openssl pkey -in"), "\(agent.written)")
            try await agent.program.stop()
        }

        @Test("A push whose user name is in its certificate is told the sender's name")
        func senderOfCertificate() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1")
            try await certificates.sign("client", "DNS:client")
            let acl = try TemporaryFolder("acl")
            let file = try acl.write("topic read #\npattern write otaferry/v1/+/in/%u/#\n", to: "acl")
            let (broker, url) = try await broker(
                certificates,
                "require_certificate true\nuse_identity_as_username true\nacl_file \(file)"
            )
            let firmware = try broker.folder.write([1, 2, 3], to: "pumpctl.bin")
            let push = try await ProgramRunner.run(
                "otaferry",
                ["push", firmware, "--product", "pumpctl", "--version", "1", "--broker", url, "--gateway", "gw1"]
                    + ["--ca-file", certificates.file("ca.pem"), "--cert-file", certificates.file("client.pem")]
                    + ["--key-file", certificates.file("client.key")]
            )
            #expect(push.ending == .exited(77), "\(push.story)")
            #expect(push.text(.errors).contains("does not let the user of the certificate publish"), "\(push.story)")
            #expect(push.text(.errors).contains("--sender client"), "\(push.story)")
        }

        @Test("A certificate in a configuration without TLS is a warning of the doctor, and the agent starts")
        func unusedCertificate() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("client", "DNS:client")
            let broker = try await MosquittoBroker()
            let pair = ["cert-file = \"\(certificates.file("client.pem"))\""]
            let file = try configuration(
                broker.folder,
                broker.url,
                pair + ["key-file = \"\(certificates.file("client.key"))\""]
            )
            let doctor = try await ProgramRunner.run("otaferry", ["doctor", "--offline", "--config", file])
            #expect(doctor.text().contains("broker.cert-file counts for nothing at mqtt://"), "\(doctor.story)")
            #expect(try await ProgramRunner.run("otaferry", ["check", "--config", file]).ending == .exited(0))
        }

        @Test(
            "The doctor judges the access list for the name that the broker takes from the certificate",
            arguments: [("use_identity_as_username", "client"), ("use_subject_as_username", "CN=client")]
        )
        func nameOfCertificate(setting: String, user: String) async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("server", "IP:127.0.0.1")
            try await certificates.sign("client", "DNS:client")
            let acl = try TemporaryFolder("acl")
            let rights = ["topic readwrite otaferry/v1/#", "topic read $SYS/broker/version", "topic readwrite $file/#"]
            let list = ["user \(user)"] + rights + ["topic readwrite $file-async/#"]
            let file = try acl.write(list.joined(separator: "\n") + "\n", to: "acl")
            let (broker, url) = try await broker(
                certificates,
                "require_certificate true\n\(setting) true\nacl_file \(file)"
            )
            let files = ["ca", "client"].map(certificates.file).map { $0 + ".pem" }
            let keys = ["ca-file = \"\(files[0])\"", "cert-file = \"\(files[1])\""]
            let configured = try configuration(
                broker.folder,
                url,
                keys + ["key-file = \"\(certificates.file("client.key"))\""]
            )
            let doctor = try await ProgramRunner.run(
                "otaferry",
                ["doctor", "--offline", "--config", configured, "--broker-file", broker.folder.file("mosquitto.conf")]
            )
            #expect(doctor.text().contains("Firmware and commands reach the agent"), "\(doctor.story)")
            #expect(!doctor.text().contains("does not let"), "\(doctor.story)")
            #expect(!doctor.text().contains("a client without a name"), "\(doctor.story)")
        }

        @Test("The doctor takes files from where a person is")
        func relativePath() async throws {
            let certificates = try await TestCertificates()
            try await certificates.makeAuthority("other")
            try await certificates.sign("server", "IP:127.0.0.1")
            let (broker, url) = try await broker(certificates)
            let folder = URL(filePath: certificates.file("ca.pem")).deletingLastPathComponent().path
            let file = try configuration(broker.folder, url, [])
            for (name, word) in [("other.pem", "is not trusted"), ("./ca.pem", "answered in")] {
                let doctor = try ProgramRunner(
                    "otaferry",
                    ["doctor", "--offline", "--config", file, "--ca-file", name],
                    folder: folder
                )
                try await doctor.waitForExit(within: .seconds(30))
                #expect(doctor.text().contains(word), "\(doctor.story)")
            }
        }
    }
}
