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
            patience.ended(withMore: false)
        }
        #expect(waited == [0, 2, 5, 10, 19, 36, 53])
    }

    @Test("As soon as more comes while it waits, it waits each time again")
    func fruitful() {
        var patience = Patience()
        for _ in 0..<3 {
            patience.begin()
            if Self.waits(patience) { patience.ended(withMore: false) }
        }
        patience.ended(withMore: true)
        for _ in 0..<3 {
            patience.begin()
            #expect(Self.waits(patience))
            patience.ended(withMore: true)
        }
    }
}
