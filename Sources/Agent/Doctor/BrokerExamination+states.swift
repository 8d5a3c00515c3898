import Broker
import FerryCore

// What the broker keeps in the agent's name, beside what the agent says. Only the agent writes there, by the broker's access
// list; without one, or after a spool was replaced, other things may stand there, and nobody ever takes them away.
extension BrokerExamination {
    private static let pageSize: Int64 = 100
    /// So many are named; whoever has more clears them all.
    private static let namedMax = 5

    /// The topics of states that the broker keeps and the agent does not know; nil where the agent did not tell.
    func foreignStates(_ visit: BrokerVisit) async -> [String]? {
        let prefix = "\(root)/state/"
        // What is retained came before the agent's first answer, and the list is newer.
        let kept = Set(visit.messages { $0.topic.hasPrefix(prefix) }.map(\.topic))
        guard !kept.isEmpty else { return [] }
        guard let known = await knownStates(visit) else { return nil }
        // What the agent has forgotten meanwhile it has cleared.
        return kept.subtracting(known)
            .filter { topic in visit.lastMessage { $0.topic == topic }?.payload.isEmpty == false }
            .sorted()
    }

    private func knownStates(_ visit: BrokerVisit) async -> Set<String>? {
        var known: Set<String> = []
        var after = JSONValue.null
        var page = 0
        repeat {
            page += 1
            let request = "\(name)-list-\(page)"
            var command: [String: JSONValue] = ["request": .string(request), "limit": .integer(Self.pageSize)]
            if after != .null { command["after"] = after }
            let answerTopic = "\(root)/res/\(name)"
            visit.publish("\(root)/cmd/list", JSONValue.object(command).encoded, responseTopic: answerTopic)
            let message = await visit.message(within: .seconds(5)) { message in
                message.topic == answerTopic && Self.request(of: message) == request
            }
            guard let result = message.flatMap({ try? JSONValue(parsing: $0.payload) })?["result"],
                let states = result["states"]?.array
            else { return nil }
            for state in states {
                guard let sender = state["sender"]?.string, let id = state["id"]?.string else { continue }
                known.insert("\(root)/state/\(sender)/\(id)")
            }
            after = result["next"] ?? .null
        } while after != .null
        return known
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
        guard let topics = facts.foreignStates else {
            return [Finding(.brokerStates, .skipped, "The agent did not say which transfers it knows")]
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
