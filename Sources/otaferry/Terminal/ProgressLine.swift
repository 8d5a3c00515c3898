import FerryCore

/// One line that shows how far something has come, for a width.
struct ProgressLine: Sendable, Equatable {
    /// The word of the phase: `hashing`, `receiving`, …
    var phase: String
    var done: Int64 = 0
    /// Nil where there is nothing to count.
    var total: Int64?
    /// Bytes a second.
    var rate: Double?
    var remaining: Duration?
    /// Which part of the whole it is at: `file 2/3`.
    var part = ""
    /// Said instead of rate and time: why it waits.
    var note = ""
    /// Whether it is over in a moment when all is well.
    var isTransient = false

    private static let phaseWidth = 11
    private static let shortestBar = 8
    private static let longestBar = 40

    /// Whole percents, cut: 100 only when all is done.
    var percent: Int? { total.map { Percent.of(done, in: $0) } }

    /// The line without bar, for logs: `receiving 62 % of 10.5 MB, 12.3 MB/s, 0:34 left`.
    var sentence: String {
        var text = phase
        if let percent, let total { text += " \(percent) % of \(ByteCount(rawValue: total))" }
        if !part.isEmpty { text += ", \(part)" }
        if let rate { text += ", \(Self.rateText(rate))" }
        if let remaining { text += ", \(ColumnText.clock(remaining)) left" }
        if !note.isEmpty { text += ": \(note)" }
        return text
    }

    /// The line with a bar, at most `columns` wide; what matters least goes first.
    func text(columns: Int, isUnicode: Bool) -> String {
        let head = ColumnText.padded(phase, to: Self.phaseWidth)
        let ellipsis = isUnicode ? "…" : "..."
        guard let percent, let total else {
            let text = note.isEmpty ? phase : "\(head)  \(note)"
            return ColumnText.fitted(text, to: columns, ellipsis: ellipsis)
        }
        let figure = String(repeating: " ", count: percent < 10 ? 2 : percent < 100 ? 1 : 0) + "\(percent) %"
        // Each is left out where the bar would become too short with it. What is not known keeps its place, so that the bar
        // keeps its length.
        let extras =
            note.isEmpty
            ? [
                Self.padLeft(rate.map(Self.rateText) ?? "", to: 9),
                Self.padLeft(remaining.map(ColumnText.clock) ?? "", to: 5),
                "of \(ByteCount(rawValue: total))", part,
            ].filter { !$0.isEmpty } : [note]
        var tail = figure
        for extra in extras {
            let room = columns - Self.phaseWidth - ColumnText.width(tail) - ColumnText.width(extra) - 6
            guard room >= Self.shortestBar else { continue }
            tail += "  \(extra)"
        }
        let room = columns - Self.phaseWidth - ColumnText.width(tail) - 4
        guard room >= Self.shortestBar else {
            return ColumnText.fitted("\(phase) \(tail)", to: columns, ellipsis: ellipsis)
        }
        let bar = bar(columns: min(room, Self.longestBar), isUnicode: isUnicode)
        let line = "\(head)  \(bar)  \(tail)"
        return String(line.reversed().drop { $0 == " " }.reversed())
    }

    private func bar(columns: Int, isUnicode: Bool) -> String {
        let part = Double(max(0, done)) / Double(max(1, total ?? 1))
        return Self.bar(total == 0 ? 1 : part, columns: columns, isUnicode: isUnicode)
    }

    /// A bar for a share of 0 to 1.
    static func bar(_ share: Double, columns: Int, isUnicode: Bool) -> String {
        let share = min(1, max(0, share))
        guard isUnicode else {
            let filled = Int(share * Double(columns - 2))
            let head = filled < columns - 2 && filled > 0 ? ">" : ""
            let body = String(repeating: "=", count: max(0, filled - head.count)) + head
            return "[" + body + String(repeating: " ", count: columns - 2 - filled) + "]"
        }
        let eighths = Int(share * Double(columns * 8))
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        let text = String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
        return text + String(repeating: "░", count: columns - ColumnText.width(text))
    }

    /// `12.3 MB/s`
    static func rateText(_ rate: Double) -> String {
        "\(ByteCount(rawValue: Int64(min(max(0, rate), Double(JSONValue.countLimit)))))/s"
    }

    private static func padLeft(_ text: String, to columns: Int) -> String {
        String(repeating: " ", count: max(0, columns - ColumnText.width(text))) + text
    }
}

/// How fast a count grows: over the last seconds, so that it follows the link and does not flicker.
struct RateMeter: Sendable {
    private var samples: [(at: Duration, count: Int64)] = []
    private static let span = Duration.seconds(4)
    private static let step = Duration.milliseconds(200)

    /// Notes the count.
    mutating func note(_ count: Int64, at now: Duration) {
        if let last = samples.last, now - last.at < Self.step || count < last.count {
            if count < last.count { samples = [(now, count)] }
            return
        }
        samples.append((now, count))
        while samples.count > 2, now - samples[0].at > Self.span { samples.removeFirst() }
    }

    /// Bytes a second; nil before there are two samples.
    var rate: Double? {
        guard let first = samples.first, let last = samples.last, last.at > first.at else { return nil }
        return Double(last.count - first.count) / (last.at - first.at).seconds
    }

    /// The time that `rest` bytes take.
    func remaining(_ rest: Int64) -> Duration? {
        guard let rate, rate >= 1 else { return nil }
        return .seconds(Double(rest) / rate)
    }
}
