import FerryCore
import TestSupport
import Testing

@Suite("Names of files")
struct FileNameTests {
    @Test(
        "The cloud's suffixes are told in lower case, whatever the case of the name",
        arguments: [
            ("pumpctl.bin", "bin"), ("a.dav", "dav"), ("a.apk", "apk"), ("a.tar", "tar"), ("a.gz", "gz"),
            ("a.zip", "zip"),
            ("a.gzip", "gzip"), ("a.tar.gz", "tar.gz"), ("A.TAR.GZ", "tar.gz"), ("Fw.BIN", "bin"), ("a.tar.zip", "zip"),
            ("a.b.c.apk", "apk"), ("x.targz.gz", "gz"), ("tar.gz", "gz"),
        ]
    )
    func suffixes(name: String, suffix: String) { #expect(FileName.suffix(of: name) == suffix) }

    @Test(
        "No suffix, or one of digits only, counts as bin",
        arguments: ["pumpctl", "pumpctl-1.4.2", "v1.", ".hidden", "1.20260501", "固件"]
    )
    func plain(name: String) { #expect(FileName.suffix(of: name) == "bin") }

    @Test(
        "Every other suffix is refused",
        arguments: ["a.exe", "a.tgz", "a.bin.sig", "a.2b", "a.1-rc1", "a.bin ", "a.٣", "a.xz", "a.tar.xz", "a.gz."]
    )
    func refused(name: String) {
        // A dot at the end is no suffix.
        #expect(FileName.suffix(of: name) == (name.hasSuffix(".") ? "bin" : nil))
    }

    @Test("A name has 1 to 240 bytes", arguments: [("", false), ("x", true)])
    func ends(name: String, isFine: Bool) { #expect((FileName.problem(with: name) == nil) == isFine) }

    @Test("The limit counts bytes, not characters")
    func bytes() {
        #expect(FileName.problem(with: String(repeating: "ü", count: 120)) == nil)
        #expect(FileName.problem(with: String(repeating: "ü", count: 120) + "x") != nil)
    }

    @Test(
        "Paths and control characters are refused",
        arguments: [
            ".", "..", "a/b", "/", "a\\b", "C:x", "a\u{0}b", "a\nb", "a\u{7f}", "a\u{85}b", "a\r\nb", "/\u{301}x",
            ":\u{20dd}",
        ]
    )
    func nasty(name: String) { #expect(FileName.problem(with: name) != nil) }

    @Test("What is wrong with a name is told with the name, as long as it can be shown")
    func named() throws {
        #expect(FileName.problem(with: "a:b\n.bin")?.contains("\"a:b\\u{a}.bin\" must not hold") == true)
        let long = try #require(FileName.problem(with: String(repeating: "x", count: 300)))
        #expect(long.contains("\"xxx") && long.contains("300 bytes") && long.count < 160, "\(long)")
    }

    @Test(
        "Blanks, quotes, wildcards and other scripts are fine",
        arguments: ["a b.bin", "…", "#+.bin", "固件.bin", "...", "\"'"]
    )
    func harmless(name: String) { #expect(FileName.problem(with: name) == nil) }
}

@Suite("What the cloud accepts")
struct CloudLimitsTests {
    @Test(
        "A FirmwareName of letters, digits, - _ ( ) that begins with a letter or digit is fine",
        arguments: ["a", "Pump_1-4(2)", "9x", "固件-1", "ファーム", String(repeating: "x", count: 40)]
    )
    func names(name: String) { #expect(CloudLimits.problem(withFirmwareName: name) == nil) }

    @Test(
        "Every other FirmwareName is refused before the bytes are sent",
        arguments: [
            "", "1.4.2", "-a", "_a", "(a)", "a b", "é", "e\u{301}", "a/b", "a😀", String(repeating: "x", count: 41),
        ]
    )
    func refusedNames(name: String) { #expect(CloudLimits.problem(withFirmwareName: name) != nil) }

    @Test("A name made from any text is one that the cloud takes", arguments: 0..<200 as Range<UInt64>)
    func madeNames(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let scalars = (0..<Int.random(in: 1...60, using: &generator)).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: 1...(seed % 2 == 0 ? 0x7f : 0x1_FFFF), using: &generator))
        }
        let text = String(String.UnicodeScalarView(scalars))
        guard !text.isEmpty else { return }
        let name = CloudLimits.firmwareName(from: text)
        #expect(CloudLimits.problem(withFirmwareName: name) == nil, "\(name) of \(text.escaped)")
    }

    @Test("A dot becomes an underscore and 40 characters are kept")
    func madeName() {
        #expect(CloudLimits.firmwareName(from: "pumpctl-1.4.2") == "pumpctl-1_4_2")
        #expect(CloudLimits.firmwareName(from: String(repeating: "ab.", count: 20)).count == 40)
    }

    @Test("Untrusted text is cut to 80 characters and its control characters are shown")
    func escaping() {
        #expect("a\nb\u{85}".escaped == "a\\u{a}b\\u{85}")
        #expect(String(repeating: "x", count: 81).escaped == String(repeating: "x", count: 80) + "…")
        #expect(String(repeating: "x", count: 80).escaped.count == 80)
    }
}
