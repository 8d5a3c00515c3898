import FerryCore

/// A status message for a person.
struct StatusReport {
    let status: JSONValue
    let gateway: String
    let now: WallTime
    /// The commands that hints name.
    var followUp = FollowUp.plain
    /// Whether it was asked and did not answer.
    var isSilent = false
    /// What a person can do then.
    var silenceRemedy = AgentAway.remedy

    private static let labelWidth = 10

    /// The lines; what the message does not say is left out.
    func lines(terminal: Terminal) -> [String] {
        let said = status["state"]?.string ?? "unknown"
        let state = isSilent ? "not answering" : said
        let since = age(status["since"]).map { " (\($0))" } ?? ""
        let version = status["version"]?.string.map { ", otaferry \($0)" } ?? ""
        let begin = isSilent ? "; its last word was \(said)" : ""
        let title = "\(gateway) is \(state)".printable
        var lines = terminal.lines(of: title + (begin + since + version).printable, behind: "", columns: 0)
        if lines[0].hasPrefix(title) {
            lines[0] = terminal.colored(title, Self.color(state)) + lines[0].dropFirst(title.count)
        }
        func add(_ label: String, _ parts: [String?]) {
            let text = parts.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: ", ")
            guard !text.isEmpty else { return }
            lines += Self.lines(label, text, terminal)
        }
        add("Broker", [broker, size("broker", "max_packet").map { "messages up to \($0)" }])
        add("Cloud", cloud)
        add("Spool", spool)
        add("Queue", queue)
        add("Done", done)
        add("Memory", [size("memory", "resident")])
        add("Limits", limits)
        add("Uploads", uploads)
        for problem in status["problems"]?.array ?? [] {
            let text = "\(problem["code"]?.string ?? "?"): \(problem["text"]?.string ?? "")".printable
            lines += Self.lines("Problem", text, terminal).map {
                "  " + terminal.colored(String($0.dropFirst(2)), .yellow)
            }
            if let hint = problem["hint"]?.string, !hint.isEmpty {
                lines += Self.lines("", followUp.completed(hint), terminal)
            }
        }
        if state == "offline" || isSilent {
            lines += Self.lines("Hint", isSilent ? silenceRemedy : AgentAway.remedy, terminal)
        }
        return lines
    }

    private static func lines(_ label: String, _ text: String, _ terminal: Terminal) -> [String] {
        terminal.lines(
            of: text.printable,
            behind: "  " + ColumnText.padded(label, to: labelWidth),
            columns: labelWidth + 2
        )
    }

    private static func color(_ state: String) -> Terminal.Color {
        switch state {
        case "online": .green
        case "degraded", "stopping": .yellow
        default: .red
        }
    }

    private func value(_ path: [String]) -> JSONValue? { path.reduce(status as JSONValue?) { $0?[$1] } }

    private func number(_ path: String...) -> Int64? { value(path)?.count }

    private func size(_ path: String...) -> String? { value(path)?.count.map { "\(ByteCount(rawValue: $0))" } }

    private func age(_ value: JSONValue?) -> String? {
        value?.string.flatMap(WallTime.init(iso8601:)).map { TransferTable.Row.age(now - $0) }
    }

    private var broker: String? {
        guard let isConnected = status["broker"]?["connected"]?.bool else {
            return status["broker"]?["version"]?.string
        }
        return (isConnected ? "connected" : "not connected")
            + (status["broker"]?["version"]?.string.map { ", \($0)" } ?? "")
    }

    private var cloud: [String?] {
        guard let cloud = status["cloud"] else { return [] }
        let words = cloud["reachable"]?.bool.map { $0 ? "reachable" : "not reachable" } ?? "not asked yet"
        let clock = cloud["clock_offset"]?.offset.flatMap {
            abs($0) < 2 ? nil : "this clock is \(Int(abs($0))) s \($0 > 0 ? "behind" : "ahead")"
        }
        let success = age(cloud["last_success"]).map { "last success \($0) ago" }
        return [words, success ?? (words == "reachable" ? "no success yet" : nil), clock]
    }

    private var spool: [String?] {
        guard let used = size("spool", "used"), let quota = size("spool", "quota") else { return [] }
        return [
            "\(used) of \(quota) used", size("spool", "free").map { "\($0) free" },
            number("spool", "transfers").map { "\($0) \($0 == 1 ? "transfer" : "transfers")" },
        ]
    }

    private var queue: [String?] {
        guard let queue = status["queue"]?.object else { return [] }
        let order = ["receiving", "stored", "publishing", "held", "failed"]
        let counts = order.compactMap { name in queue[name]?.count.flatMap { $0 == 0 ? nil : "\($0) \(name)" } }
        guard !counts.isEmpty else { return ["empty"] }
        return counts + [age(status["queue_since"]).map { "the oldest waits for \($0)" }]
    }

    private var done: [String?] {
        guard status["totals"] != nil else { return [] }
        return [
            size("totals", "stored").map { "\($0) stored" }, size("totals", "sent").map { "\($0) sent" },
            number("totals", "registered").map { "\($0) registered" },
            number("totals", "attempts").map { "\($0) attempts" },
            size("totals", "written").map { "\($0) written to the disk" },
        ]
    }

    private var uploads: [String?] {
        guard let uploads = status["uploads"] else { return [] }
        return [
            uploads["rate_limit"]?.string.map { "at most \($0)" } ?? "at any rate",
            uploads["window"]?.string.map { "start \($0) only, in the gateway's time" } ?? "start at any time",
        ]
    }

    private var limits: [String?] {
        [
            size("limits", "one_shot_max").map { "one message up to \($0)" },
            size("limits", "segment").map { "segments of \($0)" },
            size("limits", "size_max").map { "files up to \($0)" },
        ]
    }
}

extension String {
    fileprivate var printable: String { ColumnText.printable(self) }
}
