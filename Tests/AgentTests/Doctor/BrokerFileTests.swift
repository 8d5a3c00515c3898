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
