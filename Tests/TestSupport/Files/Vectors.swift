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
}
