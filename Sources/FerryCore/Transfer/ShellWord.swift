extension String {
    /// As a shell takes it for one word, whatever is in it.
    package var shellWord: String {
        let isPlain = utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "._-/:@%+=,".utf8.contains(byte)
            }
        }
        return isPlain && !isEmpty ? self : "'" + replacing("'", with: "'\\''") + "'"
    }

    /// The name of a file for a person: as it is, or, where something in it is not seen, `$'a\nb.bin'`, which a shell takes
    /// for it.
    package var shownName: String { Self.shownName(of: Array(utf8)) }

    /// The same for bytes that may be no UTF-8.
    package static func shownName(of bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self), !text.hasControlCharacters { return text }
        var result = "$'"
        var rest = bytes[...]
        while !rest.isEmpty {
            let character = (1...4).lazy.compactMap { String(validating: rest.prefix($0), as: UTF8.self) }.first
            let length = character?.utf8.count ?? 1
            if let character, !character.hasControlCharacters {
                result += character == "'" || character == "\\" ? "\\" + character : character
            } else {
                result += rest.prefix(length).map(escape).joined()
            }
            rest = rest.dropFirst(length)
        }
        return result + "'"
    }

    private static func escape(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\n"): "\\n"
        case UInt8(ascii: "\t"): "\\t"
        default: "\\x" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
        }
    }

    /// Whether it has characters that are not seen where it is read, or that end a line where it is pasted.
    package var hasControlCharacters: Bool {
        unicodeScalars.contains { scalar in
            switch scalar.value {
            case 0..<0x20, 0x7f...0x9f: true
            // Marks and overrides of direction, separators of lines and paragraphs.
            case 0x200b...0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: true
            default: false
            }
        }
    }
}
