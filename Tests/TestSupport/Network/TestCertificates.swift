/// Certificates of a test's own, made by openssl, valid for two days. Gone with the value that owns them.
package struct TestCertificates {
    private let folder: TemporaryFolder

    /// Makes the authority.
    package init() async throws {
        folder = try TemporaryFolder("certificates")
        try await makeAuthority("ca")
    }

    /// Where `NAME.pem` and `NAME.key` are; `ca` is the authority.
    package func file(_ name: String) -> String { folder.file(name) }

    /// The lines of a Mosquitto configuration for a listener with TLS.
    package func listener(_ port: UInt16, _ name: String = "server") -> String {
        """
        listener \(port) 127.0.0.1
        cafile \(file("ca.pem"))
        certfile \(file("\(name).pem"))
        keyfile \(file("\(name).key"))

        """
    }

    /// Makes an authority that signs itself.
    package func makeAuthority(_ name: String) async throws {
        try await run(
            ["req", "-x509", "-days", "2"] + Self.newKey + [
                "-subj", "/CN=\(name)", "-keyout", file("\(name).key"), "-out", file("\(name).pem"),
            ]
        )
    }

    /// Makes a certificate for a subject such as `IP:127.0.0.1`; with `days` -1 it is over since yesterday.
    package func sign(_ name: String, _ subject: String, by authority: String = "ca", days: Int = 2) async throws {
        try await run(
            ["req", "-new"] + Self.newKey + [
                "-subj", "/CN=\(name)", "-keyout", file("\(name).key"), "-out", file("\(name).csr"),
            ]
        )
        try folder.write("subjectAltName=\(subject)\n", to: "\(name).ext")
        try await run([
            "x509", "-req", "-in", file("\(name).csr"), "-CA", file("\(authority).pem"), "-CAkey",
            file("\(authority).key"), "-CAcreateserial", "-days", "\(days)", "-extfile", file("\(name).ext"), "-out",
            file("\(name).pem"),
        ])
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    private func run(_ words: [String]) async throws {
        let program = try await ProgramRunner.run("openssl", words)
        guard program.ending == .exited(0) else { throw TestSupportError("openssl: \(program.text(.errors))") }
    }
}
