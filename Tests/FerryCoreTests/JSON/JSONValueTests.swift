import FerryCore
import TestSupport
import Testing

@Suite("JSON")
struct JSONValueTests {
    private static func random(_ generator: inout SeededGenerator, depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &generator) {
        case 0: .null
        case 1: .bool(.random(using: &generator))
        case 2: .integer(.random(in: .min ... .max, using: &generator))
        case 3: .double(Double.random(in: -1e6...1e6, using: &generator) + 0.123)
        case 4, 5:
            .string(
                String(
                    String.UnicodeScalarView(
                        (0..<Int.random(in: 0...6, using: &generator)).compactMap { _ in
                            Unicode.Scalar(UInt32.random(in: 0...0x2FFFF, using: &generator))
                        }
                    )
                )
            )
        case 6: .array((0..<3).map { _ in random(&generator, depth: depth - 1) })
        default: .object(["a": random(&generator, depth: depth - 1), "ü": random(&generator, depth: depth - 1)])
        }
    }

    @Test("What was printed is read back as the same value", arguments: 0..<200 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let value = Self.random(&generator, depth: 4)
        #expect(try JSONValue(parsing: value.text) == value)
        #expect(!value.text.contains("\n"))
    }

    @Test(
        "A document is the same after it was kept as text, whichever way its numbers were written",
        arguments: [
            "1e2", "1.0", "2.0e1", "-0", "-0.0", "0.1", "1e300", "9223372036854775807", "-9223372036854775808",
            "9223372036854775808", "12345678901234567890", "5e18", "1.5", "1E+2", "100e-2", "1e-400",
        ]
    )
    func keptDocument(number: String) throws {
        let document = try JSONValue(parsing: "{\"size\": \(number)}")
        #expect(try JSONValue(parsing: document.text) == document)
    }

    @Test(
        "A whole number is one however it is written",
        arguments: [
            ("7", 7), ("1e6", 1_000_000), ("2.0", 2), ("-3", -3), ("9223372036854775807", .max), ("7.5", nil),
            ("1e30", nil), ("\"7\"", nil), ("true", nil), ("null", nil),
        ] as [(String, Int64?)]
    )
    func integers(text: String, number: Int64?) throws { #expect(try JSONValue(parsing: text).integer == number) }

    @Test(
        "What is no JSON is refused, never a crash",
        arguments: [
            "", " ", "{", "}", "[1,", "{\"a\":}", "{\"a\" 1}", "{a:1}", "'a'", "nan", "NaN", "Infinity", "tru", "nulll",
            "\"", "\"\\u12\"", "\"\\x\"", "01", "1.", ".5", "+1", "--1", "1e", "\u{FEFF}", "{}{}", "[1] 2", "\"\u{1}\"",
            "1e999", "[1e999]",
        ]
    )
    func refuses(text: String) { #expect(throws: JSONValue.SyntaxError.self) { try JSONValue(parsing: text) } }

    @Test("Bytes that are no UTF-8 and texts with zero bytes are refused")
    func refusesBytes() {
        for bytes in [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x7b, 0x00, 0x7d], [0x22, 0xed, 0xa0, 0x80, 0x22]]
            as [[UInt8]]
        {
            #expect(throws: JSONValue.SyntaxError.self, "\(bytes)") { try JSONValue(parsing: bytes) }
        }
    }

    @Test("Garbage never crashes it", arguments: 0..<300 as Range<UInt64>)
    func fuzz(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array("{}[]\",:\\u0eE+-.tfn19 ü\u{0}".utf8)
        var bytes = Array("{\"firmware\":{\"custom\":[1,2.5,\"x\\u00e9\"]},\"size\":10}".utf8)
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            bytes[place] = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
        }
        guard let value = try? JSONValue(parsing: bytes) else { return }
        #expect((try? JSONValue(parsing: value.text)) == value)
    }

    @Test("32 levels are read, more are refused before they cost stack")
    func depth() throws {
        func nested(_ levels: Int) -> String {
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        _ = try JSONValue(parsing: nested(32))
        #expect(throws: JSONValue.SyntaxError.self) { try JSONValue(parsing: nested(33)) }
        #expect(throws: JSONValue.SyntaxError.self) { try JSONValue(parsing: String(repeating: "[", count: 1 << 20)) }
        _ = try JSONValue(parsing: "\"" + nested(99) + "\\\"[[\"")
    }

    @Test("Of a member that is there twice, one counts")
    func duplicates() throws {
        let value = try JSONValue(parsing: "{\"a\":1,\"a\":2}")
        #expect(value["a"]?.integer == 1 || value["a"]?.integer == 2)
    }

    @Test("A null member is absent for who asks, and still there in the document")
    func nulls() throws {
        let value = try JSONValue(parsing: "{\"a\":null}")
        #expect(value["a"] == nil)
        #expect(value.object == ["a": .null])
        #expect(value.text == "{\"a\":null}")
        #expect(JSONValue.array([])["a"] == nil)
    }

    @Test("Members are sorted and slashes are plain")
    func printing() throws {
        let value: JSONValue = ["b": 1, "a": "x/y", "c": [true, nil]]
        #expect(value.text == "{\"a\":\"x/y\",\"b\":1,\"c\":[true,null]}")
        #expect(try JSONValue(parsing: "\"\\ud83d\\ude00\"").string == "😀")
    }
}
