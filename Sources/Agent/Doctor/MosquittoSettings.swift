import Broker

/// What a Mosquitto configuration says, with the files that it includes. Only what matters here is looked at.
struct MosquittoSettings: Sendable {
    /// The last value of each key; Mosquitto too lets a later line win.
    private(set) var values: [String: String] = [:]
    /// The files that were read, in order.
    private(set) var files: [String] = []
    /// The TCP ports of its listeners.
    private var ports: Set<Int> = []
    /// The values of each listener, by port; of the default one under 1883.
    private var valuesOfListeners: [Int: [String: String]] = [:]
    /// Whose lines are read now.
    private var listener = 1_883
    /// The files that could not be read.
    private(set) var unreadable: [String] = []

    /// Deeper inclusion is a loop.
    private static let depthLimit = 8

    /// Reads the file; nil where it cannot be read.
    init?(path: String, host: HostFiles) {
        guard read(path, host: host, depth: 0) else { return nil }
    }

    /// Reads a text without inclusions.
    init(text: String) { _ = take(text, of: "", host: nil, depth: 0) }

    private mutating func read(_ path: String, host: HostFiles, depth: Int) -> Bool {
        guard let text = try? host.read(path) else {
            unreadable.append(path)
            return false
        }
        files.append(path)
        return take(text, of: path, host: host, depth: depth)
    }

    private mutating func take(_ text: String, of path: String, host: HostFiles?, depth: Int) -> Bool {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard let key = words.first, !key.hasPrefix("#") else { continue }
            var value = words.count > 1 ? words[1] : ""
            while value.first?.isWhitespace == true { value.removeFirst() }
            while value.last?.isWhitespace == true { value.removeLast() }
            if key == "include_dir", let host, depth < Self.depthLimit {
                for name in host.names(in: String(value), suffix: ".conf") {
                    _ = read("\(value)/\(name)", host: host, depth: depth + 1)
                }
                continue
            }
            values[String(key)] = String(value)
            if key == "listener" || key == "port", let port = value.split(separator: " ").first.flatMap({ Int($0) }) {
                ports.insert(port)
                listener = port
            }
            valuesOfListeners[listener, default: [:]][String(key)] = String(value)
        }
        return true
    }

    /// Whether a broker with these settings listens there. Without a listener it does on 1883.
    func listens(on port: Int) -> Bool { ports.isEmpty ? port == 1_883 : ports.contains(port) }

    /// What a listener takes for the user name where the client shows a certificate; nil: the name that it says itself.
    func certificateName(on port: Int?) -> BrokerAccess.CertificateName? {
        let values = port.flatMap { valuesOfListeners[$0] } ?? [:]
        if values["use_identity_as_username"] == "true" { return .commonName }
        return values["use_subject_as_username"] == "true" ? .subject : nil
    }

    /// A number, or what holds where nothing is said.
    func number(_ key: String, default standard: Int64) -> Int64 { values[key].flatMap { Int64($0) } ?? standard }

    /// `true` or `false`, or what holds where nothing is said.
    func flag(_ key: String, default standard: Bool) -> Bool { values[key].map { $0 == "true" } ?? standard }

    /// Whether one of the plugins keeps sessions and messages in a file by itself (Mosquitto 2.1).
    var hasPersistencePlugin: Bool {
        ["plugin", "global_plugin"].contains { values[$0]?.contains("persist_sqlite") == true }
    }
}

extension MosquittoSettings {
    private static let enough: Int64 = 10_000
    private static let snippet = "an example stands in /usr/share/doc/otaferry/examples"

    /// What they mean for firmware; `version` nil where it is not known.
    func findings(version: MosquittoVersion?) -> [Finding] {
        queue(version) + persistence() + listeners(version) + sessions()
    }

    private func queue(_ version: MosquittoVersion?) -> [Finding] {
        let messages = number("max_queued_messages", default: 1_000)
        let bytes = number("max_queued_bytes", default: 0)
        let kept = bytes == 0 ? "\(messages) messages" : "\(messages) messages and \(bytes) bytes"
        let why = "over that the broker drops messages that it has acknowledged to their sender"
        let remedy = "Set max_queued_messages 100000 and max_queued_bytes 268435456 in mosquitto.conf, restart it"
        if messages == 0 {
            return [
                Finding(
                    .brokerQueue,
                    .error,
                    "max_queued_messages is 0, which is meant to be without limit",
                    why: "versions 2.0.2, 2.0.16 and 2.0.21 drop messages or clients with it",
                    remedy: remedy
                )
            ]
        }
        if messages < 500 {
            return [
                Finding(
                    .brokerQueue,
                    .error,
                    "The broker keeps \(kept) for a client",
                    why: "senders may have 500 under way, and over its limit the broker drops what it has acknowledged",
                    remedy: remedy
                )
            ]
        }
        let isTight = messages < Self.enough || (bytes != 0 && bytes < 64 << 20)
        let grade = isTight ? Finding.Grade.warning : .ok
        return [
            Finding(
                .brokerQueue,
                grade,
                "The broker keeps \(kept) for a client",
                why: isTight ? why : "",
                remedy: isTight ? remedy : ""
            )
        ]
    }

    private func persistence() -> [Finding] {
        if hasPersistencePlugin { return [Finding(.brokerPersistence, .ok, "A plugin writes sessions and messages")] }
        guard flag("persistence", default: false) else {
            return [
                Finding(
                    .brokerPersistence,
                    .warning,
                    "The broker has no persistence",
                    why:
                        "what it has acknowledged and not delivered is lost when it restarts, and so are retained states",
                    remedy: "Set persistence true and autosave_interval 60 in mosquitto.conf, restart it"
                )
            ]
        }
        let interval = number("autosave_interval", default: 1_800)
        let isOnChanges = flag("autosave_on_changes", default: false)
        let unit = isOnChanges ? "changes" : "s"
        guard interval == 0 || interval > (isOnChanges ? 1_000 : 300) else {
            return [Finding(.brokerPersistence, .ok, "The broker writes its state every \(interval) \(unit)")]
        }
        let often = interval == 0 ? "only when it stops" : "every \(interval) \(unit)"
        return [
            Finding(
                .brokerPersistence,
                .warning,
                "The broker writes its state \(often)",
                why: "a power cut before that loses what senders were told had arrived",
                remedy: "Set autosave_interval 60 in mosquitto.conf, restart it; " + Self.snippet
            )
        ]
    }

    private func listeners(_ version: MosquittoVersion?) -> [Finding] {
        guard flag("per_listener_settings", default: false) else {
            return [Finding(.brokerListeners, .ok, "per_listener_settings is off")]
        }
        let isFaulty = version?.losesSessionsPerListener ?? true
        return [
            Finding(
                .brokerListeners,
                isFaulty ? .warning : .ok,
                "per_listener_settings is on",
                why: isFaulty ? "before Mosquitto 2.0.23 sessions are lost with it, and the messages in them" : "",
                remedy: isFaulty ? "Set per_listener_settings false, or install 2.0.23 or newer" : ""
            )
        ]
    }

    /// The agent's session has to outlive its absence.
    private func sessions() -> [Finding] {
        guard let text = values["persistent_client_expiration"], let seconds = Self.seconds(text) else {
            return [Finding(.brokerSessions, .ok, "The broker keeps sessions of clients that are away")]
        }
        let isShort = seconds < 7 * 86_400
        return [
            Finding(
                .brokerSessions,
                isShort ? .warning : .ok,
                "The broker forgets clients that are away for \(text)",
                why: isShort ? "what senders published meanwhile is lost when the agent is away for longer" : "",
                remedy: isShort ? "Set persistent_client_expiration 7d or more" : ""
            )
        ]
    }

    /// `14d`, `2w`, `1m`; Mosquitto's months have 30 days.
    private static func seconds(_ text: String) -> Int64? {
        guard let unit = text.last, let count = Int64(text.dropLast()) else { return nil }
        let factors: [Character: Int64] = ["h": 3_600, "d": 86_400, "w": 604_800, "m": 2_592_000, "y": 31_536_000]
        return factors[unit].map { count * $0 }
    }
}
