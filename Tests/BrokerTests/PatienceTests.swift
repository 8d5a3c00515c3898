import FerryCore
import Testing

@testable import Broker

@Suite("How long a batch of small messages waits for more")
struct PatienceTests {
    private static func waits(_ patience: Patience, count: Int = 1, bytes: Int = 1_024, after: Duration = .zero) -> Bool
    {
        patience.wait(count: count, bytes: bytes, window: 32, now: .now + after) { true } != nil
    }

    @Test("It waits while it is small, has room in the broker's window, and is young")
    func small() {
        var patience = Patience()
        patience.begin()
        #expect(Self.waits(patience))
        #expect(Self.waits(patience, count: 31, bytes: 2_097_151))
        #expect(!Self.waits(patience, count: 32))
        #expect(!Self.waits(patience, bytes: 2_097_152))
        #expect(!Self.waits(patience, after: .milliseconds(150)))
        #expect(!Self.waits(patience, count: 0))
        #expect(patience.wait(count: 1, bytes: 1, window: 32) { false } == nil)
    }

    @Test("It waits as long as suits the pace of the messages, within bounds")
    func pace() {
        var patience = Patience()
        var now = ContinuousClock.now
        func wait() -> Duration? {
            patience.begin(at: now)
            return patience.wait(count: 1, bytes: 1, window: 32, now: now) { true }
        }
        #expect(wait() == .milliseconds(5))
        for _ in 0..<40 {
            now += .milliseconds(20)
            patience.arrived(at: now)
        }
        #expect(wait().map { $0 > .milliseconds(55) && $0 <= .milliseconds(60) } == true)
        for _ in 0..<40 {
            now += .milliseconds(90)
            patience.arrived(at: now)
        }
        #expect(wait() == .milliseconds(80))
        // A pause is no pace.
        now += .seconds(5)
        patience.arrived(at: now)
        #expect(wait() == .milliseconds(80))
        for _ in 0..<40 {
            now += .milliseconds(1)
            patience.arrived(at: now)
        }
        #expect(wait() == .milliseconds(5))
    }

    @Test("A sender that waits for its answer is made to wait ever more seldom")
    func fruitless() {
        var patience = Patience()
        var waited: [Int] = []
        for batch in 0..<60 {
            patience.begin()
            guard Self.waits(patience) else { continue }
            waited.append(batch)
            patience.ended(withMore: false, after: .milliseconds(5))
        }
        #expect(waited == [0, 2, 5, 10, 19, 36])
    }

    @Test("As soon as more comes while it waits, it waits each time again")
    func fruitful() {
        var patience = Patience()
        for _ in 0..<3 {
            patience.begin()
            if Self.waits(patience) { patience.ended(withMore: false, after: .milliseconds(5)) }
        }
        patience.ended(withMore: true, after: .zero)
        for _ in 0..<3 {
            patience.begin()
            #expect(Self.waits(patience))
            patience.ended(withMore: true, after: .zero)
        }
    }

    /// Lets a sender of 1,000 messages meet it, in virtual time.
    ///
    /// - Parameter after: how long after the last answer, or after the message before, a message comes; nil: only after the
    ///   next answer.
    /// - Returns: how many batches there were, and how much time was waited for nothing.
    private static func meet(_ after: (_ sinceAnswer: Int) -> Duration?) -> (batches: Int, wasted: Duration) {
        var patience = Patience()
        var (now, batches, wasted, sent) = (ContinuousClock.now, 0, Duration.zero, 0)
        while sent < 1_000 {
            now += after(0) ?? .zero
            var count = 1
            patience.begin(at: now)
            patience.arrived(at: now)
            while let wait = patience.wait(count: count, bytes: count << 10, window: 32, now: now, isWorthIt: { true })
            {
                guard let next = after(count), next <= wait else {
                    patience.ended(withMore: false, after: wait)
                    (now, wasted) = (now + wait, wasted + wait)
                    break
                }
                patience.ended(withMore: true, after: next)
                now += next
                patience.arrived(at: now)
                count += 1
            }
            (batches, sent) = (batches + 1, sent + count)
        }
        return (batches, wasted)
    }

    @Test("A sender whose TCP holds its next message back for our answer is not given one for each message")
    func nagle() {
        let outcome = Self.meet { sinceAnswer in
            switch sinceAnswer {
            case 0: .milliseconds(1)
            case 1: .milliseconds(41)
            default: .microseconds(200)
            }
        }
        #expect(outcome.batches < 40)
    }

    @Test("A sender that waits for each answer loses little time")
    func stopAndWait() {
        let outcome = Self.meet { $0 == 0 ? .milliseconds(1) : nil }
        #expect(outcome.batches == 1_000)
        #expect(outcome.wasted < .milliseconds(1_300))
    }
}
