import FerryCore
import Testing

@testable import otaferry

@Suite("Waiting for an attempt before a transfer is described")
struct AttemptWaitTests {
    @Test(
        "What ends by itself is waited for, what rests or takes hours is not",
        arguments: [
            ("held", false, false, .ended), ("stored", true, true, .ended), ("registered", false, false, .ended),
            ("registering", false, false, .ending), ("registering", true, false, .resting(isAll: false)),
            ("registering", false, true, .resting(isAll: true)), ("registering", true, true, .resting(isAll: false)),
            ("uploading", false, false, .goesOn), ("ticketing", false, false, .goesOn),
            ("uploading", true, false, .ending), ("ticketing", false, true, .ending),
            ("unheard-of", false, false, .ended),
        ] as [(String, Bool, Bool, AttemptWait.Standing)]
    )
    func standing(state: String, isPaused: Bool, isAllPaused: Bool, expected: AttemptWait.Standing) {
        let answer: JSONValue = [
            "state": ["state": .string(state), "paused": .bool(isPaused)], "paused": .bool(isAllPaused),
        ]
        #expect(AttemptWait.Standing(answer) == expected)
    }
}
