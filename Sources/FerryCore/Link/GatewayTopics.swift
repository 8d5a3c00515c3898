/// The topics of one gateway's agent (`docs/mqtt-api.md`).
package struct GatewayTopics: Sendable {
    /// `otaferry/v1/<gateway>`
    package let root: String

    package init(gateway: Name) { root = "otaferry/v1/\(gateway)" }

    /// What senders publish.
    package var intakeFilter: String { root + "/in/#" }
    /// What operators publish.
    package var commandFilter: String { root + "/cmd/#" }
    package var status: String { root + "/status" }

    package func acknowledgement(_ address: TransferAddress) -> String {
        "\(root)/out/\(address.sender)/\(address.id)/ack"
    }
    package func state(_ address: TransferAddress) -> String { "\(root)/state/\(address)" }
    package func progress(_ address: TransferAddress) -> String { "\(root)/progress/\(address)" }
    package func event(_ address: TransferAddress) -> String { "\(root)/event/\(address)" }
    package func command(_ verb: String) -> String { "\(root)/cmd/\(verb)" }
    package func result(_ request: String) -> String { "\(root)/res/\(request)" }

    /// The levels of a sender's topic after `…/in/`; nil for a topic that is none.
    package func intakeLevels(_ topic: String) -> [Substring]? { levels(topic, below: "/in/") }

    /// Whether a topic is one that operators command on, known or not.
    package func isCommand(_ topic: String) -> Bool { levels(topic, below: "/cmd/") != nil }

    /// The verb of a command's topic; nil for a topic that is none.
    package func verb(_ topic: String) -> String? {
        levels(topic, below: "/cmd/").flatMap { $0.count == 1 ? String($0[0]) : nil }
    }

    /// Whether a topic carries bytes of a file, which may wait a moment for more of them, and nothing else.
    package func isSegment(_ topic: String) -> Bool {
        let levels = Substring(topic).topicLevels
        let step =
            switch levels.first {
            case "$file", "$file-async": levels.dropFirst(2)
            default: intakeLevels(topic).map { $0.dropFirst().first == "t" ? $0.dropFirst(3) : [] } ?? []
            }
        return (1...2).contains(step.count) && (step.first?.utf8.allSatisfy { (48...57).contains($0) } ?? false)
    }

    private func levels(_ topic: String, below name: String) -> [Substring]? {
        let prefix = root + name
        guard topic.utf8.starts(with: prefix.utf8) else { return nil }
        return Substring(topic.utf8.dropFirst(prefix.utf8.count)).topicLevels
    }
}

extension Substring {
    /// The levels of a topic. They end at the byte of a slash, as for the broker that checks rights by them: a character
    /// of Swift may hold the slash and a combining mark after it.
    var topicLevels: [Substring] {
        utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Substring($0) }
    }
}
