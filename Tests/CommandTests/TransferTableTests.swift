import Agent
import ArgumentParser
import FerryCore
import Testing

@testable import otaferry

@Suite("Transfers as a table")
struct TransferTableTests {
    private let now = WallTime(milliseconds: 1_790_000_000_000)

    private func state(_ id: String, _ state: String, text: String? = nil) -> JSONValue {
        [
            "sender": "ci", "id": .string(id), "file": "pump.bin", "size": 10_485_760, "state": .string(state),
            "seq": 1,
            "since": .string((now + .seconds(-300)).iso8601),
            "firmware": ["product": "pumpctl", "version": "1.4.2"],
            "received": ["durable": 5_242_880, "missing": []], "cloud": ["sent": 1_048_576],
            "reason": text.map {
                ["code": "credentials", "class": "operator", "text": .string($0), "hint": "", "cloud_code": nil]
            } ?? nil,
        ]
    }

    private func terminal() -> Terminal { Terminal(isInteractive: false, isUnicode: true, hasColor: false) }

    private var table: TransferTable {
        TransferTable(
            states: [
                state("7f3c0123456789ab", "uploading"), state("7f3c0123456789ac", "receiving"),
                state("7f3c0123456789ad", "held", text: "The access key was refused\u{1B}[2J by the cloud"),
            ],
            now: now
        )
    }

    @Test("No line is wider than the terminal", arguments: [20, 30, 40, 60, 80, 100, 120, 200])
    func fits(columns: Int) {
        for style in [TransferTable.Style.list, .watch] {
            let table = TransferTable(rows: table.rows, style: style)
            for line in table.lines(columns: columns, terminal: terminal()) {
                #expect(ColumnText.width(line) <= columns)
            }
        }
    }

    @Test("Of a long id the sender is cut: commands take the rest of it")
    func senderIsCut() {
        var row = table.rows[0]
        row.id = "build-server-03.example/7f3c0123456789ab"
        for style in [TransferTable.Style.list, .watch] {
            for columns in [40, 60, 80, 100] {
                let line = TransferTable(rows: [row], style: style).lines(columns: columns, terminal: terminal())[1]
                #expect(line.hasPrefix("build-") && line.contains("/7f3c0123456789ab"), "\(columns): \(line)")
            }
        }
    }

    @Test("Columns that say nothing give their room to an id", arguments: [TransferTable.Style.list, .watch])
    func emptyColumns(style: TransferTable.Style) {
        let id = "build-server-03/7f3c0123456789ab"
        var row = TransferTable(states: [state("7f3c0123456789ab", "stored")], now: now).rows[0]
        row.id = id
        let lines = TransferTable(rows: [row], style: style).lines(columns: 80, terminal: terminal())
        #expect(lines[1].hasPrefix(id + " "), "\(lines)")
        for title in ["REASON"] + (style == .watch ? ["DONE", "RATE"] : []) {
            #expect(!lines[0].contains(title), "\(lines)")
        }
        #expect(lines[0].contains("PRODUCT") && lines[0].contains("VERSION"))
    }

    @Test("An id stays whole where the window has room for it, whatever else has to go", arguments: [60, 80, 120])
    func idStaysWhole(columns: Int) {
        var rows = table.rows
        rows[0].id = "ci/pumpctl-controller-main-1.4.2-rc1"
        rows[1].id = "build-server-03.example/pumpctl-controller-main"
        for style in [TransferTable.Style.list, .watch] {
            let lines = TransferTable(rows: rows, style: style).lines(columns: columns, terminal: terminal())
            #expect(lines[1].hasPrefix("ci/pumpctl-controller-main-1.4.2-rc1 "), "\(lines)")
            #expect(lines[2].contains("/pumpctl-controller-main "), "\(lines)")
            #expect(lines[1].contains("uploading"))
        }
    }

    @Test("What a table shows of an id means the transfer, where it is the only one", arguments: [true, false])
    func cutID(isUnicode: Bool) throws {
        let id = "ci/pumpctl-controller-main-board-1.4.2-rc1"
        let all = try [id, "ci/other-1.4.2", "lab/pumpctl-1"].map { try #require(TransferAddress(parsing: $0)) }
        var row = table.rows[0]
        row.id = id
        let terminal = Terminal(isInteractive: true, isUnicode: isUnicode, hasColor: false)
        for style in [TransferTable.Style.list, .watch] {
            let line = TransferTable(rows: [row], style: style).lines(columns: 40, terminal: terminal)[1]
            let shown = try #require(line.split(separator: " ").first)
            #expect(shown.hasSuffix(terminal.ellipsis) && shown.count > 20, "\(line)")
            #expect(TransferReference(argument: String(shown)) != nil)
            #expect(CutAddress(String(shown))?.matches(among: all) == .one(all[0]))
        }
        #expect(CutAddress("bui…/7f3c0123")?.matches(among: all) == TransferReference.Match.none)
        #expect(CutAddress("l~/pumpctl-1")?.matches(among: all) == .one(all[2]))
        #expect(CutAddress("pumpctl…")?.matches(among: all) == .several([all[0], all[2]]))
        // A file id may end like this too.
        let file = try #require(TransferAddress(ofFile: "backup.bin~"))
        #expect(CutAddress("backup.bin~")?.matches(among: all + [file]) == .one(file))
    }

    @Test("A file without product and version is known by its name", arguments: [60, 80, 120])
    func nameless(columns: Int) {
        var row = table.rows[2]
        (row.product, row.version, row.file) = ("", "", "Firmware Pumpe 7.bin")
        for style in [TransferTable.Style.list, .watch] {
            let lines = TransferTable(rows: [row], style: style).lines(columns: columns, terminal: terminal())
            #expect(lines[1].contains("Firmware Pu") && lines[0].contains("FILE"), "\(lines)")
            #expect(lines[1].contains(row.file) || columns == 60, "\(lines)")
        }
        let known = TransferTable(rows: [table.rows[0]]).lines(columns: columns, terminal: terminal())
        #expect(known[0].contains("FILE") == (columns >= 80), "\(known)")
        for style in [TransferTable.Style.list, .watch] {
            // Where others have a product, it stands in its place.
            let both = TransferTable(rows: [table.rows[0], row], style: style)
                .lines(columns: columns, terminal: terminal())
            #expect(both[2].contains("Firmware Pu"), "\(both)")
            #expect(both[1].contains("pumpctl  1.4.2") && both[0].contains("PRODUCT"), "\(both)")
            let places = zip(both, ["STATE", "uploading", "held"]).map { line, word in
                line.firstRange(of: word).map { ColumnText.width(String(line[..<$0.lowerBound])) }
            }
            #expect(places[0] != nil && Set(places).count == 1, "\(both)")
        }
    }

    @Test("Where only the key of a product is known, the name of the file is worth more", arguments: [40, 60, 80, 120])
    func keyAlone(columns: Int) {
        var rows = table.rows
        for index in rows.indices {
            (rows[index].product, rows[index].hasKeyAlone) = ("a1AbCdEfGhI", true)
        }
        let lines = TransferTable(rows: rows).lines(columns: columns, terminal: terminal())
        #expect(lines[0].contains("FILE") && lines[1].contains("pump.bin"), "\(lines)")
        // Beside one whose product is known it stands in the place of the key.
        (rows[0].product, rows[0].hasKeyAlone) = ("pumpctl", false)
        let both = TransferTable(rows: rows).lines(columns: 70, terminal: terminal())
        #expect(both[0].contains("PRODUCT") && !both[0].contains("FILE"), "\(both)")
        #expect(both[1].contains("pumpctl") && both[2].contains("a1AbCd"), "\(both)")
    }

    @Test("In a list what stands in a column belongs there: a reason is cut, and no age is lost", arguments: 40...120)
    func columnsHold(columns: Int) {
        var rows = table.rows + TransferTable(states: [state("7f3c0123456789ae", "held", text: "No")], now: now).rows
        rows[0].age = "59m"
        let lines = TransferTable(rows: rows).lines(columns: columns, terminal: terminal())
        guard let end = lines[0].firstRange(of: "AGE")?.upperBound else { return }
        let place = lines[0].distance(from: lines[0].startIndex, to: end)
        for (line, row) in zip(lines.dropFirst(), rows) {
            #expect(line.prefix(place).hasSuffix(" " + row.age), "\(lines)")
        }
    }

    @Test("In a list at 80 columns a reason has a column of its own")
    func reasonIsListed() {
        let lines = table.lines(columns: 80, terminal: terminal())
        #expect(lines[0].contains("AGE  REASON") && lines[3].contains("5m  The access key w"), "\(lines)")
        #expect(!lines[0].contains("SIZE"), "\(lines)")
    }

    @Test("While nothing moves, a reason has more room than it needs to begin", arguments: [80, 100])
    func reasonWhileNothingMoves(columns: Int) {
        let lines = TransferTable(rows: [table.rows[2]], style: .watch).lines(columns: columns, terminal: terminal())
        #expect(lines[0].contains("REASON") && lines[1].contains("The access key was refu"), "\(lines)")
        #expect(!lines[0].contains("RATE"))
    }

    @Test(
        "A file id of EMQX's file transfer stands for the id that was made of it",
        arguments: ["Firmware für Pumpe 7", "emqx/Firmware für Pumpe 7"]
    )
    func fileID(text: String) throws {
        let reference = try #require(TransferReference(argument: text))
        #expect(reference.text.hasPrefix("emqx/") && reference.text.utf8.count == 21)
        #expect(reference.text == TransferAddress(ofFile: "Firmware für Pumpe 7")?.description)
        #expect(TransferReference(argument: "ci/7f3c0123") != nil && TransferReference(argument: "7f3c0123") != nil)
        #expect(TransferReference(argument: "ci/7f3…") != nil)
        for wrong in ["", "ci/", "/x", "ci/a/b", "emqx/", "…", "ci/…", "a…b/7f3c0123", "#", "+", "ci/+", "a#b"] {
            #expect(TransferReference(argument: wrong) == nil, "\(wrong)")
        }
    }

    @Test("Without a width nothing is cut")
    func isWhole() {
        let lines = table.lines(columns: nil, terminal: terminal())
        #expect(
            lines == [
                "ID                   PRODUCT  VERSION  FILE         SIZE  STATE      DONE  AGE  REASON",
                "ci/7f3c0123456789ab  pumpctl  1.4.2    pump.bin  10.5 MB  uploading   10%   5m",
                "ci/7f3c0123456789ac  pumpctl  1.4.2    pump.bin  10.5 MB  receiving   50%   5m",
                "ci/7f3c0123456789ad  pumpctl  1.4.2    pump.bin  10.5 MB  held              5m  The access key was refused[2J by the cloud",
            ]
        )
    }

    @Test("While it is watched, a reason takes the room of what does not move", arguments: [80, 120, 160])
    func spills(columns: Int) {
        let lines = TransferTable(rows: table.rows, style: .watch).lines(columns: columns, terminal: terminal())
        #expect(lines.contains { $0.contains("The access key was refused") })
    }

    @Test("What says nothing goes first, then what matters least; a state is never cut", arguments: [40, 60, 80])
    func leavesOut(columns: Int) {
        let states = [state("7f3c0123456789ab", "registering"), state("7f3c0123456789ac", "registered")]
        let lines = TransferTable(states: states, now: now).lines(columns: columns, terminal: terminal())
        #expect(
            !lines[0].contains("REASON") && lines[0].contains("DONE") == (columns == 80),
            "\(lines)"
        )
        #expect(lines[1].contains("registering") && lines[2].contains("registered"))
        #expect(lines[1].hasPrefix("ci/7f3c0123456789ab"))
    }

    @Test("Where there is no column for reasons, one fills what is empty in its row")
    func spills() {
        var rows = table.rows
        rows[2].progress = ""
        rows[0].rate = "12.3 MB/s"
        let lines = TransferTable(rows: rows, style: .watch).lines(columns: 80, terminal: terminal())
        #expect(!lines[0].contains("REASON") && lines[0].contains("RATE"), "\(lines)")
        #expect(lines[3].contains("held         The access"), "\(lines)")
        #expect(lines.allSatisfy { ColumnText.width($0) <= 80 })
    }

    @Test("--product chooses by alias and by key, whichever the sender named", arguments: ["pumpctl", "a1B2c3D4e5F"])
    func product(name: String) throws {
        let filter = try TransferFilter.parse(["--product", name])
        for told in ["pumpctl", "a1B2c3D4e5F"] {
            let firmware: JSONValue = ["product": .string(told), "alias": "pumpctl", "product_key": "a1B2c3D4e5F"]
            #expect(filter.fits(["firmware": firmware]))
        }
        #expect(!filter.fits(["firmware": ["product": "other", "alias": "other", "product_key": "b1B2c3D4e5F"]]))
        #expect(!filter.fits(["firmware": ["product": .null]]))
    }

    @Test("An id may be shortened where it stays the only one")
    func resolves() throws {
        let first = try #require(TransferAddress(parsing: "ci/7f3c01aa"))
        let second = try #require(TransferAddress(parsing: "ci/7f3c01bb"))
        let other = try #require(TransferAddress(parsing: "lab/7f3c01bb"))
        let all = [first, second, other]
        #expect(TransferReference.matches("7f3c01aa", among: all) == .one(first))
        #expect(TransferReference.matches("7f3c01a", among: all) == .one(first))
        #expect(TransferReference.matches("7f3c01", among: all) == .several([first, second, other]))
        #expect(TransferReference.matches("7f3c01bb", among: all) == .several([second, other]))
        #expect(TransferReference.matches("7f3c", among: [first]) == .none)
        let named = try #require(TransferAddress(parsing: "ci/pumpctl-1.4.20"))
        #expect(TransferReference.matches("pumpctl-1.4.2", among: [named]) == .none)
    }
}
