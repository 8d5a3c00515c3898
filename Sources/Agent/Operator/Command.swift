import Broker
import FerryCore

/// A message of an operator, parsed.
struct Command: Sendable {
    var verb: Verb
    /// The operator's name for it; required for verbs that change something.
    var request: Name?
    var arguments: JSONValue
    var reply: ReplyAddress

    /// What an operator can ask for.
    enum Verb: String, Sendable, CaseIterable {
        case ping, list, get, describe, cancel, retry, pause, resume, priority, purge, limits, sync

        /// Whether it changes something, so that repeating it must do nothing.
        var changesSomething: Bool {
            switch self {
            case .ping, .list, .get, .sync: false
            case .describe, .cancel, .retry, .pause, .resume, .priority, .purge, .limits: true
            }
        }

        /// The members that mean something to it, besides `request` and `v`.
        var members: Set<String> {
            switch self {
            case .ping, .sync: []
            case .list: ["filter", "state", "sender", "product", "limit", "order", "after"]
            case .get, .cancel, .retry, .pause, .resume, .purge: ["transfer", "sender"]
            case .describe: ["transfer", "sender", "firmware"]
            case .priority: ["transfer", "sender", "priority"]
            case .limits: ["rate-limit", "window", "keep", "reset"]
            }
        }
    }

    /// Members that mean nothing, such as those that are misspelled: they are answered with, and do nothing else.
    var ignored: [String] {
        func unknown(_ value: JSONValue?, _ known: Set<String>, _ place: String = "") -> [String] {
            (value?.object ?? [:]).keys.filter { !known.contains($0) }.sorted().map { place + $0.escaped }
        }
        var names = unknown(arguments, verb.members.union(["request", "v"]))
        if verb == .list { names += unknown(arguments["filter"], ["state", "sender", "product"], "filter.") }
        if verb == .describe { names += unknown(arguments["firmware"], FirmwareMetadata.members, "firmware.") }
        return Array(names.prefix(Self.ignoredLimit))
    }

    /// So many are named.
    private static let ignoredLimit = 20

    /// The largest payload that is looked at.
    private static let payloadLimit = 64 << 10

    /// Parses a message. Where an address for the answer can be read, the mistake comes with it.
    static func parse(_ message: InboundMessage, topics: GatewayTopics) -> Result<Command, Mistake> {
        let verbText = topics.verb(message.topic) ?? message.topic
        let document = message.payload.isEmpty ? .object([:]) : try? JSONValue(parsing: message.payload)
        let requestText = document?["request"]?.string
        let request = requestText.flatMap { Name($0) }
        let reply = ReplyAddress(message.properties, request: request, topics: topics)
        func mistake(_ code: String, _ text: String, hint: String = "") -> Result<Command, Mistake> {
            .failure(
                Mistake(refusal: OperatorRefusal(code: code, text: text, hint: hint), request: request, reply: reply)
            )
        }
        if message.isRetained {
            return mistake(
                "retained",
                "The command was published with the retain flag and is refused",
                hint: "Publish it without -r, and clear the retained one: it would run again at every start"
            )
        }
        guard let verb = Verb(rawValue: verbText) else {
            let known = Verb.allCases.map(\.rawValue).joined(separator: ", ")
            return mistake("unknown-verb", "There is no command \(verbText.escaped)", hint: "There are: \(known)")
        }
        guard message.payload.count <= payloadLimit, let document, document.object != nil else {
            return mistake("bad-json", "The payload is not a JSON object of at most 64 KiB")
        }
        if requestText != nil && request == nil {
            return mistake("bad-request", "request must match [A-Za-z0-9._-]{1,64}")
        }
        if verb.changesSomething && request == nil {
            return mistake("bad-request", "\(verb.rawValue) needs \"request\", a unique id", hint: "For example a UUID")
        }
        return .success(Command(verb: verb, request: request, arguments: document, reply: reply))
    }

    /// A command that cannot be carried out as it is.
    struct Mistake: Error, Sendable {
        var refusal: OperatorRefusal
        var request: Name?
        var reply: ReplyAddress
    }
}

/// Where the answer to a command goes.
struct ReplyAddress: Sendable {
    private let topic: String?
    private let correlationData: [UInt8]?

    init(_ properties: MessageProperties, request: Name?, topics: GatewayTopics) {
        let wanted = properties.responseTopic ?? request.map { topics.result($0.text) }
        topic = wanted.flatMap { ResponseTopic.allowed($0, gateway: topics) }
        correlationData = properties.responseTopic == nil ? nil : properties.correlationData
    }

    /// The message with an answer; nil when nobody can be answered.
    func message(_ payload: [UInt8]) -> OutboundMessage? {
        guard let topic else { return nil }
        var message = OutboundMessage(topic: topic, payload: payload)
        message.correlationData = correlationData
        return message
    }
}
