import FerryCore
import Foundation
import Testing

/// docs/reasons.md has a row for each word, and none for others.
@Suite("The page of the reasons")
struct ReasonPageTests {
    private static let package = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: package.appending(path: path), encoding: .utf8)
    }

    /// The rows of a section: the word, what one sees, what it means, what to do.
    private static func rows(_ section: String) throws -> [[String]] {
        let page = try text("docs/reasons.md")
        let part = try #require(page.components(separatedBy: "\n## ").first { $0.hasPrefix(section) })
        return part.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map {
                $0.components(separatedBy: " | ").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: "|` ")) }
            }
    }

    @Test("The lists of words in the code are whole")
    func lists() throws {
        let source = try Self.text("Sources/FerryCore/Transfer/Reason.swift")
        let written = source.matches(of: /= ReasonCode\("([a-z-]+)"\)/).map { String($0.output.1) }
        #expect(written.count > 40)
        #expect(Set(written).count == written.count)
        let listed = ReasonCode.inAcknowledgements.union(ReasonCode.whilePublishing)
        #expect(Set(written) == Set(listed.map(\.rawValue)))
    }

    @Test("Each word that a sender gets has its row, with what to do")
    func acknowledgements() throws {
        let rows = try Self.rows("While firmware comes in")
        #expect(Set(rows.map { $0[0] }) == Set(ReasonCode.inAcknowledgements.map(\.rawValue)))
        for row in rows { #expect(row.count == 4 && row.allSatisfy { !$0.isEmpty }, "\(row)") }
    }

    @Test("Each word of a publication has its row, with what to do")
    func publication() throws {
        let rows = try Self.rows("While firmware is published")
        #expect(Set(rows.map { $0[0] }) == Set(ReasonCode.whilePublishing.map(\.rawValue)))
        for row in rows { #expect(row.count == 4 && row.allSatisfy { !$0.isEmpty }, "\(row)") }
    }

    @Test("A reason without a hint of its own says what the list says, for each that a state may have")
    func hints() {
        let words = ReasonCode.inAcknowledgements.union(ReasonCode.whilePublishing)
        for code in words.subtracting([.ok, .gap, .incomplete]) {
            for kind in [Reason.Kind.retry, .operator, .permanent] {
                let reason = Reason(code, kind, "It does not go on")
                #expect(!reason.hint.isEmpty && reason.hint.last != ".", "\(code) \(kind)")
                // As an older agent has stored it.
                var stored = reason.json.object ?? [:]
                stored["hint"] = ""
                #expect(Reason(json: .object(stored)) == reason)
            }
            // Nothing is tried by itself any more.
            let ended = Reason(code, .permanent, "").hint
            #expect(!ended.contains("again by itself") || code == .credentials, "\(code)")
        }
        let own = Reason(.tls, .retry, "", hint: "Look there")
        #expect(own.hint == "Look there" && own.hasOwnHint && !Reason(.tls, .retry, "").hasOwnHint)
    }
}
