/// Mosquitto's access list (`acl_file`), read as Mosquitto reads it: who may write and read which topics.
struct MosquittoAccessList: Sendable {
    enum Access: Sendable, Hashable {
        case read
        case write
        case readWrite
        case deny

        func grants(_ wanted: Access) -> Bool { self == wanted || self == .readWrite }
    }

    private struct Entry: Sendable {
        var access: Access
        var filter: String
    }

    /// Lines before the first `user`: for clients without a name.
    private var anonymous: [Entry] = []
    private var users: [String: [Entry]] = [:]
    private var patterns: [Entry] = []

    init(text: String) {
        var user: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard let key = words.first, !key.hasPrefix("#"), words.count > 1 else { continue }
            let rest = String(words[1]).trimmed
            switch key {
            case "user":
                user = rest
                users[rest] = users[rest] ?? []
            case "topic":
                let entry = Self.entry(rest)
                if let user { users[user, default: []].append(entry) } else { anonymous.append(entry) }
            case "pattern": patterns.append(Self.entry(rest))
            default: break
            }
        }
    }

    private static func entry(_ text: String) -> Entry {
        let words: [(String, Access)] = [
            ("readwrite", .readWrite), ("read", .read), ("write", .write), ("deny", .deny),
        ]
        for (word, access) in words where text.hasPrefix(word + " ") {
            return Entry(access: access, filter: String(text.dropFirst(word.count + 1)).trimmed)
        }
        return Entry(access: .readWrite, filter: text)
    }

    /// Whether a client may. `user` nil: one without a name.
    func allows(_ wanted: Access, _ topic: String, user: String?, client: String = "client") -> Bool {
        let own = user.map { users[$0] ?? [] } ?? anonymous
        let fitting = own.filter { Self.covers($0.filter, topic) }
        if fitting.contains(where: { $0.access == .deny }) { return false }
        if fitting.contains(where: { $0.access.grants(wanted) }) { return true }
        return patterns.contains { pattern in
            // A pattern with %u says nothing about clients without a name.
            if user == nil && pattern.filter.contains("%u") { return false }
            let filter = Self.filled(pattern.filter, user: user ?? "", client: client)
            return pattern.access.grants(wanted) && Self.covers(filter, topic)
        }
    }

    /// Whether a line names a user or pattern that may write the topic.
    func lets(anybodyWrite topic: String) -> Bool {
        allows(.write, topic, user: nil) || users.keys.contains { allows(.write, topic, user: $0) }
            || allows(.write, topic, user: "somebody")
    }

    private static func filled(_ filter: String, user: String, client: String) -> String {
        filter.split(separator: "/", omittingEmptySubsequences: false)
            .map { $0 == "%u" ? user : $0 == "%c" ? client : String($0) }.joined(separator: "/")
    }

    /// Topics that begin with `$` are covered only by filters that begin with `$` too.
    static func covers(_ filter: String, _ topic: String) -> Bool {
        guard (filter.first == "$") == (topic.first == "$") else { return false }
        let wanted = topic.split(separator: "/", omittingEmptySubsequences: false)
        let levels = filter.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in levels.enumerated() {
            if level == "#" { return true }
            guard index < wanted.count, level == "+" || level == wanted[index] else { return false }
        }
        return levels.count == wanted.count
    }
}

extension MosquittoAccessList {
    /// What it means for the agent, who is `user` at the broker, and for its senders.
    func findings(user: String, root: String, isFileTransferEnabled: Bool) -> [Finding] {
        rights(user, root) + (isFileTransferEnabled ? files(user) : []) + senders(root)
    }

    private func rights(_ user: String, _ root: String) -> [Finding] {
        let client = user.isEmpty ? nil : user
        let needed: [(Access, String)] =
            [(.read, "in/ci/t/1/init"), (.read, "cmd/ping")]
            + ["out/ci/1/ack", "state/ci/1", "progress/ci/1", "event/ci/1", "status", "res/1"].map { (.write, $0) }
        let missing = needed.filter { !allows($0.0, "\(root)/\($0.1)", user: client) }
        guard let first = missing.first else {
            return [Finding(.brokerRights, .ok, "The access list gives the agent what it needs")]
        }
        let names = missing.map { ($0.0 == .read ? "read " : "write ") + ($0.1.split(separator: "/").first ?? "") }
        return [
            Finding(
                .brokerRights,
                .error,
                "The access list does not let \(user.isEmpty ? "a client without a name" : user) "
                    + names.joined(separator: ", ") + " below \(root)",
                why: first.0 == .read ? "firmware or commands never reach the agent" : "the agent is never heard",
                remedy: "Give it \"topic readwrite otaferry/v1/#\" in the acl_file"
            )
        ]
    }

    private func files(_ user: String) -> [Finding] {
        let client = user.isEmpty ? nil : user
        let topics = ["$file/1/init", "$file-async/1/init"]
        guard topics.allSatisfy({ allows(.read, $0, user: client) }) else {
            return [
                Finding(
                    .brokerFiles,
                    .error,
                    "The access list does not let the agent read $file/#",
                    why: "\"topic readwrite #\" does not cover topics that begin with $: what clients of EMQX's file "
                        + "transfer send is acknowledged and thrown away",
                    remedy: "Add \"topic read $file/#\", \"topic read $file-async/#\" and \"topic write "
                        + "$file-response/#\" for the agent, or set broker.file-transfer = false"
                )
            ]
        }
        guard topics.contains(where: { lets(anybodyWrite: $0) }) else {
            return [
                Finding(
                    .brokerFiles,
                    .note,
                    "The access list lets nobody write $file/#",
                    why: "clients of EMQX's file transfer are refused, those with MQTT 3.1.1 without a word",
                    remedy: "Add \"pattern write $file/#\" if there are any, else set broker.file-transfer = false"
                )
            ]
        }
        return [Finding(.brokerFiles, .ok, "The access list opens $file/# to senders and to the agent")]
    }

    private func senders(_ root: String) -> [Finding] {
        let names: [String?] = [nil, "doctor-a"]
        var findings: [Finding] = []
        if names.contains(where: { allows(.write, "\(root)/cmd/cancel", user: $0) }) {
            findings.append(
                Finding(
                    .brokerSenders,
                    .warning,
                    "The access list lets everybody write \(root)/cmd/#",
                    why: "any sender can cancel or purge the firmware of others",
                    remedy: "Give cmd/# to operators only; see /usr/share/doc/otaferry/examples"
                )
            )
        }
        if names.contains(where: { allows(.write, "\(root)/in/doctor-b/t/1/init", user: $0) }) {
            findings.append(
                Finding(
                    .brokerSenders,
                    .warning,
                    "The access list lets a sender write as another one",
                    why: "the agent believes the topic: whoever may write in/<sender> is that sender",
                    remedy: "Use \"pattern write otaferry/v1/+/in/%u/#\""
                )
            )
        }
        if names.contains(where: { allows(.write, "\(root)/state/doctor-b/1", user: $0) }) {
            findings.append(
                Finding(
                    .brokerSenders,
                    .warning,
                    "The access list lets everybody write \(root)/state/#",
                    why: "what watch and dashboards show may be what somebody else says",
                    remedy: "Let the agent alone write there"
                )
            )
        }
        guard findings.isEmpty else { return findings }
        return [Finding(.brokerSenders, .ok, "The access list tells senders apart and keeps commands to operators")]
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
