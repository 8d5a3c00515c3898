/// One figure for Prometheus, and where the status message has it. The names are public (`docs/observability.md`).
package struct Metric: Sendable {
    /// What Prometheus calls it.
    package enum Kind: String, Sendable, Hashable {
        case counter
        case gauge
    }

    /// One value, with what tells it from others of the same name.
    package struct Sample: Sendable {
        var label: (name: String, value: String)?
        var value: Double
    }

    package let name: String
    package let kind: Kind
    /// A sentence, without its full stop.
    package let help: String
    /// Whether it moves while nothing happens: no reason to write a file anew.
    let isRestless: Bool
    /// The values in a status message; none where it does not say.
    let read: @Sendable (JSONValue) -> [Sample]

    private init(
        _ name: String,
        _ kind: Kind = .gauge,
        _ help: String,
        isRestless: Bool = false,
        _ read: @escaping @Sendable (JSONValue) -> [Sample]
    ) {
        self.name = "otaferry_" + name
        self.kind = kind
        self.help = help
        self.isRestless = isRestless
        self.read = read
    }

    /// A number somewhere in the message.
    private static func number(
        _ name: String,
        _ kind: Kind = .gauge,
        _ help: String,
        isRestless: Bool = false,
        _ path: String...
    ) -> Metric {
        Metric(name, kind, help, isRestless: isRestless) { status in
            Self.value(status, path).map { [Sample(value: $0)] } ?? []
        }
    }

    private static func value(_ status: JSONValue, _ path: [String]) -> Double? {
        let found = path.reduce(status as JSONValue?) { $0?[$1] }
        switch found {
        case .integer(let number): return Double(number)
        case .double(let number): return number
        case .bool(let flag): return flag ? 1 : 0
        case .string(let text): return WallTime(iso8601: text).map { Double($0.milliseconds) / 1_000 }
        default: return nil
        }
    }

    /// The states of an agent.
    package static let agentStates = ["online", "degraded", "stopping", "offline"]
    /// The problems that an agent may have. A problem that is not among them is shown while it lasts.
    package static let problems = ["cloud", "data-link", "paused", "spool-damaged", "spool-failing", "spool-full"]

    /// All of them, in the order in which they are written.
    package static let all: [Metric] = [
        Metric("info", .gauge, "1; the labels tell the versions") { status in
            guard let version = status["version"]?.string else { return [] }
            return [Sample(label: ("version", version), value: 1)]
        },
        Metric("state", .gauge, "1 for the state that the agent is in, 0 for the others") { status in
            let state = status["state"]?.string
            return Self.agentStates.map { Sample(label: ("state", $0), value: $0 == state ? 1 : 0) }
        },
        number(
            "answers",
            .gauge,
            "1 where the agent answers, 0 where it does not; from otaferry status alone",
            "answers"
        ),
        number("start_time_seconds", .gauge, "When the agent started, in seconds since 1970", "since"),
        Metric("problem", .gauge, "1 while the agent has the problem") { status in
            guard let list = status["problems"]?.array else { return [] }
            let codes = Set(list.compactMap { $0["code"]?.string })
            return Set(Self.problems).union(codes).sorted()
                .map { Sample(label: ("code", $0), value: codes.contains($0) ? 1 : 0) }
        },
        Metric("transfers", .gauge, "Transfers that are not over, and failed ones, by state") { status in
            (status["queue"]?.object ?? [:]).sorted { $0.key < $1.key }.compactMap { state, count in
                count.integer.map { Sample(label: ("state", state), value: Double($0)) }
            }
        },
        number(
            "oldest_transfer_timestamp_seconds",
            .gauge,
            "When the oldest transfer that is not over began, in seconds since 1970",
            "queue_since"
        ),
        number("spool_used_bytes", .gauge, "Bytes of firmware in the spool", "spool", "used"),
        number("spool_free_bytes", .gauge, "Bytes of firmware that still fit", "spool", "free"),
        number("spool_quota_bytes", .gauge, "spool.quota", "spool", "quota"),
        number("spool_transfers", .gauge, "Transfers in the spool, those that are over too", "spool", "transfers"),
        number(
            "written_bytes_total",
            .counter,
            "Bytes that the agent wrote to the disk since it started: the wear",
            "totals",
            "written"
        ),
        number("stored_bytes_total", .counter, "Bytes of firmware stored since the start", "totals", "stored"),
        number("sent_bytes_total", .counter, "Bytes of firmware sent to the cloud since the start", "totals", "sent"),
        number("attempts_total", .counter, "Attempts at a publication since the start", "totals", "attempts"),
        number(
            "registered_total",
            .counter,
            "Transfers registered since the start, each file of a package is one",
            "totals",
            "registered"
        ),
        number("failed_total", .counter, "Transfers that failed since the start", "totals", "failed"),
        number("resident_memory_bytes", .gauge, "Memory of the agent", isRestless: true, "memory", "resident"),
        number("broker_connected", .gauge, "1 while both connections to the broker stand", "broker", "connected"),
        number(
            "cloud_reachable",
            .gauge,
            "1 while the cloud answers; absent before the first call",
            "cloud",
            "reachable"
        ),
        number(
            "cloud_last_success_timestamp_seconds",
            .gauge,
            "When the cloud last did what it was asked for, in seconds since 1970",
            "cloud",
            "last_success"
        ),
        number(
            "clock_offset_seconds",
            .gauge,
            "How far the cloud's clock is ahead",
            isRestless: true,
            "cloud",
            "clock_offset"
        ),
    ]

    /// A status message in Prometheus' text format. `isRestless` false leaves out what moves while nothing happens.
    package static func text(of status: JSONValue, gateway: String, isRestless: Bool = true) -> String {
        var lines: [String] = []
        for metric in all where isRestless || !metric.isRestless {
            let samples = metric.read(status)
            guard !samples.isEmpty else { continue }
            lines.append("# HELP \(metric.name) \(metric.help).")
            lines.append("# TYPE \(metric.name) \(metric.kind.rawValue)")
            for sample in samples {
                var labels = [("gateway", gateway)]
                if let label = sample.label { labels.append(label) }
                let text = labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
                lines.append("\(metric.name){\(text)} \(written(sample.value))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
    }

    private static func written(_ value: Double) -> String {
        Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}
