import FerryCore
import Glibc
import Synchronization

/// Credentials from an INI file of the official SDKs' form.
///
/// The file is read again when its modification time or size has changed, so that a new key needs no restart.
package final class CredentialsFile: CredentialSource {
    private struct Stamp: Sendable, Equatable {
        let seconds: Int
        let nanoseconds: Int
        let size: Int64
        let inode: UInt64
    }
    private struct Known: Sendable {
        let stamp: Stamp
        let credentials: Credentials
    }

    private let path: String
    private let profile: String
    private let known = Mutex<Known?>(nil)

    /// Larger files are something else.
    private static let sizeLimit = 64 << 10

    /// - Parameter profile: the section of the file.
    package init(path: String, profile: String = "default") {
        self.path = path
        self.profile = profile
    }

    package func credentials() async throws(CloudError) -> Credentials {
        let stamp = try stamp()
        if let known = known.withLock({ $0 }), known.stamp == stamp { return known.credentials }
        let credentials = try parse(read())
        known.withLock { $0 = Known(stamp: stamp, credentials: credentials) }
        return credentials
    }

    private func stamp() throws(CloudError) -> Stamp {
        var status = Glibc.stat()
        guard stat(path, &status) == 0 else { throw unreadable(errno) }
        return Stamp(
            seconds: status.st_mtim.tv_sec,
            nanoseconds: status.st_mtim.tv_nsec,
            size: Int64(status.st_size),
            inode: UInt64(status.st_ino)
        )
    }

    private func read() throws(CloudError) -> String {
        // A local file of a few hundred bytes: reading it blocks no longer than a look-up in memory.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(errno) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Self.sizeLimit + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw unreadable(errno) }
            if got == 0 { break }
            count += got
        }
        guard count <= Self.sizeLimit else { throw wrong("it is larger than 64 KiB", "Name the right file.") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private func parse(_ text: String) throws(CloudError) -> Credentials {
        guard let section = INIDocument(text).sections[profile] else {
            throw wrong(
                "it has no section [\(profile)]",
                "Add [\(profile)] to \(path), or set cloud.credentials.profile."
            )
        }
        func value(_ key: String) throws(CloudError) -> String {
            guard let value = section[key], !value.isEmpty else {
                throw wrong("\(key) is missing", "Add \(key) to [\(profile)] in \(path).")
            }
            return value
        }
        let type = section["type"] ?? "access_key"
        guard type == "access_key" || type == "sts" else {
            throw wrong(
                "type \(Untrusted.text(type)) is not supported",
                "Use type = access_key or type = sts in \(path)."
            )
        }
        return Credentials(
            accessKeyID: try value("access_key_id"),
            secret: Secret(try value("access_key_secret")),
            securityToken: type == "sts" ? Secret(try value("security_token")) : nil
        )
    }

    private func unreadable(_ number: Int32) -> CloudError {
        let reason = String(cString: strerror(number))
        return wrong(
            reason,
            "Create \(path) with [\(profile)], access_key_id and access_key_secret, readable for the agent only.",
            underlying: "errno \(number)"
        )
    }

    private func wrong(_ sentence: String, _ hint: String, underlying: String = "") -> CloudError {
        CloudError(
            .credentials,
            "in \(path)",
            Verdict(.hold, .credentials, sentence, hint: hint),
            underlying: underlying
        )
    }
}
