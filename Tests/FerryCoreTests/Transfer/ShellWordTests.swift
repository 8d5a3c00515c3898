import FerryCore
import Testing

@Suite("Names of files as people and shells take them")
struct ShellWordTests {
    @Test(
        "A name is shown as it is, or, where something in it is not seen, as a shell takes it",
        arguments: [
            ("grün é.bin", "grün é.bin"), ("it's.bin", "it's.bin"), ("a\\b.bin", "a\\b.bin"), ("", ""),
            ("a\nb\t.bin", #"$'a\nb\t.bin'"#), ("it's\u{1B}\\.bin", #"$'it\'s\x1b\\.bin'"#),
            ("é\u{202E}x", #"$'é\xe2\x80\xaex'"#), ("e\u{301}\u{7f}1", "$'e\u{301}\\x7f1'"), ("\r\n", #"$'\x0d\n'"#),
        ]
    )
    func shown(name: String, text: String) { #expect(name.shownName == text) }

    @Test("Bytes that are no UTF-8 are shown one by one, and all others as they are")
    func bytes() {
        #expect(String.shownName(of: Array("gr".utf8) + [0xe9] + Array("é.bin".utf8)) == #"$'gr\xe9é.bin'"#)
        #expect(String.shownName(of: [0xe2, 0x80]) == #"$'\xe2\x80'"#)
        #expect(String.shownName(of: [0xc0, 0x80, 0x41]) == #"$'\xc0\x80A'"#)
    }
}
