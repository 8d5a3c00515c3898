/// Reads and writes values as SSH has them on the wire (RFC 4251, section 5).
struct SSHWire {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    /// So many bytes; nil where there are fewer.
    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func uint32() -> UInt32? { bytes(4)?.reduce(0) { $0 << 8 | UInt32($1) } }

    /// A length and as many bytes.
    mutating func string() -> [UInt8]? { uint32().flatMap { bytes(Int($0)) } }

    mutating func text() -> String? { string().map { String(decoding: $0, as: UTF8.self) } }

    /// A positive number without leading zeros; nil for a negative one.
    mutating func positiveNumber() -> [UInt8]? {
        guard let bytes = string(), let first = bytes.first, first < 0x80 else { return nil }
        return Array(bytes.drop { $0 == 0 })
    }

    /// A length and the bytes.
    static func string(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let count = UInt32(bytes.count)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + bytes
    }

    /// Reads base64 with its padding, blanks and line ends ignored; nil when it is none.
    static func base64(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var (bits, count, padding) = (UInt32(0), 0, 0)
        for byte in text where !isBlank(byte) {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(of: byte) else { return nil }
            bits = bits << 6 | value
            count += 1
            if count % 4 != 0 { continue }
            result += [16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> $0) }
            bits = 0
        }
        switch (count % 4, padding) {
        case (0, 0): break
        case (2, 2): result.append(UInt8(truncatingIfNeeded: bits >> 4))
        case (3, 1): result += [10, 2].map { UInt8(truncatingIfNeeded: bits >> $0) }
        default: return nil
        }
        return result
    }

    /// A blank, a tab or a line's end.
    static func isBlank(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
