import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("Secrets")
    struct SecretsTests {
        private static let secret = "CANARYkey7Hq2vT9zLw4XsYb1"
        private static let token = "CANARYtoken8Jr3mN6cPd5Gf0Ka"
        private static let proxyPassword = "CANARYproxy1Uv5eQ8xRi2"
        private static let brokerPassword = "CANARYmqtt4Wz7tO3yBn9"

        private static func credentials(secret: String) -> String {
            "[default]\ntype = sts\naccess_key_id = STS.visible\naccess_key_secret = \(secret)\nsecurity_token = \(token)\n"
        }

        /// Success, and failures of every call whose answers repeat what was sent.
        private func live(_ gateway: Gateway) async throws {
            let cloud = gateway.cloud
            let telling = "server string to sign is:\(Self.secret)&SecurityToken=\(Self.token)"
            cloud.setFault(.generateUploadURL, .refuse(status: 400, code: "Throttling.User", message: telling))
            cloud.setFault(.generateUploadURL, .hangUp)
            cloud.setFault(.postObject, .refuse(status: 500, code: "InternalError", message: "a fault"))
            cloud.setFault(.postObject, .hangUpUpload(afterBytes: 10_000))
            cloud.setFault(.createFirmware, .hangUpAfterwards)
            let first = TestFirmware(100_000)
            try await gateway.send("put/pumpctl/1.4.2", first.bytes)
            try await gateway.waitForState(.registered, of: first.oneShotID)
            // A wrong key: the cloud answers with the text to sign, which holds the token.
            let path = gateway.folder.file("credentials")
            try gateway.folder.write(Self.credentials(secret: Self.secret + "wrong"), to: "credentials")
            let second = TestFirmware(100_000, version: "1.4.3", seed: 3)
            try await gateway.send("put/pumpctl/1.4.3", second.bytes)
            try await gateway.waitForState(.held, of: second.oneShotID) { $0.reasonCode == "credentials" }
            // The right one again is picked up without a restart.
            try gateway.folder.write(Self.credentials(secret: Self.secret), to: "credentials")
            #expect(FileManager.default.fileExists(atPath: path))
            _ = try await gateway.command("retry", ["transfer": .string(second.oneShotID)])
            try await gateway.waitForState(.registered, of: second.oneShotID)
        }

        private func found(_ canary: String, in bytes: Data) -> Bool {
            let forms = [
                canary, Data(canary.utf8).base64EncodedString(),
                canary.utf8.map { String(format: "%02x", $0) }.joined(),
            ]
            return forms.contains { bytes.range(of: Data($0.utf8)) != nil }
        }

        @Test("They show in no log, topic, spool, command line or error")
        func canaries() async throws {
            let login = ForwardProxy.Login(user: "gate", password: Self.proxyPassword)
            let proxy = try ForwardProxy(.http, login: login)
            let gateway = try await Gateway {
                $0.isStarted = false
                $0.cloud = {
                    $0.accessKeys = [.init(id: "STS.visible", secret: Self.secret, securityToken: Self.token)]
                }
            }
            try gateway.folder.write(Self.credentials(secret: Self.secret), to: "credentials")
            try gateway.folder.write(Self.brokerPassword + "\n", to: "mqtt-password")
            for name in ["credentials", "mqtt-password"] {
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o600],
                    ofItemAtPath: gateway.folder.file(name)
                )
            }
            try FileManager.default.createDirectory(
                atPath: gateway.folder.file("otaferry.d"),
                withIntermediateDirectories: true
            )
            try gateway.folder.write(
                """
                [broker]
                username = "otaferry"
                password-file = "\(gateway.folder.file("mqtt-password"))"

                [cloud]
                proxy = "http://gate:\(Self.proxyPassword)@127.0.0.1:\(proxy.port)"

                [log]
                level = "trace"

                """,
                to: "otaferry.d/50-secrets.toml"
            )
            let everything = try await MQTTClient(port: gateway.broker.port, topics: ["#"])
            try await gateway.start()
            try await live(gateway)

            let agent = try #require(gateway.agent)
            var places: [String: Data] = [
                "standard output": Data(agent.text(.output).utf8), "the log": Data(agent.text(.errors).utf8),
                "the command line": try Data(
                    contentsOf: URL(fileURLWithPath: "/proc/\(agent.processID)/cmdline")
                ),
                "topics": everything.messages.reduce(into: Data()) { $0 += Data($1.topic.utf8) + Data($1.payload) },
            ]
            let check = try await ProgramRunner.run(
                "otaferry",
                ["check", "--config", gateway.folder.file("otaferry.toml")]
            )
            #expect(check.ending == .exited(0), "\(check.text(.errors))")
            places["check"] = Data((check.text(.output) + check.text(.errors)).utf8)
            try await gateway.stop()
            let spool = gateway.folder.file("spool")
            for name in try FileManager.default.contentsOfDirectory(atPath: spool) {
                places["the spool's \(name)"] = try Data(contentsOf: URL(fileURLWithPath: spool + "/" + name))
            }
            #expect(places["the spool's spool.db"]?.isEmpty == false && places["topics"]?.isEmpty == false)
            #expect(agent.text(.errors).contains("register"))
            var canaries = [Self.secret, Self.token, Self.proxyPassword, Self.brokerPassword]
            // What a ticket gives away.
            let form = try #require(gateway.cloud.calls(.postObject).last?.parameters)
            canaries += [try #require(form["policy"]), try #require(form["signature"])]
            for (place, bytes) in places {
                for (number, canary) in canaries.enumerated() {
                    #expect(!found(canary, in: bytes), "secret \(number) shows in \(place)")
                }
            }
        }
    }
}
