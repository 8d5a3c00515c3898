import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// The commands of a sender who may not command the agent, with the shipped access list.
    @Suite("A sender without the right to command")
    struct SenderRightsTests {
        private let firmware = TestFirmware(10_000)
        private static let login = ["--username", "ci"]

        /// The test itself comes without a name, and may do everything.
        private func gateway() async throws -> Gateway {
            let path = URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../../packaging/mosquitto/otaferry.acl").standardized.path
            let folder = try TemporaryFolder("acl")
            let acl = try folder.write(
                "topic readwrite #\ntopic readwrite $file/#\n" + String(contentsOfFile: path, encoding: .utf8),
                to: "acl"
            )
            return try await Gateway { $0.brokerConfiguration = "acl_file \(acl)" }
        }

        private func id(in text: String) throws -> Substring {
            try #require(text.firstMatch(of: /ci\/[0-9a-f]{16}/)).output
        }

        @Test("Watches its transfer from what the broker keeps, whole, by its id or the beginning of that")
        func watches() async throws {
            let gateway = try await gateway()
            let person = Person(gateway: gateway)
            let gate = Gate()
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 1, gate))
            let push = try await person.run(
                try person.push(firmware, as: "pumpctl.bin", ["--time-limit", "3s"] + Self.login)
            )
            #expect(push.ending == .exited(75), "\(push.story)")
            let address = try id(in: push.text(.errors))
            #expect(push.text(.errors).contains("otaferry watch \(address) --username ci"), "\(push.story)")
            for name in [address, address.dropFirst(3), address.dropFirst(3).prefix(8)] {
                let limit = ["--time-limit", "4s"]
                let watch = try await person.run(["watch", String(name)] + limit + Self.login)
                #expect(watch.ending == .exited(75) && watch.text().contains("\(address)"), "\(name): \(watch.story)")
            }
            let terminal = try person.atTerminal(["watch", String(address)] + Self.login, columns: 100)
            try await terminal.waitForText("History from now on; what was before is told to operators")
            try terminal.interrupt()
            #expect(try await terminal.program.waitForExit() == .exited(75))
            let text = terminal.screen.allLines.joined(separator: " ")
            #expect(text.contains("otaferry watch \(address) --username ci shows how it goes on"), "\(text)")
            let unknown = try await person.run(["watch", "ci/0000000000000000"] + Self.login)
            #expect(unknown.ending == .exited(1), "\(unknown.story)")
            #expect(unknown.text(.errors).contains("No transfer is called ci/0000000000000000"), "\(unknown.story)")
            let last = try person.start(["watch", String(address)] + Self.login)
            try await last.waitForLine { $0.contains("uploading") }
            gate.open()
            #expect(try await last.waitForExit() == .exited(0), "\(last.story)")
        }

        @Test("Is told an operator's commands as such, without its own credentials")
        func told() async throws {
            let gateway = try await gateway()
            let person = Person(gateway: gateway)
            let message = "You are not authorized to do this action."
            gateway.cloud.setFault(
                .generateUploadURL,
                .refuse(status: 403, code: "NoPermission", message: message),
                times: nil
            )
            let stopped = try await person.run(try person.push(firmware) + Self.login)
            #expect(stopped.ending == .exited(1), "\(stopped.story)")
            let text = stopped.text(.errors)
            #expect(text.lowercased().contains("an operator: otaferry "), "\(text)")
            #expect(!text.contains("--username"), "\(text)")
        }
    }
}
