import FerryCore
import FoundationEssentials

/// The vector files of `Tests/Vectors`.
enum Vectors {
    static func load(_ name: String, file: String = #filePath) throws -> JSONValue {
        // …/Tests/AliyunOTATests/Support/Vectors.swift
        let tests = file.split(separator: "/").dropLast(3).joined(separator: "/")
        let data = try Data(contentsOf: URL(filePath: "/\(tests)/Vectors/\(name)"))
        return try JSONValue(parsing: Array(data))
    }

    static func list(_ name: String, _ member: String) throws -> [JSONValue] {
        try load(name)[member]?.array ?? []
    }

    static func bytes(hex: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = hex[...]
        while rest.count >= 2 {
            bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}

extension JSONValue {
    /// A text that the vector must have.
    func text(_ name: String) -> String { self[name]?.string ?? "<\(name) is missing>" }
}
