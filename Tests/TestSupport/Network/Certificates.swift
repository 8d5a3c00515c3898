import Foundation

/// Certificates of a test's own, made by openssl: two authorities; of the first a server of 127.0.0.1, a server of
/// another host, and a client.
package final class Certificates: Sendable {
    private let folder: TemporaryFolder

    package init() async throws {
        folder = try TemporaryFolder("certificates")
        for name in ["ca", "other-ca"] {
            try await openssl(
                ["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=\(name)"] + Self.key
                    + ["-keyout", file("\(name).key"), "-out", file("\(name).pem")]
            )
        }
        try await sign("server", "IP:127.0.0.1")
        try await sign("stranger", "DNS:other.example")
        try await sign("client", "DNS:client")
    }

    private static let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]

    /// `ca.pem`, `other-ca.pem`, `server.pem`, `stranger.pem`, `client.pem` and the keys beside them.
    package func file(_ name: String) -> String { folder.file(name) }

    private func sign(_ name: String, _ subject: String) async throws {
        try await openssl(
            ["req", "-new", "-nodes", "-subj", "/CN=\(name)"] + Self.key
                + ["-keyout", file("\(name).key"), "-out", file("\(name).csr")]
        )
        try folder.write("subjectAltName=\(subject)\n", to: "\(name).ext")
        try await openssl([
            "x509", "-req", "-in", file("\(name).csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"),
            "-CAcreateserial", "-days", "2", "-extfile", file("\(name).ext"), "-out", file("\(name).pem"),
        ])
    }

    private func openssl(_ words: [String]) async throws {
        let program = try await ProgramRunner.run("openssl", words)
        guard program.ending == .exited(0) else { throw TestSupportError("openssl: \(program.text(.errors))") }
    }
}
