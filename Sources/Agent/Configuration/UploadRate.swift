package import FerryCore

/// How many bytes a second an upload may send.
package struct UploadRate: Sendable, Hashable, CustomStringConvertible {
    /// Slower than this an upload would outlive its ticket.
    package static let minimum = ByteCount.kibibytes(1)

    /// The bytes of one second.
    package let bytesPerSecond: ByteCount

    /// Reads `"512KiB/s"`.
    package init(parsing text: String) throws(Expectation) {
        let form = Expectation("a rate such as \"512KiB/s\", at least 1KiB/s")
        guard text.hasSuffix("/s"), let count = ByteCount(parsing: String(text.dropLast(2))), count >= Self.minimum
        else {
            throw form
        }
        bytesPerSecond = count
    }

    /// What `init(parsing:)` reads back.
    package var description: String { "\(bytesPerSecond.configurationText)/s" }
}
