import FerryCore

/// Transfers as a table that fits a width.
struct TransferTable {
    /// One row, as a person reads it.
    struct Row {
        var id: String
        var product: String
        var version: String
        /// The name of the file.
        var file = ""
        var size: String
        var state: TransferState?
        var stateText: String
        var age: String
        var progress: String
        var reason: String
        /// From 0 to 1; nil where nothing moves.
        var share: Double?
        /// Bytes a second.
        var rate = ""
        /// The time it still takes.
        var remaining = ""

        /// Whether its product is a mere key, of which no configuration knows what it is.
        var hasKeyAlone = false

        /// Whether it is not known yet what it is for.
        var isNameless: Bool { product.isEmpty && version.isEmpty }
    }

    /// Which columns there are.
    enum Style: Sendable {
        case list
        /// With a bar, rate and time; widths that do not change with every figure.
        case watch
    }

    private struct Column: Sendable {
        let title: String
        let text: @Sendable (Row, Terminal) -> String
        let isRight: Bool
        /// Columns with a higher number go first when there is no room.
        var expendability: Int
        /// Down to this width it may be cut.
        var least: Int
        private var usual = 0

        init(
            _ title: String,
            _ text: @escaping @Sendable (Row, Terminal) -> String,
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

        /// The same, never narrower than this while there is room.
        func wide(_ width: Int, expendability: Int? = nil) -> Column {
            var column = self
            column.usual = width
            if let expendability { column.expendability = expendability }
            return column
        }

        func floor(in style: Style) -> Int { style == .watch ? usual : 0 }
    }

    /// An id that is the beginning of a SHA-256, and something of its sender.
    private static let idWidth = 25
    /// Less of a sender and an id tells nothing.
    private static let leastCutID = 6

    private static let listColumns: [Column] = [
        Column("ID", { row, _ in row.id }, expendability: 0, least: idWidth),
        Column("PRODUCT", { row, _ in row.product }, expendability: 3, least: 8),
        Column("VERSION", { row, _ in row.version }, expendability: 2, least: 7),
        // It is there only where all have room, or nothing else tells which file it is.
        Column("FILE", { row, _ in row.file }, expendability: 1, least: 12),
        Column("SIZE", { row, _ in row.size }, right: true, expendability: 7, least: 7),
        Column("STATE", { row, _ in row.stateText }, expendability: 0, least: 11),
        Column("DONE", { row, _ in row.progress }, right: true, expendability: 5, least: 4),
        Column("AGE", { row, _ in row.age }, right: true, expendability: 4, least: 3),
        Column("REASON", { row, _ in row.reason }, expendability: 6, least: 12),
    ]

    private static let barWidth = 16

    private static let watchColumns: [Column] = [
        listColumns[0], listColumns[1], listColumns[2], listColumns[3], listColumns[4].wide(7, expendability: 6),
        listColumns[5].wide(11),
        Column(
            "PROGRESS",
            { row, terminal in
                row.share.map { ProgressLine.bar($0, columns: barWidth, isUnicode: terminal.isUnicode) } ?? ""
            },
            expendability: 9,
            least: barWidth
        ).wide(barWidth),
        listColumns[6].wide(4, expendability: 1),
        Column("RATE", { row, _ in row.rate }, right: true, expendability: 4, least: 9).wide(9),
        Column("LEFT", { row, _ in row.remaining }, right: true, expendability: 5, least: 5).wide(5),
        listColumns[7].wide(3, expendability: 8), listColumns[8].wide(12, expendability: 7),
    ]
    /// The name of a file takes the place of these where they are empty and there is no column for it.
    private static let nameTitles: Set<String> = ["PRODUCT", "VERSION"]
    /// What is filled while a transfer moves.
    private static let movementTitles: Set<String> = ["PROGRESS", "DONE", "RATE", "LEFT"]
    /// While it is watched in a window without room for reasons, one takes the place of these, which are empty in its row.
    private static let spillTitles = movementTitles.union(["AGE"])
    private static let leastReason = 10
    /// A reason is worth more than what is more expendable, up to this width.
    private static let wishedReason = 24
    /// The same in a list, which has more columns.
    private static let wishedListReason = 16
    private static let gap = 2

    let rows: [Row]
    private let style: Style

    /// The columns for these rows: what matters depends on what they have.
    private var columns: [Column] {
        let columns = style == .list ? Self.listColumns : Self.watchColumns
        return columns.compactMap { column in
            var column = column
            switch column.title {
            case "ID":
                // Commands take an id, and not the beginning of every one.
                column.least = max(column.least, rows.map { Self.leastAddress($0.id) }.max() ?? 0)
            case "FILE": if style == .watch && !areFilesTelling { return nil }
            case "REASON" where style == .list: column.least = Self.wishedListReason
            case "REASON" where !isMoving:
                column.least = Self.wishedReason
                column.expendability = 4
            default: break
            }
            return column
        }
    }

    /// Whether the names of their files tell more of all of them than their products.
    private var areFilesTelling: Bool {
        rows.contains { !$0.file.isEmpty } && rows.allSatisfy { $0.isNameless || $0.hasKeyAlone }
    }

    private var isMoving: Bool { rows.contains { !$0.progress.isEmpty } }

    init(states: [JSONValue], now: WallTime) { self.init(rows: states.map { Row(state: $0, now: now) }) }

    init(rows: [Row], style: Style = .list) {
        self.rows = rows
        self.style = style
    }

    /// The lines, the titles first; `columns` nil: as wide as it gets.
    func lines(columns limit: Int?, terminal: Terminal) -> [String] {
        var shown = columns.map { (column: $0, width: natural($0, terminal)) }
        if let limit {
            dropEmpty(&shown, limit, terminal)
            if Self.total(shown) > limit {
                let victim = areFilesTelling ? "PRODUCT" : "FILE"
                shown.removeAll { $0.column.title == victim }
            }
            Self.fit(&shown, to: limit)
        }
        let titles = Self.line(shown.map { Self.cell($0.column.title, $0.column, $0.width, terminal) })
        return [style == .list ? titles : terminal.faint(titles)]
            + rows.map { row in
                var cells: [String] = []
                var name = Self.spilledName(row, shown, terminal)
                let isNameSpilled = name != nil
                for (column, width) in shown {
                    if isNameSpilled, Self.nameTitles.contains(column.title) {
                        if let text = name { cells.append(text) }
                        name = nil
                        continue
                    }
                    if style == .watch, let limit, Self.spillTitles.contains(column.title),
                        let reason = Self.spilledReason(
                            row,
                            shown,
                            limit - Self.total(shown, before: column.title),
                            terminal
                        )
                    {
                        cells.append(reason)
                        break
                    }
                    let text = Self.cell(column.text(row, terminal), column, width, terminal)
                    let isColored = column.title == "STATE" || column.title == "PROGRESS"
                    cells.append(isColored ? row.color.map { terminal.colored(text, $0) } ?? text : text)
                }
                return Self.line(cells)
            }
    }

    /// The name of a file that nobody described, where the column for it is missing: as wide as what is empty for it.
    private static func spilledName(
        _ row: Row,
        _ shown: [(column: Column, width: Int)],
        _ terminal: Terminal
    ) -> String? {
        let places = shown.filter { nameTitles.contains($0.column.title) }
        guard row.isNameless, !places.isEmpty, !shown.contains(where: { $0.column.title == "FILE" }) else { return nil }
        let width = total(places)
        return ColumnText.padded(ColumnText.fitted(row.file, to: width, ellipsis: terminal.ellipsis), to: width)
    }

    /// The reason of a row that does not move, where the column for it is missing or too narrow.
    private static func spilledReason(
        _ row: Row,
        _ shown: [(column: Column, width: Int)],
        _ room: Int,
        _ terminal: Terminal
    ) -> String? {
        let width = ColumnText.width(row.reason)
        guard row.progress.isEmpty, !row.reason.isEmpty, room >= leastReason,
            !shown.contains(where: { $0.column.title == "REASON" && $0.width >= width })
        else { return nil }
        return ColumnText.fitted(row.reason, to: room, ellipsis: terminal.ellipsis)
    }

    /// Where there is not room for all, columns go first that say nothing.
    private func dropEmpty(_ shown: inout [(column: Column, width: Int)], _ limit: Int, _ terminal: Terminal) {
        while Self.total(shown) > limit {
            let empty = shown.indices.filter { index in
                let column = shown[index].column
                // While something moves its columns stay where they are, also where a rate is not known yet.
                if style == .watch && isMoving && Self.movementTitles.contains(column.title) { return false }
                return column.expendability > 0 && rows.allSatisfy { column.text($0, terminal).isEmpty }
            }
            let next = empty.max { shown[$0].column.expendability < shown[$1].column.expendability }
            guard let next else { return }
            shown.remove(at: next)
        }
    }

    private func natural(_ column: Column, _ terminal: Terminal) -> Int {
        rows.reduce(max(column.title.count, column.floor(in: style))) {
            max($0, ColumnText.width(column.text($1, terminal)))
        }
    }

    private static func total(_ shown: [(column: Column, width: Int)]) -> Int {
        shown.reduce(0) { $0 + $1.width + gap } - gap
    }

    /// Where a column begins.
    private static func total(_ shown: [(column: Column, width: Int)], before title: String) -> Int {
        shown.prefix { $0.column.title != title }.reduce(0) { $0 + $1.width + gap }
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
                shrink(&shown, to: limit)
                return
            }
            let narrowest = listColumns.last?.least ?? 0
            if shown[victim].column.title == "REASON", shown[victim].column.least > narrowest {
                shown[victim].column.least = narrowest
            } else {
                shown.remove(at: victim)
            }
        }
    }

    /// What must not be left out is cut: ids first, of which commands take what is left.
    private static func shrink(_ shown: inout [(column: Column, width: Int)], to limit: Int) {
        let room = limit - total(shown.filter { $0.column.title != "ID" }) - gap
        for index in shown.indices {
            if room < leastCutID {
                shown[index].width = min(shown[index].width, max(1, limit / shown.count - gap))
            } else if shown[index].column.title == "ID" {
                shown[index].width = min(shown[index].width, room)
            }
        }
    }

    private static func cell(_ text: String, _ column: Column, _ width: Int, _ terminal: Terminal) -> String {
        let fitted =
            column.title == "ID"
            ? address(text, to: width, terminal) : ColumnText.fitted(text, to: width, ellipsis: terminal.ellipsis)
        let padding = String(repeating: " ", count: max(0, width - ColumnText.width(fitted)))
        return column.isRight ? padding + fitted : fitted + padding
    }

    /// Commands take the id alone, so the sender is cut, then left out.
    private static func address(_ text: String, to width: Int, _ terminal: Terminal) -> String {
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        guard ColumnText.width(text) > width, parts.count == 2, ColumnText.width(parts[1]) <= width else {
            return ColumnText.fitted(text, to: width, ellipsis: terminal.ellipsis)
        }
        let room = width - ColumnText.width(parts[1]) - 1
        guard room > ColumnText.width(terminal.ellipsis) else { return parts[1] }
        return ColumnText.fitted(parts[0], to: room, ellipsis: terminal.ellipsis) + "/" + parts[1]
    }

    /// The width of an address whose sender is cut to its first letter.
    private static func leastAddress(_ text: String) -> Int {
        let parts = text.split(separator: "/", maxSplits: 1)
        return min(ColumnText.width(text), 3 + ColumnText.width(String(parts.last ?? "")))
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
        file = text(json["file"])
        hasKeyAlone = !product.isEmpty && product == json["firmware"]?["product_key"]?.string
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
            return "\(Percent.of(ReceivedBytes(state: json).countOfAnnounced, in: size))%"
        case .uploading: return "\(Percent.of(status.sent, in: size))%"
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
