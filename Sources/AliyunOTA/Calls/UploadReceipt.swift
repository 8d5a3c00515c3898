package import FerryCore

/// What OSS said about a complete upload.
package struct UploadReceipt: Sendable {
    /// OSS's name for the request.
    package let requestID: String?
    /// When OSS answered, by the server's clock. Registration has to follow within 60 minutes.
    package let completedAt: WallTime
    /// The CRC-64 of the object, where OSS told it; it was compared.
    package let crc64: UInt64?
}
