package import Foundation

/// The files of `Tests/Vectors`.
package enum Vectors {
    /// The path of one of them.
    package static func path(_ name: String) -> String {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder.appendingPathComponent("Vectors/\(name)").path
    }

    /// Its bytes.
    package static func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }

    /// Decodes one of them; a member `string_to_sign` becomes a property `stringToSign`.
    package static func decode<File: Decodable>(_ type: File.Type, _ name: String) throws -> File {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: data(name))
    }

    /// Bytes with their checksums as the SDKs compute them.
    package struct Checksums: Decodable, Sendable {
        private struct Input: Decodable, Sendable {
            let utf8: String?
            let hex: String?
            let repeatByteHex: String?
            let lcgSeed: UInt64?
            let count: Int?
        }

        package let id: String
        private let input: Input
        package let crc64Decimal: String
        package let md5Hex: String
        package let sha256Hex: String

        /// The bytes that the vector describes.
        package var bytes: [UInt8] {
            if let utf8 = input.utf8 { return Array(utf8.utf8) }
            if let hex = input.hex {
                return stride(from: 0, to: hex.utf8.count, by: 2).compactMap { Self.byte(hex, $0) }
            }
            if let text = input.repeatByteHex {
                return Array(repeating: Self.byte(text, 0) ?? 0, count: input.count ?? 0)
            }
            var state = input.lcgSeed ?? 0
            return (0..<(input.count ?? 0)).map { _ in
                state = (1_103_515_245 * state + 12_345) % (1 << 31)
                return UInt8(state >> 16 & 255)
            }
        }

        private static func byte(_ text: String, _ offset: Int) -> UInt8? {
            let start = text.index(text.startIndex, offsetBy: offset)
            return UInt8(text[start..<text.index(start, offsetBy: 2)], radix: 16)
        }
    }

    /// Those of `crc64.json`.
    package static func checksums() throws -> [Checksums] {
        struct File: Decodable { let vectors: [Checksums] }
        return try decode(File.self, "crc64.json").vectors
    }
}
