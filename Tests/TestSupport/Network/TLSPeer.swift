import Foundation

/// A server that ends TLS before a plain server on this machine and counts what it decrypts. Gone with the value that owns
/// it.
package final class TLSPeer {
    /// Where clients connect.
    package let port: UInt16
    private let program: ProgramRunner

    /// Listens on a free port with `NAME.pem`; speaks TLS up to the version.
    package init(target: UInt16, _ certificates: TestCertificates, _ name: String, version: String = "1.3") async throws
    {
        port = try LoopbackSocket.freePort()
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "tls_peer.py").path
        program = try ProgramRunner(
            "/usr/bin/python3",
            [
                script, "\(port)", "\(target)", certificates.file("\(name).pem"), certificates.file("\(name).key"),
                version,
            ]
        )
        try await program.waitForLine(containing: "ready")
    }

    private var lines: [String] { program.text().split(separator: "\n").map(String.init) }

    /// Bytes of clients that were decrypted, on all connections.
    package var bytesTaken: Int { lines.last { $0.hasPrefix("took ") }.flatMap { Int($0.dropFirst(5)) } ?? 0 }

    /// Why handshakes failed.
    package var failures: [String] { lines.filter { $0.hasPrefix("no handshake") } }

    /// The versions of handshakes that came about.
    package var handshakes: [String] {
        lines.filter { $0.hasPrefix("handshake ") }.map { String($0.dropFirst("handshake ".count)) }
    }
}
