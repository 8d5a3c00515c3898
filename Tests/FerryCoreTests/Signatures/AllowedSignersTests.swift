import FerryCore
import Testing

@Suite("Who may sign firmware")
struct AllowedSignersTests {
    /// Made by `ssh-keygen -Y sign -n otaferry` over the eight bytes of "firmware".
    private static let signature = """
        -----BEGIN SSH SIGNATURE-----
        U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgSqdMd1YhUlh7ZUnOf0XJ+S5rM6
        3/Fnd1vWStOkiHPPYAAAAIb3RhZmVycnkAAAAAAAAABnNoYTUxMgAAAFMAAAALc3NoLWVk
        MjU1MTkAAABAAmAzqb9ioeMowZwAYbTtu1z45dlo9gxbn0Ya5k3N7gcfVCeILXRnB8lu+j
        4/d8600FX6s2CNglXZ2E+5ZFrRBQ==
        -----END SSH SIGNATURE-----

        """
    /// The same key over the same bytes, with `-n file`.
    private static let otherNamespace = """
        -----BEGIN SSH SIGNATURE-----
        U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgSqdMd1YhUlh7ZUnOf0XJ+S5rM6
        3/Fnd1vWStOkiHPPYAAAAEZmlsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUx
        OQAAAED9TU10C7oD5sa+AVYlhWS+1J1m0ALiVLAydjPHC/aXI89PPgZEGRlPfcZkC83dgs
        griCv9ULNYZlRioYCiIdMH
        -----END SSH SIGNATURE-----
        """
    private static let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqnTHdWIVJYe2VJzn9FyfkuazOt/xZ3db1krTpIhzz2"
    private static let otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqnTHdWIVJYe2VJzn9FyfkuazOt/xZ3db1krTpIhzz3"
    private let now = WallTime(milliseconds: 1_790_000_000_000)

    private func read(_ text: String) throws(AllowedSigners.Mistakes) -> AllowedSigners {
        try AllowedSigners(text: text, localOffset: { _ in 3_600 })
    }

    @Test("A line of the file decides for whom, for what and when a key may sign")
    func decides() throws {
        let table: [(line: String, sender: String, refusal: String?)] = [
            ("ci \(Self.key) comment", "ci", nil),
            ("ci,lab \(Self.key)", "lab", nil),
            ("\"ci,lab\" \(Self.key)", "lab", nil),
            ("* \(Self.key)", "anybody", nil),
            ("c?-* \(Self.key)", "ci-7", nil),
            ("c?-* \(Self.key)", "ci7", "may not sign for the sender ci7"),
            ("*,!ci \(Self.key)", "ci", "may not sign for the sender ci"),
            ("lab \(Self.key)", "ci", "may not sign for the sender ci"),
            ("ci \(Self.otherKey)", "ci", "is not among the allowed signers"),
            ("ci namespaces=\"file,otaferry\" \(Self.key)", "ci", nil),
            ("ci namespaces=\"ota*\" \(Self.key)", "ci", nil),
            ("ci namespaces=\"file\" \(Self.key)", "ci", "allowed for other namespaces than otaferry only"),
            ("ci valid-after=\"20260101\",valid-before=\"20270101\" \(Self.key)", "ci", nil),
            ("ci Valid-After=\"20270101\" \(Self.key)", "ci", "not valid at this time"),
            ("ci valid-before=20260101Z \(Self.key)", "ci", "not valid at this time"),
            // 14:13:20 UTC is 15:13:20 local time.
            ("ci valid-before=\"20260921151319\" \(Self.key)", "ci", "not valid at this time"),
            ("ci valid-before=\"20260921151321\" \(Self.key)", "ci", nil),
            ("ci valid-before=\"20260921141319Z\" \(Self.key)", "ci", "not valid at this time"),
            ("# a comment, with \"quotes\n\nlab \(Self.otherKey)\nci \(Self.key)", "ci", nil),
        ]
        #expect(WallTime(iso8601: "2026-09-21T14:13:20Z") == now)
        for (line, sender, refusal) in table {
            let problem = try read(line).problem(with: Self.signature, sender: #require(Name(sender)), at: now)
            #expect(problem.map(\.code) == (refusal == nil ? nil : .badSignature), "\(line): \(problem?.text ?? "")")
            #expect(problem?.text.contains(refusal ?? "-") ?? true, "\(line): \(problem?.text ?? "")")
        }
    }

    @Test("What is no signature for firmware is refused by name")
    func refuses() throws {
        let signers = try read("* \(Self.key)")
        let sender = try #require(Name("ci"))
        func text(_ signature: String?) -> String {
            signers.problem(with: signature, sender: sender, at: now)?.text ?? ""
        }
        #expect(text(nil).contains("not signed"))
        #expect(text("").contains("not one that ssh-keygen"))
        #expect(text("-----BEGIN PGP SIGNATURE-----").contains("not one that ssh-keygen"))
        #expect(text(Self.otherNamespace).contains("is for file, not for otaferry"))
        for lineEnd in ["\r\n", " ", ""] { #expect(text(Self.signature.replacing("\n", with: lineEnd)).isEmpty) }
        #expect(!text("x" + Self.signature).isEmpty && !text(Self.signature + "x").isEmpty)
    }

    @Test("A signature that was cut or changed anywhere is read as another one or as none, never a crash")
    func isTotal() throws {
        let whole = try #require(SSHSignature(armored: Self.signature))
        for index in Self.signature.indices {
            _ = SSHSignature(armored: String(Self.signature[..<index]))
            var changed = Self.signature
            changed.replaceSubrange(index...index, with: changed[index] == "A" ? "B" : "A")
            #expect(SSHSignature(armored: changed) != whole)
        }
    }

    @Test(
        "A line that cannot be honored is a mistake with its number and what would be right",
        arguments: [
            ("", "at least one line"), ("# nobody", "at least one line"), ("ci", "principals"),
            ("ci \(key.prefix(20))", "a public key"),
            ("ci ssh-ed25519 AAAA", "a public key of the kind ssh-ed25519"), ("ci ssh-ed25519 !!", "a public key"),
            ("ci ecdsa-sha2-nistp256 \(key.dropFirst(12))", "a public key of the kind ecdsa-sha2-nistp256"),
            ("ci ssh-rsa AAAAB3NzaC1yc2E=", "of a kind that is checked: ssh-ed25519, ecdsa-sha2-nistp256"),
            ("ci sk-ssh-ed25519@openssh.com AAAA", "of a kind that is checked"),
            ("ci cert-authority \(key)", "certificates are not checked"),
            ("ci cert-authority,namespaces=\"otaferry\" \(key)", "certificates are not checked"),
            ("ci no-touch-required \(key)", "not no-touch-required"), ("ci namespaces \(key)", "not namespaces"),
            ("ci valid-after=\"soon\" \(key)", "not soon"), ("ci valid-after=\"20261301\" \(key)", "not 20261301"),
            ("ci \"valid \(key)", "a closing quote"),
        ]
    )
    func mistakes(line: String, words: String) {
        let mistakes = #expect(throws: AllowedSigners.Mistakes.self) { try read("# first\n" + line) }
        #expect(mistakes?.all.count == 1)
        let mistake = mistakes?.all.first
        #expect(mistake?.text.contains(words) == true, "\(mistake?.text ?? "")")
        #expect(mistake?.line == (words == "at least one line" ? 1 : 2))
    }

    @Test("All lines that cannot be honored are told")
    func allMistakes() {
        let mistakes = #expect(throws: AllowedSigners.Mistakes.self) {
            try read("ci\nci \(Self.key)\nci ssh-rsa AAAA\n")
        }
        #expect(mistakes?.all.map(\.line) == [1, 3])
    }
}
