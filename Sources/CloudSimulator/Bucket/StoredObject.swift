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
