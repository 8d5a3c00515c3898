import FerryCore
import Testing

@testable import Broker

@Suite("How much is handed over at once")
struct BatchLimitTests {
    @Test(
        "A batch has so many messages, or so many bytes with what the library holds besides",
        arguments: [
            (0, 0, 0, false), (1, 1_024, 1_024, false), (63, 64_512, 1_024, false), (64, 65_536, 1_024, true),
            (16, 4_194_304, 262_144, true), (15, 3_932_160, 262_144, false),
            (3, 3_145_728, 1_048_576, false), (4, 4_194_304, 1_048_576, true),
            (1, 2_097_152, 2_097_152, true), (1, 8_388_608, 8_388_608, true),
        ] as [(Int, Int, Int, Bool)]
    )
    func limit(messages: Int, bytes: Int, last: Int, isReached: Bool) {
        #expect(BatchLimit().isReached(messages: messages, bytes: bytes, last: last) == isReached)
    }

    @Test(
        "It goes ahead of the commit before where it is full, or the broker's window is and it is worth a commit",
        arguments: [
            // A few small messages wait: each commit costs flash.
            (1, 1_024, 31, false), (1, 1_024, 32, false), (32, 32_768, 32, false), (64, 65_536, 32, true),
            (16, 262_144, 16, true), (16, 262_144, 15, false), (4, 4_194_304, 4, true), (2, 2_097_152, 4, false),
        ] as [(Int, Int, Int, Bool)]
    )
    func ahead(messages: Int, bytes: Int, unacknowledged: Int, isWhole: Bool) {
        let answer = BatchLimit().isWhole(
            messages: messages,
            bytes: bytes,
            last: bytes / messages,
            unacknowledged: unacknowledged,
            window: 32
        )
        #expect(answer == isWhole)
    }
}
