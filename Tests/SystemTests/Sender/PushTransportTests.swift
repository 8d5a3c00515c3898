import FerryCore
import TestSupport
import Testing

extension PeopleTests {
    @Suite("otaferry push over other ways to the broker")
    struct PushTransportTests {
        private let firmware = TestFirmware(2_000_000)

        /// A gateway whose broker also listens with TLS for clients with a certificate, and on a socket.
        private func gateway(_ certificates: Certificates, _ port: UInt16, _ socket: String) async throws -> Gateway {
            try await Gateway { setup in
                setup.brokerConfiguration = """
                    listener \(port) 127.0.0.1
                    cafile \(certificates.file("ca.pem"))
                    certfile \(certificates.file("server.pem"))
                    keyfile \(certificates.file("server.key"))
                    require_certificate true
                    listener 0 \(socket)
                    """
            }
        }

        @Test("TLS with an authority and a certificate of one's own, and a local socket")
        func transports() async throws {
            let certificates = try await Certificates()
            let folder = try TemporaryFolder("socket")
            let port = try LoopbackSocket.freePort()
            let socket = folder.file("broker.sock")
            let gateway = try await gateway(certificates, port, socket)
            let person = Person(gateway: gateway)
            let words = try person.push(firmware)
            let secure = ["--broker", "mqtts://127.0.0.1:\(port)"]
            let ca = ["--ca-file", certificates.file("ca.pem")]
            let client = [
                "--cert-file", certificates.file("client.pem"), "--key-file", certificates.file("client.key"),
            ]

            let push = try await person.run(words + secure + ca + client)
            #expect(push.ending == .exited(0), "\(push.story)")
            try await gateway.expectRegisteredOnce(firmware, gateway.registeredState())
            let environment = [
                "OTAFERRY_BROKER": "mqtts://127.0.0.1:\(port)", "OTAFERRY_CA_FILE": certificates.file("ca.pem"),
                "OTAFERRY_CERT_FILE": certificates.file("client.pem"),
                "OTAFERRY_KEY_FILE": certificates.file("client.key"),
            ]
            let list = try await person.run(["list"], environment)
            #expect(list.ending == .exited(0) && list.text().contains("registered"), "\(list.story)")

            for options in [
                secure + client, secure + ca, secure + client + ["--ca-file", certificates.file("other-ca.pem")],
            ] {
                let refused = try await person.run(words + options)
                #expect(refused.ending == .exited(69), "\(options): \(refused.story)")
                #expect(refused.text(.errors).contains("otaferry: "))
            }
            let local = try await person.run(words + ["--broker", "mqtt+unix://\(socket)"])
            #expect(local.ending == .exited(0) && local.text().contains("was registered before"), "\(local.story)")
        }
    }
}
