import Testing

@testable import Broker

@Suite("Which version of MQTT is spoken")
struct ProtocolChoiceTests {
    /// What is said next after endings, one after the other; a trial has a question mark.
    private func story(_ endings: [ProtocolChoice.Ending]) -> String {
        var choice = ProtocolChoice()
        var words: [String] = []
        for ending in endings {
            choice.ended(ending)
            words.append((choice.version == .mqtt5 ? "5" : "3") + (choice.isTrial ? "?" : ""))
        }
        return words.joined(separator: " ")
    }

    @Test(
        "3.1.1 is spoken where the broker has no more, and nowhere else",
        arguments: [
            ([.versionRefused], "3"),
            // A broker that hangs up on 5 whenever it is tried.
            ([.hangUp, .hangUp, .welcomed, .hangUp], "5 3? 5 3"),
            // A forwarder whose broker comes later: 5 is spoken.
            ([.hangUp, .hangUp, .welcomed, .welcomed], "5 3? 5 5"),
            ([.hangUp, .hangUp, .hangUp, .hangUp, .hangUp], "5 3? 5 5 3?"),
            // Where 5 was ever answered, hang-ups say nothing.
            ([.welcomed, .hangUp, .hangUp, .hangUp, .hangUp], "5 5 5 5 5"),
            // After a connection in 3.1.1 the broker may be another.
            ([.versionRefused, .welcomed], "3 5"), ([.versionRefused, .hangUp], "3 5"),
            ([.hangUp, .other, .hangUp, .other], "5 5 5 5"),
        ] as [([ProtocolChoice.Ending], String)]
    )
    func choices(endings: [ProtocolChoice.Ending], expected: String) {
        #expect(story(endings) == expected)
    }
}
