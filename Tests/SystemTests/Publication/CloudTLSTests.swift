import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

/// What may be wrong with the peer of a TLS connection.
private enum Peer: String, CaseIterable {
    case good
    case expired
    case otherHost
    case unknownAuthority
    case tooOld

    /// The certificate that it shows.
    var certificate: String { self == .tooOld ? "good" : rawValue }
    var version: String { self == .tooOld ? "1.1" : "1.3" }
}

extension SystemTests {
    @Suite("Nothing is said to a cloud that cannot prove who it is")
    struct CloudTLSTests {
        private static func certificates() async throws -> TestCertificates {
            let certificates = try await TestCertificates()
            try await certificates.makeAuthority("other-ca")
            try await certificates.sign("good", "IP:127.0.0.1")
            try await certificates.sign("expired", "IP:127.0.0.1", days: -1)
            try await certificates.sign("otherHost", "DNS:oss.example")
            try await certificates.sign("unknownAuthority", "IP:127.0.0.1", by: "other-ca")
            return certificates
        }

        @Test("The gateway calls only whom the certificate proves, over TLS 1.2 or newer", arguments: Peer.allCases)
        private func platform(peer: Peer) async throws {
            let certificates = try await Self.certificates()
            let port = try LoopbackSocket.freePort()
            let server = try await TLSPeer(target: port, certificates, peer.certificate, version: peer.version)
            let gateway = try await Gateway {
                $0.cloud = { $0.port = port }
                $0.settings["cloud.endpoint"] = "https://127.0.0.1:\(server.port)/"
                $0.settings["cloud.ca-file"] = certificates.file("ca.pem")
            }
            try await expect(peer, server, gateway)
            #expect(peer == .good || gateway.cloud.calls.isEmpty)
        }

        @Test("The bytes go only to whom the certificate proves, over TLS 1.2 or newer", arguments: Peer.allCases)
        private func storage(peer: Peer) async throws {
            let certificates = try await Self.certificates()
            let port = try LoopbackSocket.freePort()
            let server = try await TLSPeer(target: port, certificates, peer.certificate, version: peer.version)
            let gateway = try await Gateway {
                $0.cloud = {
                    $0.port = port
                    $0.ticketHost = "https://127.0.0.1:\(server.port)"
                }
                $0.settings["cloud.ca-file"] = certificates.file("ca.pem")
            }
            try await expect(peer, server, gateway)
            #expect(peer == .good || gateway.cloud.calls(.postObject).isEmpty)
        }

        private func expect(_ peer: Peer, _ server: TLSPeer, _ gateway: Gateway) async throws {
            let firmware = TestFirmware(300_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            guard peer != .good else {
                let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
                try await gateway.expectRegisteredOnce(firmware, state)
                #expect(server.bytesTaken > 0)
                #expect(server.handshakes.allSatisfy { $0 == "TLSv1.3" })
                return
            }
            let waiting = try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0.reasonCode == "tls" }
            #expect(waiting["reason"]?["class"]?.string == "retry")
            #expect(waiting["reason"]?["hint"]?.string?.isEmpty == false)
            #expect(waiting["cloud"]?["next_attempt"]?.string != nil)
            // For whom a certificate is, libcurl looks at when the handshake is over and nothing is sent yet.
            try await eventually("the handshake") {
                !(peer == .otherHost ? server.handshakes : server.failures).isEmpty
            }
            #expect(server.bytesTaken == 0)
        }

        @Test(
            "A redirect is followed by no call, and nothing reaches the place that it names",
            arguments: Step.allCases
        )
        func redirect(step: Step) async throws {
            let folder = try TemporaryFolder("elsewhere")
            let elsewhere = try SimulatedCloud(configuration: CloudConfiguration(folder: folder.path))
            try await elsewhere.start()
            let gateway = try await Gateway()
            let firmware = TestFirmware(300_000)
            let answer = ScriptedAnswer(status: 307, headers: ["Location": elsewhere.endpoint])
            let call = step.call
            gateway.cloud.setFault(call, .answer(answer))
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state: TransferState = step == .register ? .registering : .stored
            let waiting = try await gateway.waitForState(state, of: firmware.oneShotID) { $0.reasonCode != nil }
            // Whoever answered, the cloud may have registered it before.
            #expect(waiting.reasonCode == (step == .register ? "register-unknown" : "cloud-unreachable"))
            #expect(waiting["reason"]?["class"]?.string == "retry")
            #expect(elsewhere.calls.isEmpty)
            #expect(gateway.cloud.calls(call).count == 1)
            await elsewhere.stop()
        }

        @Test("A ticket for a host that is not allowed holds the transfer, and nothing is sent there")
        func host() async throws {
            let certificates = try await TestCertificates()
            try await certificates.sign("good", "DNS:localhost")
            let port = try LoopbackSocket.freePort()
            let server = try await TLSPeer(target: port, certificates, "good")
            let gateway = try await Gateway {
                $0.cloud = {
                    $0.port = port
                    $0.ticketHost = "https://localhost:\(server.port)"
                }
                $0.settings["cloud.ca-file"] = certificates.file("ca.pem")
            }
            let firmware = TestFirmware(20_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let held = try await gateway.waitForState(.held, of: firmware.oneShotID)
            #expect(held.reasonCode == "host-not-allowed")
            #expect(held["reason"]?["text"]?.string?.contains("localhost") == true)
            #expect(server.failures.isEmpty && server.handshakes.isEmpty && server.bytesTaken == 0)
            #expect(gateway.cloud.calls(.postObject).isEmpty)
        }
    }
}
