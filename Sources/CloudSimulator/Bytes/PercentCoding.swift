/// Percent-encoding as the cloud's signatures want it: unreserved characters stay, everything else becomes `%XX`.
enum PercentCoding {
    /// Encodes each UTF-8 byte outside `A–Z a–z 0–9 - _ . ~`.
    static func encode(_ text: String) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(text.utf8.count * 3)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                output.append(byte)
            default:
                output.append(UInt8(ascii: "%"))
                output.append(Hex.upperDigit(byte >> 4))
                output.append(Hex.upperDigit(byte & 15))
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Decodes a name or value of a query or form: `%XX` and `+` as a space; a `%` without two digits stays.
    static func decode(_ text: some StringProtocol) -> String {
        let input = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(input.count)
        var index = 0
        while index < input.count {
            let byte = input[index]
            if byte == UInt8(ascii: "%"), index + 2 < input.count, let high = Hex.value(input[index + 1]),
                let low = Hex.value(input[index + 2])
            {
                output.append(high << 4 | low)
                index += 3
            } else {
                output.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                index += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// The names and values of `a=b&c=d`, decoded, in the order they stand there.
    static func parameters(in text: some StringProtocol) -> [Parameter] {
        text.split(separator: "&").map { piece in
            let halves = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return Parameter(name: decode(halves[0]), value: halves.count > 1 ? decode(halves[1]) : "")
        }
    }

    /// `name=value` pieces, encoded and sorted by the bytes of the name, joined by `&`.
    static func canonicalQuery(_ parameters: [Parameter]) -> String {
        parameters
            .sorted { left, right in
                left.name.utf8.elementsEqual(right.name.utf8)
                    ? left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
                    : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
            }
            .map { encode($0.name) + "=" + encode($0.value) }
            .joined(separator: "&")
    }
}

/// A request parameter as it was received, decoded.
struct Parameter: Sendable, Equatable {
    var name: String
    var value: String
}
