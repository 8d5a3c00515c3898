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
        let source: any CredentialSource
    }

    private let path: String
    private let profile: String
    private let services: CredentialServices?
    private let known = Mutex<Known?>(nil)
    /// How the file was when a change was asked for last; none while it is not there.
    private let seen = Mutex<Stamp??>(nil)

    /// Larger files are something else.
    private static let sizeLimit = 64 << 10

    /// The types of profiles, as the file writes them.
    private static let kinds: [String: CredentialProfile.Kind] = [
        "access_key": .keys, "sts": .token, "ram_role_arn": .role, "ecs_ram_role": .instanceRole,
    ]

    /// - Parameters:
    ///   - profile: the section of the file.
    ///   - services: needed for the types `ram_role_arn` and `ecs_ram_role`.
    package init(path: String, profile: String = "default", services: CredentialServices? = nil) {
        self.path = path
        self.profile = profile
        self.services = services
    }

    /// What the file says now.
    package func credentials() async throws(CloudError) -> Credentials {
        try await source().credentials()
    }

    package func takeChange() -> Bool {
        let stamp = try? stamp()
        return seen.withLock { seen in
            defer { seen = .some(stamp) }
            return seen.map { $0 != stamp } ?? false
        }
    }

    package func discard(_ refused: Credentials) { known.withLock { $0 }?.source.discard(refused) }

    private func source() throws(CloudError) -> any CredentialSource {
        let stamp = try stamp()
        if let known = known.withLock({ $0 }), known.stamp == stamp { return known.source }
        let source = try parse(read())
        known.withLock { $0 = Known(stamp: stamp, source: source) }
        return source
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

    private func parse(_ text: String) throws(CloudError) -> any CredentialSource {
        guard let section = INIDocument(text).sections[profile] else {
            throw wrong(
                "it has no section [\(profile)]",
                "Add [\(profile)] to \(path), or set cloud.credentials.profile."
            )
        }
        let type = section["type"] ?? "access_key"
        guard let kind = Self.kinds[type] else { throw unsupported(type) }
        do {
            return try CredentialProfile(kind: kind) { key in section[key].flatMap { $0.isEmpty ? nil : $0 } }
                .source(services)
        } catch {
            if error.name == "type" { throw unsupported(type) }
            throw wrong("\(error.name) is missing", "Add \(error.name) to [\(profile)] in \(path).")
        }
    }

    private func unsupported(_ type: String) -> CloudError {
        wrong(
            "type \(Untrusted.text(type)) is not supported",
            "Use type = access_key, sts, ram_role_arn or ecs_ram_role in \(path)."
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
