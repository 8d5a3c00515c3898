import FerryCore
import TestSupport
import Testing

@Suite("Numbers of bytes")
struct ByteCountTests {
    @Test(
        "A number with a unit is read",
        arguments: [
            ("0", 0), ("7", 7), ("7B", 7), ("64KiB", 65_536), ("16 MiB", 16 << 20), ("4GiB", 4 << 30),
            ("1TiB", 1 << 40), ("20MB", 20_000_000), ("3kB", 3_000), ("3KB", 3_000), ("2GB", 2_000_000_000),
            ("1.5GiB", 3 << 29), ("0.5KiB", 512), ("9223372036854775807", Int64.max),
        ] as [(String, Int64)]
    )
    func reads(text: String, bytes: Int64) { #expect(ByteCount(parsing: text)?.rawValue == bytes) }

    @Test(
        "Anything else is refused",
        arguments: [
            "", " ", "B", "MiB", "-1", "-1MiB", "+1", "1e3", "0x10", "1,5MiB", "1.2.3MB", "1 2", "٣MiB", "16mib",
            "16 M",
            "nanMiB", "infMiB", "9223372036854775808", "8388608TiB", "1.5e400GiB", "99999999999999999999999MiB", "½MiB",
        ]
    )
    func refuses(text: String) { #expect(ByteCount(parsing: text) == nil) }

    @Test("What the configuration shows is read back as the same number", arguments: 0..<200 as Range<UInt64>)
    func configurationTextIsReadBack(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let count = ByteCount(rawValue: Int64.random(in: 0...(Int64.max >> (seed % 60)), using: &generator))
        #expect(ByteCount(parsing: count.configurationText) == count)
        let round = ByteCount(rawValue: (count.rawValue >> 40) << (seed % 40))
        #expect(ByteCount(parsing: round.configurationText) == round)
    }

    @Test(
        "The configuration shows the unit that makes a number shortest",
        arguments: [
            (0, "0B"), (1, "1B"), (1_000_000, "1MB"), (1 << 20, "1MiB"), (512 << 10, "512KiB"), (512_000, "512kB"),
            (1_000, "1kB"), (20_000_000, "20MB"), (4 << 30, "4GiB"), (1_048_576_000, "1000MiB"), (1_001, "1001B"),
            (256_000_000, "256MB"),
        ] as [(Int64, String)]
    )
    func configurationText(bytes: Int64, text: String) {
        #expect(ByteCount(rawValue: bytes).configurationText == text)
    }

    @Test(
        "People see three digits at most",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (51_240_000, "51.2 MB"), (99_949, "99.9 kB"),
            (99_951, "100 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (1_048_576_000, "1.0 GB"),
            (Int64.max, "9223372 TB"),
        ] as [(Int64, String)]
    )
    func describes(bytes: Int64, text: String) { #expect(ByteCount(rawValue: bytes).description == text) }
}

@Suite("Digests")
struct DigestTests {
    private static let hex = "00ab" + String(repeating: "4f", count: 30)

    @Test("64 hexadecimal digits are read in either case and printed in lower case")
    func reads() throws {
        let digest = try #require(Digest(sha256Hex: Self.hex.uppercased()))
        #expect(digest.hex == Self.hex)
        #expect(digest == Digest(sha256Hex: Self.hex))
        #expect(digest.bytes.count == 32 && digest.bytes[0] == 0 && digest.bytes[1] == 0xab)
    }

    @Test("Every digest is read back as it was printed", arguments: 0..<50 as Range<UInt64>)
    func roundTrip(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let digest = Digest(bytes: (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) })
        #expect(Digest(sha256Hex: digest.hex) == digest)
    }

    @Test("Lost leading zeros are supplied where that is asked for, and only there")
    func lostZeros() {
        let short = String(Self.hex.drop { $0 == "0" })
        #expect(short.count == 62)
        #expect(Digest(lenientSHA256Hex: short) == Digest(sha256Hex: Self.hex))
        #expect(Digest(lenientSHA256Hex: Self.hex) == Digest(sha256Hex: Self.hex))
        let shortest = String(repeating: "1", count: 48)
        #expect(Digest(lenientSHA256Hex: shortest)?.hex == String(repeating: "0", count: 16) + shortest)
        // Nobody has lost so many: it is another digest, such as an MD5, or none.
        for text in ["0", "deadbeef", String(repeating: "1", count: 32), String(repeating: "1", count: 47)] {
            #expect(Digest(lenientSHA256Hex: text) == nil, "\(text)")
        }
        #expect(Digest(sha256Hex: short) == nil)
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", "0x\(hex.dropFirst(2))", "\(hex)0", "\(hex.dropLast())g", "\(hex.dropLast()) ", "\(hex.dropLast(2))é",
            "+\(hex.dropFirst())", "-1",
        ] as [String]
    )
    func refuses(text: String) {
        #expect(Digest(sha256Hex: text) == nil)
        #expect(Digest(lenientSHA256Hex: text) == nil)
    }
}

@Suite("Names")
struct NameTests {
    @Test(
        "1 to 64 of letters, digits, dot, underscore and hyphen are a name",
        arguments: ["a", "ci", "A-Z_0.9", ".", "..", String(repeating: "x", count: 64)]
    )
    func accepts(text: String) { #expect(Name(text)?.text == text) }

    @Test(
        "Anything else is none",
        arguments: ["", String(repeating: "x", count: 65), "a b", "a/b", "+", "#", "é", "e\u{301}", "a\n", "\0", "名"]
    )
    func refuses(text: String) { #expect(Name(text) == nil) }

    @Test("An address is a sender and an id", arguments: ["ci", "ci/", "/x", "ci/x/y", "", "a b/c"])
    func addressRefuses(text: String) {
        #expect(TransferAddress(parsing: text) == nil)
        #expect(TransferAddress(parsing: "ci/x")?.description == "ci/x")
    }
}
