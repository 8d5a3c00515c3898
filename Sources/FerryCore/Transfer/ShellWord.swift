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
