import Broker
import FerryCore
import Testing

@testable import Agent

private func message(_ verb: String, _ payload: String, reply: String? = nil, isRetained: Bool = false)
    -> InboundMessage
{
    var properties = MessageProperties()
    properties.responseTopic = reply
    properties.correlationData = [7]
    return InboundMessage(
        topic: "otaferry/v1/gw/cmd/\(verb)",
        payload: Array(payload.utf8),
        isRetained: isRetained,
        properties: properties
    )
}

@Suite("Commands of operators")
struct CommandTests {
    private static func mistake(_ message: InboundMessage) -> Command.Mistake? {
        if case .failure(let mistake) = Command.parse(message, topics: Known.topics) { mistake } else { nil }
    }

    private static func topic(_ address: ReplyAddress?) -> String? { address?.message([])?.topic }

    @Test(
        "Every verb of the contract is known, and those that change something need a request",
        arguments: [
            ("ping", false), ("list", false), ("get", false), ("sync", false), ("describe", true), ("cancel", true),
            ("retry", true),
            ("pause", true), ("resume", true), ("priority", true), ("purge", true), ("limits", true),
        ]
    )
    func verbs(verb: String, changes: Bool) throws {
        let command = try Command.parse(message(verb, "{\"request\":\"r1\",\"transfer\":\"x\"}"), topics: Known.topics)
            .get()
        #expect(
            command.verb.rawValue == verb && command.request == Known.name("r1") && command.arguments["transfer"] == "x"
        )
        #expect(command.verb.changesSomething == changes)
        #expect((Self.mistake(message(verb, "{}"))?.refusal.code == "bad-request") == changes)
        #expect((Self.mistake(message(verb, "")) != nil) == changes)
    }

    @Test("There are no other verbs in the program")
    func all() { #expect(Command.Verb.allCases.count == 12) }

    @Test(
        "A mistake is answered with its reason wherever an address can be read",
        arguments: [
            ("fly", "{\"request\":\"r1\"}", "unknown-verb", "otaferry/v1/gw/res/r1"), ("cancel", "{", "bad-json", nil),
            ("cancel", "[]", "bad-json", nil), ("cancel", "{\"request\":\"a b\"}", "bad-request", nil),
            ("cancel", "{\"request\":7}", "bad-request", nil),
            ("cancel", "{}", "bad-request", nil),
            ("a/b", "{\"request\":\"r1\"}", "unknown-verb", "otaferry/v1/gw/res/r1"),
            ("Ping", "{}", "unknown-verb", nil), ("ping", "nope", "bad-json", nil),
        ] as [(String, String, String, String?)]
    )
    func mistakes(verb: String, payload: String, code: String, topic: String?) throws {
        let mistake = try #require(Self.mistake(message(verb, payload)))
        #expect(mistake.refusal.code == code && !mistake.refusal.text.isEmpty)
        #expect(Self.topic(mistake.reply) == topic)
        let direct = try #require(Self.mistake(message(verb, payload, reply: "back")))
        #expect(Self.topic(direct.reply) == "back" && direct.reply.message([])?.correlationData == [7])
    }

    @Test("A retained command is refused: it would run again at every start")
    func retained() {
        #expect(
            Self.mistake(message("purge", "{\"request\":\"r\",\"transfer\":\"x\"}", isRetained: true))?.refusal.code
                == "retained"
        )
        #expect(Self.mistake(message("ping", "", isRetained: true))?.refusal.code == "retained")
    }

    @Test("Nobody is answered on a wildcard or on nothing", arguments: ["", "#", "a/+", "a/#"])
    func wildcards(reply: String) throws {
        let command = try Command.parse(message("ping", "{\"request\":\"r1\"}", reply: reply), topics: Known.topics)
            .get()
        #expect(command.reply.message([1]) == nil)
    }

    @Test("Correlation data goes back only to who gave the address")
    func correlation() throws {
        let command = try Command.parse(message("ping", "{\"request\":\"r1\"}"), topics: Known.topics).get()
        #expect(command.reply.message([1])?.topic == "otaferry/v1/gw/res/r1")
        #expect(command.reply.message([1])?.correlationData == nil)
    }

    @Test("A payload over 64 KiB is refused")
    func tooLong() {
        let filler = String(repeating: "x", count: 64 << 10)
        #expect(Self.mistake(message("ping", "{\"x\":\"\(filler)\"}"))?.refusal.code == "bad-json")
    }
}
