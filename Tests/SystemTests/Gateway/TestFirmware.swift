import Crypto
import FerryCore
import TestSupport

/// A firmware file that a test delivers.
struct TestFirmware {
    let bytes: [UInt8]
    let version: String
    let sha256: String
    let md5: String

    /// Bytes that look random; in a large file a block of them repeats, each time with its number in front.
    init(_ count: Int, version: String = "1.4.2", seed: UInt64 = 7) {
        var block = TemporaryFolder.bytes(min(count, 1 << 18), seed: seed)
        var bytes = block
        bytes.reserveCapacity(count)
        while bytes.count < count {
            withUnsafeBytes(of: UInt64(bytes.count)) { block.replaceSubrange(0..<8, with: $0) }
            bytes += block.prefix(count - bytes.count)
        }
        self.init(bytes, version: version)
    }

    init(_ bytes: [UInt8], version: String = "1.4.2") {
        self.bytes = bytes
        self.version = version
        sha256 = FerryCore.Digest(bytes: SHA256.hash(data: bytes)).hex
        md5 = FerryCore.Digest(bytes: Insecure.MD5.hash(data: bytes)).hex
    }

    /// The transfer id that it gets when it comes in one message.
    var oneShotID: String { String(sha256.prefix(16)) }

    /// The payload of `init`.
    func initialization(
        name: String? = nil,
        _ more: [String: JSONValue] = [:],
        firmware: [String: JSONValue] = [:]
    ) -> [UInt8] {
        var members: [String: JSONValue] = [
            "name": .string(name ?? "pumpctl-\(version).bin"), "size": .integer(Int64(bytes.count)),
            "checksum": .string(sha256),
        ]
        members["firmware"] = .object(
            ["product": "pumpctl", "version": .string(version)].merging(firmware) { $1 }
        )
        members.merge(more) { $1 }
        return JSONValue.object(members).encoded
    }

    /// The last step.
    var finish: String { "fin/\(bytes.count)/\(sha256)" }

    /// Bytes of it.
    func part(_ range: Range<Int>) -> [UInt8] { Array(bytes[range]) }

    /// It, cut into segments.
    func cuts(_ size: Int) -> [Range<Int>] {
        stride(from: 0, to: bytes.count, by: size).map { $0..<min($0 + size, bytes.count) }
    }

    /// The SHA-256 of a part.
    func digest(_ range: Range<Int>) -> String { FerryCore.Digest(bytes: SHA256.hash(data: part(range))).hex }
}
