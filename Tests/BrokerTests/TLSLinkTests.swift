import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Broker

extension Certificates {
    fileprivate func broker(_ name: String, requiresClient: Bool = false) async throws -> (MosquittoBroker, port: Int) {
        let port = try LoopbackSocket.freePort()
        let broker = try await MosquittoBroker(
            configuration: """
                listener \(port) 127.0.0.1
                cafile \(file("ca.pem"))
                certfile \(file("\(name).pem"))
                keyfile \(file("\(name).key"))
                require_certificate \(requiresClient)
                """
        )
        return (broker, Int(port))
    }

    fileprivate func settings(port: Int, authority: String?, client: Bool = false) -> BrokerLinkSettings {
        var settings = LinkBench.settings(.tls(host: "127.0.0.1", port: port))
        settings.address.caFile = authority.map { file("\($0).pem") }
        if client {
            settings.address.certificateFile = file("client.pem")
            settings.address.keyFile = file("client.key")
        }
        return settings
    }
}

@Suite("A connection with TLS")
struct TLSLinkTests {
    @Test("The own authority is trusted, an unknown one, the system's store and another host's certificate are not")
    func authorities() async throws {
        let certificates = try await Certificates()
        let (broker, port) = try await certificates.broker("server")
        let bench = try LinkBench(certificates.settings(port: port, authority: "ca"))
        try await bench.connected()
        try await MQTTProbe.publish(port: broker.port, topic: "in/x", TemporaryFolder.bytes(300_000))
        try await eventually { bench.messages.first?.payload == TemporaryFolder.bytes(300_000) }
        await bench.link.stop()

        let (stranger, strangePort) = try await certificates.broker("stranger")
        for (port, authority) in [(port, "other-ca"), (port, nil), (strangePort, "ca")] as [(Int, String?)] {
            let refused = try LinkBench(certificates.settings(port: port, authority: authority))
            try await eventually { !refused.losses.isEmpty }
            #expect(refused.losses.first?.code == .tls, "\(port) \(authority ?? "system"): \(refused.losses)")
            #expect(refused.losses.first?.misfit == nil, "\(refused.losses)")
            #expect(refused.welcomes.isEmpty)
            await refused.link.stop()
        }
        try await stranger.stop()
    }

    @Test("A client certificate lets in where one is required")
    func clientCertificate() async throws {
        let certificates = try await Certificates()
        let (broker, port) = try await certificates.broker("server", requiresClient: true)
        let with = try LinkBench(certificates.settings(port: port, authority: "ca", client: true))
        try await with.connected()
        await with.link.stop()
        let without = try LinkBench(certificates.settings(port: port, authority: "ca"))
        try await eventually { !without.losses.isEmpty }
        // With TLS 1.3 the broker hangs up after a handshake that went well for us.
        #expect([.tls, .lost].contains(without.losses.first?.code), "\(without.losses)")
        #expect(without.welcomes.isEmpty)
        await without.link.stop()
        try await broker.stop()
    }

    @Test("A file that is no certificate is told as such", arguments: ["/nowhere/ca.pem", "/etc/hostname"])
    func badFile(path: String) async throws {
        let broker = try await MosquittoBroker()
        var settings = LinkBench.settings(.tls(host: "127.0.0.1", port: Int(broker.port)))
        settings.address.caFile = path
        let bench = try LinkBench(settings)
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.code == .tls, "\(bench.losses)")
        await bench.link.stop()
    }

    @Test("A broker that speaks no TLS is told as such")
    func plainBroker() async throws {
        let broker = try await MosquittoBroker()
        let certificates = try await Certificates()
        let bench = try LinkBench(certificates.settings(port: Int(broker.port), authority: "ca"))
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.code == .tls, "\(bench.losses)")
        // Mosquitto hangs up without a word.
        #expect(bench.losses.first?.misfit == .hungUp, "\(bench.losses)")
        await bench.link.stop()
    }

    @Test(
        "Only who answers with something else speaks no TLS; who hangs up may have no broker",
        arguments: [true, false]
    )
    func plainAnswer(answers: Bool) async throws {
        let peer = try ScriptedPeer { client, _ in
            // The beginning of a ClientHello, as far as a packet of MQTT is like one.
            _ = client.read()
            if answers { client.write(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)) }
        }
        let certificates = try await Certificates()
        let bench = try LinkBench(certificates.settings(port: Int(peer.port), authority: "ca"))
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.code == .tls, "\(bench.losses)")
        #expect(bench.losses.first?.misfit == (answers ? .plainPort : .hungUp), "\(bench.losses)")
        await bench.link.stop()
    }

    @Test("A broker with TLS that is killed says nothing of another port")
    func killed() async throws {
        let certificates = try await Certificates()
        let (broker, port) = try await certificates.broker("server")
        let bench = try LinkBench(certificates.settings(port: port, authority: "ca"))
        try await bench.connected()
        try await broker.kill()
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.code == .lost && bench.losses.first?.misfit == nil, "\(bench.losses)")
        await bench.link.stop()
    }

    @Test("A port that speaks TLS is told as such to who does not")
    func secureBroker() async throws {
        let certificates = try await Certificates()
        let (broker, port) = try await certificates.broker("server")
        let bench = try LinkBench(LinkBench.settings(.tcp(host: "127.0.0.1", port: port)))
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.misfit == .securePort, "\(bench.losses)")
        await bench.link.stop()
        try await broker.stop()
    }

    @Test("OpenSSL's own words say why a handshake failed")
    func words() async throws {
        let certificates = try await Certificates()
        let (broker, port) = try await certificates.broker("server")
        let bench = try LinkBench(certificates.settings(port: port, authority: "other-ca"))
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.text.contains("(certificate verify failed: ") == true, "\(bench.losses)")
        await bench.link.stop()
        try await broker.stop()
    }

    @Test("A connection that breaks after the broker's first word says nothing of TLS")
    func laterLoss() async throws {
        let broker = try await MosquittoBroker()
        let bench = try LinkBench(LinkBench.settings(.tcp(host: "127.0.0.1", port: Int(broker.port))))
        try await bench.connected()
        try await broker.kill()
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.code == .lost && bench.losses.first?.misfit == nil, "\(bench.losses)")
        await bench.link.stop()
    }
}
