import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Broker

/// A broker with TLS and what it takes, for one test.
private struct TLSBroker {
    let certificates: TestCertificates
    let broker: MosquittoBroker
    let port: Int

    init(
        _ certificates: TestCertificates,
        server: String = "server",
        requiresClient: Bool = false,
        version: String? = nil
    ) async throws {
        self.certificates = certificates
        let port = try LoopbackSocket.freePort()
        broker = try await MosquittoBroker(
            configuration: certificates.listener(port, server)
                + """
                require_certificate \(requiresClient)
                \(version.map { "tls_version \($0)" } ?? "")
                """
        )
        self.port = Int(port)
    }

    /// Why the first connection did not come about.
    func loss(authorities: String? = "ca.pem", certificate: String? = nil, key: String? = nil) async throws -> LinkError
    {
        var settings = LinkBench.settings(.tls(host: "127.0.0.1", port: port))
        settings.address.caFile = authorities.map(certificates.file)
        settings.address.certificateFile = certificate.map(certificates.file)
        settings.address.keyFile = key.map(certificates.file)
        let bench = try LinkBench(settings)
        try await eventually { !bench.losses.isEmpty || !bench.welcomes.isEmpty }
        #expect(bench.welcomes.isEmpty)
        await bench.link.stop()
        return try #require(bench.losses.first)
    }
}

@Suite("What is wrong with certificates")
struct TLSTroubleTests {
    private static let names = TLSTrouble.Names(authorities: "A", certificate: "C", key: "K", broker: "B")

    private static func events(of client: MosquittoClient) -> Int16 {
        var descriptor = pollfd(fd: client.socket, events: Int16(POLLIN) | 0x2000, revents: 0)
        poll(&descriptor, 1, 0)
        return descriptor.revents
    }

    @Test("The word of a broker that has hung up already is read before the connection is given up")
    func hungUpBeforeTheWrite() async throws {
        let certificates = try await TestCertificates()
        try await certificates.sign("server", "IP:127.0.0.1")
        let broker = try await TLSBroker(certificates, requiresClient: true)
        var settings = LinkBench.settings(.tls(host: "127.0.0.1", port: broker.port))
        settings.address.caFile = certificates.file("ca.pem")
        let client = try MosquittoClient(settings: settings, protocolVersion: 5)
        try client.connect()
        try await eventually {
            if !client.hasAgreedOnTLS, Self.events(of: client) & Int16(POLLIN) != 0 { #expect(client.read() == 0) }
            return client.hasAgreedOnTLS
        }
        let hasEnded: Int16 = 0x2000  // POLLRDHUP
        try await eventually { Self.events(of: client) & hasEnded != 0 }
        // Whatever comes now is answered with a reset: nobody is there to read it.
        send(client.socket, [0], 1, Int32(MSG_NOSIGNAL))
        try await eventually { Self.events(of: client) & Int16(POLLHUP) != 0 }
        try client.hold()
        let error = #expect(throws: LinkError.self) { try client.release() }
        #expect(error?.code == .tls && error?.trouble == .certificateWanted, "\(String(describing: error))")
    }

    @Test("An expired certificate of the broker is told as such, with the clock")
    func expired() async throws {
        let certificates = try await TestCertificates()
        try await certificates.sign("server", "IP:127.0.0.1", days: -1)
        let error = try await TLSBroker(certificates).loss()
        #expect(error.code == .tls && error.trouble == .expired, "\(error)")
        #expect(error.text.contains("the broker's certificate has expired (certificate verify failed:"), "\(error)")
        #expect(error.trouble?.remedy(Self.names).contains("clock of this machine") == true)
    }

    @Test("A certificate of another authority is told apart from one for another host")
    func authorityOrHost() async throws {
        let certificates = try await TestCertificates()
        try await certificates.makeAuthority("other")
        try await certificates.sign("server", "IP:127.0.0.1")
        try await certificates.sign("stranger", "DNS:other.example")
        let broker = try await TLSBroker(certificates)
        for authorities in ["other.pem", nil] {
            let error = try await broker.loss(authorities: authorities)
            #expect(error.trouble == .unknownAuthority, "\(error)")
            #expect(error.trouble?.remedy(Self.names).hasPrefix("A names") == true)
        }
        let error = try await TLSBroker(certificates, server: "stranger").loss()
        #expect(error.trouble == .anotherHost, "\(error)")
        #expect(error.trouble?.remedy(Self.names).hasPrefix("B has to name") == true)
    }

    @Test("A broker that wants a client certificate, or another one, says so", arguments: ["tlsv1.3", "tlsv1.2"])
    func client(version: String) async throws {
        let certificates = try await TestCertificates()
        try await certificates.makeAuthority("other")
        try await certificates.sign("server", "IP:127.0.0.1")
        try await certificates.sign("old", "DNS:client", days: -1)
        try await certificates.sign("foreign", "DNS:client", by: "other")
        let broker = try await TLSBroker(certificates, requiresClient: true, version: version)
        let none = try await broker.loss()
        #expect(none.code == .tls && none.trouble == .certificateWanted, "\(none)")
        #expect(none.trouble?.remedy(Self.names).hasPrefix("C and K name") == true)
        let old = try await broker.loss(certificate: "old.pem", key: "old.key")
        #expect(old.code == .tls && old.trouble == .certificateRefused(.expired, .expired), "\(old)")
        let foreign = try await broker.loss(certificate: "foreign.pem", key: "foreign.key")
        #expect(
            foreign.code == .tls && foreign.trouble == .certificateRefused(.unknownAuthority, .unknown),
            "\(foreign)"
        )
    }

    @Test("A file that is of no use is told before anybody is spoken to")
    func files() async throws {
        let certificates = try await TestCertificates()
        try await certificates.sign("client", "DNS:client")
        try await certificates.sign("second", "DNS:client")
        let encrypted = ["pkey", "-in", certificates.file("client.key"), "-aes256", "-passout", "pass:x", "-out"]
        #expect(
            try await ProgramRunner.run("openssl", encrypted + [certificates.file("locked.key")]).ending == .exited(0)
        )
        try Data().write(to: URL(filePath: certificates.file("empty.pem")))
        try Data("no PEM\n".utf8).write(to: URL(filePath: certificates.file("text.pem")))
        let table: [(ca: String, certificate: String?, key: String?, file: TLSFile, words: String)] = [
            ("none.pem", nil, nil, .authorities, "No such file"),
            ("", nil, nil, .authorities, "it is a directory"),
            ("empty.pem", nil, nil, .authorities, "it is empty"),
            ("text.pem", nil, nil, .authorities, "no certificate in PEM"),
            ("client.key", nil, nil, .authorities, "a private key, and no certificate"),
            ("ca.pem", "none.pem", "client.key", .certificate, "No such file"),
            ("ca.pem", "text.pem", "client.key", .certificate, "no certificate in PEM"),
            ("ca.pem", "client.key", "client.pem", .certificate, "a private key, and no certificate"),
            ("ca.pem", "client.pem", "client.pem", .key, "a certificate, and no private key"),
            ("ca.pem", "client.pem", "text.pem", .key, "no private key in PEM"),
            ("ca.pem", "client.pem", "second.key", .key, "not that of the certificate"),
            ("ca.pem", "client.pem", "locked.key", .key, "has a passphrase"),
        ]
        var access = BrokerAccess(transport: .tls(host: "127.0.0.1", port: 1))
        for row in table {
            access.caFile = certificates.file(row.ca)
            access.certificateFile = row.certificate.map(certificates.file)
            access.keyFile = row.key.map(certificates.file)
            let mistake = try #require(access.tlsMistakes.first, "\(row)")
            #expect(mistake.file == row.file && mistake.text.contains(row.words), "\(row): \(mistake)")
        }
        #expect(
            TLSTrouble.file(try #require(access.tlsMistakes.first)).remedy(Self.names).hasPrefix("openssl pkey -in /")
        )
        // The same from a connection, without a prompt.
        let bench = try LinkBench(
            {
                var settings = LinkBench.settings(access.transport); settings.address = access; return settings
            }()
        )
        try await eventually { !bench.losses.isEmpty }
        #expect(bench.losses.first?.text.contains("locked.key: the key has a passphrase") == true, "\(bench.losses)")
        await bench.link.stop()
        access.keyFile = certificates.file("client.key")
        #expect(access.tlsMistakes.isEmpty, "\(access.tlsMistakes)")
        access.transport = .tcp(host: "127.0.0.1", port: 1)
        access.caFile = certificates.file("none.pem")
        #expect(access.tlsMistakes.isEmpty)
    }

    @Test("A certificate that is not valid yet points at the clock")
    func early() throws {
        let trouble = try #require(TLSTrouble(verification: 9))
        #expect(trouble == .early && trouble.remedy(Self.names).hasPrefix("Set the clock"))
    }
}
