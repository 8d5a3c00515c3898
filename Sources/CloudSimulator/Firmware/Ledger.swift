package import Foundation

/// A file that the simulated bucket holds.
package struct StoredObject: Sendable, Codable, Hashable {
    /// Its name in the bucket.
    package let key: String
    package let size: Int64
    /// Lower-case hexadecimal.
    package let sha256: String
    /// Lower-case hexadecimal.
    package let md5: String
    /// CRC-64 as OSS computes it.
    package let checksum: UInt64
    /// Where its bytes are on disk.
    package let path: String
    /// When the upload was complete, by the server's clock.
    package let uploaded: Date
}

/// A package in the simulated firmware list.
package struct RegisteredFirmware: Sendable, Codable, Hashable {
    /// One file of the package.
    package struct File: Sendable, Codable, Hashable {
        /// Its name in a package of several files; empty for the only one.
        package let name: String
        /// The URL that was registered.
        package let url: String
        /// The object behind it.
        package let key: String
        package let size: Int64
        package let md5: String
        /// The digest by the package's method.
        package let sign: String
    }

    package let id: String
    package let name: String
    package let version: String
    /// Empty for a package that belongs to no product.
    package let productKey: String
    package let module: String
    /// 0 full, 1 delta.
    package let type: Int
    /// Empty for a full package without one.
    package let sourceVersion: String
    package let description: String
    package let signMethod: String
    package let custom: String
    package let needsVerification: Bool
    package let files: [File]
    /// When it was registered, by the server's clock.
    package let created: Date
}

/// What the simulated cloud remembers over a restart.
struct Ledger: Sendable, Codable {
    /// A ticket that was given out.
    struct Ticket: Sendable, Codable {
        let key: String
        let url: String
        let issued: Date
    }

    var tickets: [Ticket] = []
    var objects: [String: StoredObject] = [:]
    var firmware: [RegisteredFirmware] = []
}
