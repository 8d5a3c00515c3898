import Testing

@testable import otaferry

@Suite("The line that shows how far a push has come")
struct ProgressLineTests {
    private let line = ProgressLine(
        phase: "uploading",
        done: 5_000_000,
        total: 10_000_000,
        rate: 12_300_000,
        remaining: .seconds(65)
    )

    @Test("No line is wider than the terminal", arguments: 1...200)
    func fits(columns: Int) {
        for isUnicode in [true, false] {
            #expect(ColumnText.width(line.text(columns: columns, isUnicode: isUnicode)) <= columns)
            var waiting = line
            waiting.note = "the agent is away; waiting for it 等待"
            #expect(ColumnText.width(waiting.text(columns: columns, isUnicode: isUnicode)) <= columns)
            waiting.total = nil
            #expect(ColumnText.width(waiting.text(columns: columns, isUnicode: isUnicode)) <= columns)
        }
    }

    @Test("What matters least is left out first")
    func leavesOut() {
        #expect(line.text(columns: 34, isUnicode: false) == "uploading    [=====>      ]   50 %")
        #expect(
            line.text(columns: 79, isUnicode: false)
                == "uploading    [============>              ]   50 %  12.3 MB/s   1:05  of 10.0 MB"
        )
    }

    @Test("A log gets a sentence")
    func speaks() { #expect(line.sentence == "uploading 50 % of 10.0 MB, 12.3 MB/s, 1:05 left") }

    @Test("100 % is said only when all is done")
    func isHonest() {
        #expect(ProgressLine(phase: "x", done: 999, total: 1_000).percent == 99)
        #expect(ProgressLine(phase: "x", done: 1_000, total: 1_000).percent == 100)
    }

    @Test("The rate is that of the last seconds")
    func measures() {
        var meter = RateMeter()
        for second in 0...10 { meter.note(Int64(second) * 1_000, at: .seconds(second)) }
        #expect(meter.rate == 1_000)
        #expect(meter.remaining(5_000) == .seconds(5))
    }
}
