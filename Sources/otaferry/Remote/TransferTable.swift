import FerryCore

/// Transfers as a table that fits a width.
struct TransferTable {
    /// One row, as a person reads it.
    struct Row {
        var id: String
        var product: String
        var version: String
        var size: String
        var state: TransferState?
        var stateText: String
        var age: String
        var progress: String
        var reason: String
    }

    private struct Column: Sendable {
        let title: String
        let text: @Sendable (Row) -> String
        let isRight: Bool
        /// Columns with a higher number go first when there is no room.
        let expendability: Int
        /// Down to this width it may be cut.
        let least: Int

        init(
            _ title: String,
            _ text: @escaping @Sendable (Row) -> String,
            right: Bool = false,
            expendability: Int,
            least: Int
        ) {
            self.title = title
            self.text = text
            isRight = right
            self.expendability = expendability
            self.least = least
        }
    }

    private static let columns: [Column] = [
        Column("ID", { $0.id }, expendability: 0, least: 12),
        Column("PRODUCT", { $0.product }, expendability: 3, least: 8),
        Column("VERSION", { $0.version }, expendability: 2, least: 7),
        Column("SIZE", { $0.size }, right: true, expendability: 5, least: 7),
        Column("STATE", { $0.stateText }, expendability: 0, least: 9),
        Column("DONE", { $0.progress }, right: true, expendability: 6, least: 4),
        Column("AGE", { $0.age }, right: true, expendability: 4, least: 3),
        Column("REASON", { $0.reason }, expendability: 7, least: 12),
    ]
    private static let gap = 2

    let rows: [Row]

    init(states: [JSONValue], now: WallTime) { rows = states.map { Row(state: $0, now: now) } }

    /// The lines; `columns` nil: as wide as it gets.
    func lines(columns limit: Int?, terminal: Terminal) -> [String] {
        var shown = Self.columns.map { (column: $0, width: natural($0)) }
        if let limit { Self.fit(&shown, to: limit) }
        let titles = shown.map { Self.cell($0.column.title, $0.column, $0.width, terminal) }
        return [Self.line(titles)]
            + rows.map { row in
                Self.line(
                    shown.map { column, width in
                        let text = Self.cell(column.text(row), column, width, terminal)
                        guard column.title == "STATE", let color = row.color else { return text }
                        return terminal.colored(text, color)
                    }
                )
            }
    }

    private func natural(_ column: Column) -> Int {
        rows.reduce(column.title.count) { max($0, ColumnText.width(column.text($1))) }
    }

    private static func total(_ shown: [(column: Column, width: Int)]) -> Int {
        shown.reduce(0) { $0 + $1.width + gap } - gap
    }

    /// Cuts the widest columns, then leaves columns out.
    private static func fit(_ shown: inout [(column: Column, width: Int)], to limit: Int) {
        while total(shown) > limit {
            let excess = total(shown) - limit
            let slack = shown.reduce(0) { $0 + max(0, $1.width - $1.column.least) }
            if slack >= excess {
                // The last column gives first: a reason that is cut still says much.
                var rest = excess
                for index in shown.indices.reversed() where rest > 0 {
                    let part = min(rest, max(0, shown[index].width - shown[index].column.least))
                    shown[index].width -= part
                    rest -= part
                }
                return
            }
            guard
                let victim = shown.indices.max(by: { shown[$0].column.expendability < shown[$1].column.expendability }),
                shown[victim].column.expendability > 0
            else {
                for index in shown.indices {
                    shown[index].width = min(shown[index].width, max(1, limit / shown.count - gap))
                }
                return
            }
            shown.remove(at: victim)
        }
    }

    private static func cell(_ text: String, _ column: Column, _ width: Int, _ terminal: Terminal) -> String {
        let fitted = ColumnText.fitted(text, to: width, ellipsis: terminal.isUnicode ? "…" : "~")
        let padding = String(repeating: " ", count: max(0, width - ColumnText.width(fitted)))
        return column.isRight ? padding + fitted : fitted + padding
    }

    private static func line(_ cells: [String]) -> String {
        var line = cells.joined(separator: String(repeating: " ", count: gap))
        while line.last == " " { line.removeLast() }
        return line
    }
}

extension TransferTable.Row {
    /// Reads a `state` document; what it does not say stays empty.
    init(state json: JSONValue, now: WallTime) {
        let status = TransferStatus(json: json)
        func text(_ value: JSONValue?) -> String { ColumnText.printable(value?.string ?? "") }
        id = "\(text(json["sender"]))/\(text(json["id"]))"
        product = text(json["firmware"]?["product"])
        version = text(json["firmware"]?["version"])
        size = status?.size.map { "\(ByteCount(rawValue: $0))" } ?? ""
        state = status?.state
        let isPaused = status?.isPaused == true && status?.state.isFinal == false
        stateText = (status?.state.rawValue ?? "?") + (isPaused ? "*" : "")
        age = json["since"]?.string.flatMap(WallTime.init(iso8601:)).map { Self.age(now - $0) } ?? ""
        progress = Self.progress(status, json)
        reason = ColumnText.printable(status?.reason?.text ?? "")
    }

    private static func progress(_ status: TransferStatus?, _ json: JSONValue) -> String {
        guard let status, let size = status.size, size > 0 else { return "" }
        switch status.state {
        case .receiving:
            return "\(min(100, max(0, json["received"]?["durable"]?.integer ?? 0) * 100 / size))%"
        case .uploading: return "\(min(100, max(0, status.sent) * 100 / size))%"
        default: return ""
        }
    }

    /// `12s`, `5m`, `3h`, `2d`
    static func age(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3_600: return "\(seconds / 60)m"
        case ..<86_400: return "\(seconds / 3_600)h"
        default: return "\(seconds / 86_400)d"
        }
    }

    var color: Terminal.Color? {
        switch state {
        case .registered: .green
        case .failed, .expired: .red
        case .held, .cancelled: .yellow
        case .receiving, .ticketing, .uploading, .registering: .cyan
        case .stored, nil: nil
        }
    }
}
