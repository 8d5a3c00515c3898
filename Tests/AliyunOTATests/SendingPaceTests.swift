import FerryCore
import Testing

@testable import AliyunOTA

@Suite("The pace of a limited upload", .timeLimit(.minutes(5)))
struct SendingPaceTests {
    private let start = SuspendingClock.now

    /// Sends as much as is allowed at each of the times, milliseconds after the start, in pieces of `room` bytes at most.
    private func sent(_ pace: inout SendingPace, at times: some Sequence<Int>, room: Int = 64 << 10) -> Int {
        var total = 0
        for time in times {
            while true {
                let count = min(pace.allowance(now: start + .milliseconds(time)), room)
                guard count > 0 else { break }
                pace.spend(count)
                total += count
            }
        }
        return total
    }

    @Test(
        "Over ten seconds it is the rate, however often and late the thread wakes",
        arguments: [(1, 1), (1, 100), (1_000, 7), (524_288, 1), (524_288, 130), (52_428_800, 100)]
    )
    func rate(perSecond: Int, step: Int) {
        var pace = SendingPace(rate: ByteCount(perSecond), now: start)
        let total = sent(&pace, at: stride(from: 0, through: 10_000, by: step))
        #expect(total <= perSecond * 10 + perSecond * 35 / 100 + 3)
        #expect(total >= perSecond * 98 / 10 - 1)
    }

    @Test("What was not sent in a stall is not made up for")
    func stall() {
        var pace = SendingPace(rate: .kibibytes(512), now: start)
        let before = sent(&pace, at: stride(from: 0, through: 1_000, by: 10))
        // Nothing is taken for a minute; then as much as there may be within a second.
        let after = sent(&pace, at: stride(from: 61_000, through: 62_000, by: 10))
        #expect(before <= 512 * 1_024 * 11 / 10)
        #expect(after <= 512 * 1_024 * 13 / 10)
    }

    @Test("Between two pieces there is a pause, so that a slow upload is no stream of single bytes")
    func pieces() {
        var pace = SendingPace(rate: .kibibytes(100), now: start)
        pace.spend(pace.allowance(now: start))
        #expect(pace.allowance(now: start + .milliseconds(99)) == 0)
        #expect(pace.next > start + .milliseconds(99))
        #expect(pace.allowance(now: start + .milliseconds(101)) >= 10_240)
    }

    @Test("Without a limit, or once it is gone, everything may be sent")
    func none() {
        var pace = SendingPace(rate: nil, now: start)
        #expect(pace.allowance(now: start) == .max)
        pace.rate = ByteCount(1)
        pace.spend(1_000_000)
        #expect(pace.allowance(now: start + .seconds(1)) == 0)
        pace.rate = ByteCount(0)
        #expect(pace.allowance(now: start + .seconds(1)) == .max)
    }

    @Test("An upload keeps its limit after its peer stood still")
    func stalledPeer() async throws {
        let gate = Gate()
        let size = 2 << 20
        let peer = try ScriptedPeer.reading(size, after: gate)
        defer { peer.stop() }
        let client = HTTPClient(link: LinkSettings(proxy: "", version: "0"), rateLimit: .kibibytes(1_024))
        let chunks = Counter()
        let request = HTTPRequest.upload(to: peer.url, length: Int64(size)) {
            chunks.add() <= 2 ? [UInt8](repeating: 7, count: 1 << 20) : nil
        }
        async let response = client.send(request)
        // The time itself is what this test is about.
        try await Task.sleep(for: .seconds(2))
        let opened = ContinuousClock.now
        gate.open()
        #expect(try await response.status == 200)
        // The kernels on both sides had room for some of it.
        #expect(ContinuousClock.now - opened > .seconds(1))
    }
}
