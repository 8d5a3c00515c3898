import Testing

@testable import AliyunOTA

@Suite("How much the kernel takes in ahead")
struct UnsentBoundTests {
    private let start = SuspendingClock.now

    /// The bound after the link has taken so much, a megabyte each so many seconds.
    private func bound(_ megabytes: Int, secondsEach: Double) -> (bytes: Int, changes: Int) {
        var bound = UnsentBound(least: 65_536, now: start)
        var changes = 0
        for number in 1...megabytes {
            let now = start + .seconds(Double(number) * secondsEach)
            if bound.changes(taken: Int64(number) << 20, now: now) { changes += 1 }
        }
        return (bound.bytes, changes)
    }

    @Test("It is what a link carries in a moment, within its limits")
    func sizes() {
        #expect(bound(5, secondsEach: 10) == (65_536, 0))
        #expect(bound(50, secondsEach: 0.001).bytes == 1 << 20)
        let middle = bound(50, secondsEach: 0.05)
        #expect((200_000...600_000).contains(middle.bytes))
        #expect(middle.changes == 1)
    }

    @Test("It goes back when a link becomes slow, and is not asked between megabytes")
    func slowsDown() {
        var bound = UnsentBound(least: 65_536, now: start)
        var sizes = [bound.bytes]
        for (taken, seconds) in [(50 << 20, 0.1), ((50 << 20) + 1_000, 60), (51 << 20, 60)] as [(Int64, Double)] {
            _ = bound.changes(taken: taken, now: start + .seconds(seconds))
            sizes.append(bound.bytes)
        }
        #expect(sizes == [65_536, 1 << 20, 1 << 20, 65_536])
    }
}
