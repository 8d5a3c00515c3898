import Broker
import FerryCore

// What the broker keeps in the agent's name, beside what the agent says. Only the agent writes there, by the broker's access
// list; without one, or after a spool was replaced, other things may stand there, and nobody ever takes them away.
extension BrokerExamination {
    private static let pageSize: Int64 = 100
    /// Whoever may write to the topic of the answers could lead on for ever.
    private static let pagesMax = 1_000
    private static let listLimit = Duration.seconds(60)
    /// So many are named; whoever has more clears them all.
    private static let namedMax = 5
    /// What the agent has forgotten just now it is about to clear, and what is new it is about to say.
    private static let patience = Duration.seconds(1)

    /// What a comparison of the kept states with the agent's list showed.
    enum KeptStates: Sendable, Equatable {
        /// The agent was not asked, or did not tell.
        case untold
        /// The agent knows some, and none came: a broker need not say that it lets nobody read them.
        case unread
        /// The topics of those that the agent does not know.
        case foreign([String])
    }

    /// Compares the states that the broker keeps with those that the agent knows.
    func keptStates(_ visit: BrokerVisit) async -> KeptStates {
        let prefix = "\(root)/state/"
        // What is retained came before the agent's first answer, and the list is newer.
        let kept = Set(visit.messages { $0.topic.hasPrefix(prefix) }.map(\.topic))
        guard let known = await knownStates(visit, "list") else { return .untold }
        guard !kept.isEmpty else {
            guard !known.isEmpty else { return .foreign([]) }
            // The first of all may have come meanwhile.
            let said = await visit.message(within: Self.patience) { $0.topic.hasPrefix(prefix) }
            return said == nil ? .unread : .foreign([])
        }
        let strange = kept.subtracting(known)
        guard !Self.isCleared(strange, visit.messages { strange.contains($0.topic) }) else { return .foreign([]) }
        await visit.wait(within: Self.patience) { Self.isCleared(strange, $0.messages) }
        guard let knownNow = await knownStates(visit, "again") else { return .untold }
        return .foreign(
            strange.subtracting(knownNow)
                .filter { topic in !Self.isCleared([topic], visit.messages { $0.topic == topic }) }
                .sorted()
        )
    }

    /// Whether the last message on each of the topics takes its state away.
    private static func isCleared(_ topics: Set<String>, _ messages: [InboundMessage]) -> Bool {
        topics.allSatisfy { topic in messages.last { $0.topic == topic }?.payload.isEmpty == true }
    }

    private func knownStates(_ visit: BrokerVisit, _ name: String) async -> Set<String>? {
        let answerTopic = "\(root)/res/\(self.name)"
        let end = ContinuousClock.now + Self.listLimit
        var page = 0
        return await known { after in
            guard ContinuousClock.now < end else { return nil }
            page += 1
            let request = "\(self.name)-\(name)-\(page)"
            var command: [String: JSONValue] = ["request": .string(request), "limit": .integer(Self.pageSize)]
            if after != .null { command["after"] = after }
            visit.publish("\(root)/cmd/list", JSONValue.object(command).encoded, responseTopic: answerTopic)
            let message = await visit.message(within: .seconds(5)) { message in
                message.topic == answerTopic && Self.request(of: message) == request
            }
            return message.flatMap { try? JSONValue(parsing: $0.payload) }?["result"]
        }
    }

    /// The topics of the states on all pages of a list; nil where one does not come, or there is no end of them.
    func known(page: (_ after: JSONValue) async -> JSONValue?) async -> Set<String>? {
        var known: Set<String> = []
        var asked: Set<JSONValue> = [.null]
        var after = JSONValue.null
        for _ in 0..<Self.pagesMax {
            guard let result = await page(after), let states = result["states"]?.array else { return nil }
            for state in states {
                guard let sender = state["sender"]?.string, let id = state["id"]?.string else { continue }
                known.insert("\(root)/state/\(sender)/\(id)")
            }
            after = result["next"] ?? .null
            guard after != .null else { return known }
            guard asked.insert(after).inserted else { return nil }
        }
        return nil
    }

    private static func request(of message: InboundMessage) -> String? {
        (try? JSONValue(parsing: message.payload))?["request"]?.string
    }

    /// What is kept that the agent has not said.
    func states(_ facts: Facts) -> [Finding] {
        guard let version = facts.agentVersion else {
            return [Finding(.brokerStates, .skipped, "What the broker keeps cannot be compared: no agent answers")]
        }
        return foreign(facts) + status(facts, version)
    }

    private func foreign(_ facts: Facts) -> [Finding] {
        let topics: [String]
        switch facts.keptStates {
        case .untold: return [Finding(.brokerStates, .skipped, "The agent did not say which transfers it knows")]
        case .unread:
            return [
                Finding(
                    .brokerStates,
                    .skipped,
                    "The agent knows transfers, and the broker showed no state of them",
                    remedy:
                        "The broker's ACL needs for this account: topic read \(root)/state/#; if it has that, otaferry "
                        + "sync says them again"
                )
            ]
        case .foreign(let found): topics = found
        }
        guard !topics.isEmpty else {
            return [Finding(.brokerStates, .ok, "The broker keeps the agent's own states alone")]
        }
        let names = topics.prefix(Self.namedMax).map { String($0.dropFirst("\(root)/state/".count)).escaped }
        let more = topics.count > names.count ? " and \(topics.count - names.count) more" : ""
        let (what, them) =
            topics.count == 1 ? ("a state of a transfer", "it") : ("\(topics.count) states of transfers", "them")
        return [
            Finding(
                .brokerStates,
                .warning,
                "The broker keeps \(what) that the agent does not know: \(names.joined(separator: ", "))\(more)",
                why: "watch and dashboards show \(them) for ever; somebody else published \(them), or the spool was "
                    + "replaced",
                remedy: remedy(topics)
            )
        ]
    }

    /// The command is pasted by an operator, and the topics are as whoever published them wanted.
    private func remedy(_ topics: [String]) -> String {
        guard let topic = topics.first(where: { !$0.hasControlCharacters }) else {
            let what = topics.count == 1 ? "The topic has" : "The topics have"
            return what + " control characters, so no command is shown: docs/operations.md clears all states at once"
        }
        return "mosquitto_pub -r -n -q 1 -t \(topic.shellWord)\(topics.count > 1 ? ", and so for each" : "")"
            + ", as a user who may write there; docs/operations.md"
    }

    private func status(_ facts: Facts, _ version: String) -> [Finding] {
        guard let status = facts.agentStatus else { return [] }
        let state = status["state"]?.string ?? ""
        let isOwn =
            status["version"]?.string == version && status["gateway"]?.string == configuration.gateway.text
            && ["online", "degraded", "stopping"].contains(state)
        guard !isOwn else { return [] }
        return [
            Finding(
                .brokerStates,
                .warning,
                "The agent answers, and the status that the broker keeps is another's: \(state.escaped)",
                why: "otaferry status and dashboards tell what is not so",
                remedy: "otaferry sync says it again; look who may write to \(root)/status"
            )
        ]
    }
}
