import Broker
import Foundation
import TestSupport
import Testing

@testable import Agent

@Suite("The broker's files that doctor does not see")
struct BrokerFileTests {
    private func findings(user: UInt32, file: String? = "/nowhere/mosquitto.conf") -> [Finding] {
        var examination = BrokerExamination(configuration: Configuration(), brokerFile: file, isQueueProbed: false)
        examination.user = user
        return examination.files(BrokerExamination.Facts())
    }

    @Test("Root is told the option that names them, and nobody who is root to become root")
    func root() {
        for finding in findings(user: 0) where finding.grade == .skipped {
            #expect(finding.text == "/nowhere/mosquitto.conf is not there or cannot be read")
            #expect(finding.remedy.hasPrefix("Name Mosquitto's configuration with --broker-file"), "\(finding.remedy)")
        }
        #expect(findings(user: 0).contains { $0.grade == .skipped })
    }

    @Test("The remedy for a refused login names the file that the password comes from")
    func login() {
        var configuration = Configuration()
        #expect(configuration.loginRemedy.contains("is in neither /etc/credstore/otaferry.mqtt-password nor"))
        configuration.serviceCredentials.mqttPassword = "/run/credentials/otaferry.service/mqtt-password"
        #expect(configuration.loginRemedy.contains("in /etc/credstore/otaferry.mqtt-password, which the agent gets"))
        configuration.broker.passwordFile = "/etc/otaferry/password"
        #expect(configuration.loginRemedy.contains("in /etc/otaferry/password (broker.password-file),"))
    }

    @Test("A hint about the access key names the file that it comes from, and when that is read")
    func accessKey() {
        var configuration = Configuration()
        let hint = "Correct the credentials file; it is read again by itself"
        #expect(
            configuration.named(credentialsHint: hint)
                == "Correct the credentials file /etc/otaferry/credentials; it is read again by itself"
        )
        configuration.serviceCredentials.aliyun = "/run/credentials/otaferry.service/aliyun"
        #expect(
            configuration.named(credentialsHint: hint)
                == "Correct the credentials file /etc/credstore/otaferry.aliyun (then: sudo systemctl restart otaferry)"
        )
        configuration.cloud.credentials.source = .chain
        #expect(configuration.named(credentialsHint: hint) == hint)
    }

    @Test("A refused login says nothing of the agent where its password may be one that only root sees")
    func hiddenPassword() throws {
        let folder = try TemporaryFolder("credstore")
        try FileManager.default.createDirectory(
            atPath: folder.file("etc/credstore"),
            withIntermediateDirectories: true
        )
        let file = try folder.write("o", to: "etc/credstore/otaferry.mqtt-password")
        var examination = BrokerExamination(configuration: Configuration(), isQueueProbed: false)
        examination.store = CredentialStore(host: HostFiles(root: folder.path))
        examination.user = 1_000
        let refused = LinkError(.notAuthorized, "Not authorized")
        // Root, as which the tests may run, reads it in any case.
        if getuid() != 0 {
            try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: file)
            #expect(examination.unreachable(refused).grade == .skipped)
            #expect(examination.unreachable(refused).remedy == "sudo otaferry doctor")
        }
        examination.user = 0
        #expect(examination.unreachable(refused).grade == .error)
    }

    @Test("Another user is told to look as root first")
    func other() {
        let skipped = findings(user: 1_000).filter { $0.grade == .skipped }
        #expect(!skipped.isEmpty)
        for finding in skipped {
            #expect(
                finding.remedy.hasPrefix(
                    "sudo otaferry doctor; if it says the same: name Mosquitto's configuration with --broker-file"
                ),
                "\(finding.remedy)"
            )
        }
    }
}
