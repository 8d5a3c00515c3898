/// A digest in bytes: 32 of them for SHA-256, 16 for MD5.
package struct Digest: Sendable, Hashable {
    /// The bytes of the digest.
    package let bytes: [UInt8]

    package init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// Reads exactly 64 hexadecimal digits, in either case.
    package init?(sha256Hex text: some StringProtocol) {
        guard text.utf8.count == 64, let bytes = Self.decode(text) else { return nil }
        self.bytes = bytes
    }

    /// Reads 48 to 64 hexadecimal digits and supplies the leading zeros that some clients lose when they print a digest
    /// as a number.
    package init?(lenientSHA256Hex text: some StringProtocol) {
        guard (Self.lenientDigits...64).contains(text.utf8.count) else { return nil }
        self.init(sha256Hex: String(repeating: "0", count: 64 - text.utf8.count) + text)
    }

    /// So many zeros as would be lost above this stand at the beginning of no digest: one in 2^64 has them.
    private static let lenientDigits = 48

    /// The digest in lower-case hexadecimal digits.
    package var hex: String {
        var text = ""
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.unicodeScalars.append(Self.digit(byte >> 4))
            text.unicodeScalars.append(Self.digit(byte & 15))
        }
        return text
    }

    private static func digit(_ value: UInt8) -> Unicode.Scalar {
        Unicode.Scalar(value < 10 ? value + UInt8(ascii: "0") : value - 10 + UInt8(ascii: "a"))
    }

    private static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for unit in text.utf8 {
            let value: UInt8
            switch unit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = unit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = unit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = unit - UInt8(ascii: "A") + 10
            default: return nil
            }
            if let upper = high {
                bytes.append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }
}

extension Digest: CustomStringConvertible {
    package var description: String { hex }
}
