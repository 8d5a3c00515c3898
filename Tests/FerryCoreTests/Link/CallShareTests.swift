import FerryCore
import TestSupport
import Testing

/// A share that an expectation can ask, with a generator of its own.
private final class Share {
    private var share: CallShare
    private var generator = SeededGenerator(seed: 5)
    var now = Duration.zero

    init(_ callsPerSecond: Double = 2, remembered: Duration? = nil) {
        var generator = SeededGenerator(seed: 5)
        share = CallShare(callsPerSecond: callsPerSecond, remembered: remembered, at: .zero, using: &generator)
    }

    var wait: Duration { share.wait(at: now) }
    var interval: Duration { share.currentInterval }
    var isContended: Bool { share.isContended }

    /// Waits for the turn and calls.
    /// As `CallPacer.hurry`.
    func hurry() { share.hurry(at: now) }

    /// So many refusals of calls that were under way together.
    func refuse(_ count: Int, retryAfter: Duration) {
        for _ in 0..<count { share.refused(at: now, retryAfter: retryAfter, using: &generator) }
    }

    func succeed() { share.succeeded(at: now, using: &generator) }

    func call(isTaken: Bool, retryAfter: Duration? = nil) {
        now += wait
        share.began(at: now)
        if isTaken {
            share.succeeded(at: now, using: &generator)
        } else {
            share.refused(at: now, retryAfter: retryAfter, using: &generator)
        }
    }
}

@Suite("A gateway's share of the account's calls")
struct CallShareTests {
    @Test("Where nothing is refused, calls go as they come")
    func alone() {
        let share = Share()
        share.now = .seconds(1)
        for _ in 0..<100 {
            share.call(isTaken: true)
            #expect(share.wait == .zero && !share.isContended)
        }
        #expect(share.interval == .milliseconds(500))
    }

    @Test("A refusal makes it wait, and the next call has to wait its interval too")
    func shrinks() {
        let share = Share()
        share.now = .seconds(1)
        share.call(isTaken: true)
        share.call(isTaken: false)
        #expect(share.wait > .zero && share.isContended)
        #expect(share.interval > .seconds(1))
        share.call(isTaken: true)
        #expect(share.wait > .milliseconds(500))
    }

    @Test("A time to wait that the cloud names is waited for, and does not become the interval")
    func told() {
        let share = Share(10)
        share.now = .seconds(1)
        share.call(isTaken: true)
        share.call(isTaken: false, retryAfter: .seconds(60))
        #expect(share.wait == .seconds(60))
        share.call(isTaken: true)
        #expect(share.interval < .seconds(3))
    }

    @Test("Calls that are told to wait together wait together, and a person may hurry them", arguments: [true, false])
    func together(isHurried: Bool) {
        let share = Share(10)
        share.now = .seconds(1)
        share.call(isTaken: true)
        share.refuse(4, retryAfter: .seconds(60))
        #expect(share.wait == .seconds(60))
        if isHurried { share.hurry() } else { share.now += share.wait }
        #expect(share.wait == .zero)
        share.succeed()
        #expect(share.interval >= .milliseconds(100) && share.interval < .seconds(10))
        #expect(share.wait < .seconds(10))
    }

    @Test("What it took to be served is the next interval, within limits, and a little less")
    func follows() {
        let share = Share()
        share.now = .seconds(1)
        share.call(isTaken: true)
        for _ in 0..<6 {
            // Served every 20 s, whatever it does.
            let goal = share.now + .seconds(20)
            share.call(isTaken: false)
            while share.now < goal { share.call(isTaken: false) }
            share.call(isTaken: true)
        }
        #expect(share.interval > .seconds(15) && share.interval < .seconds(30))
    }

    @Test("It grows back to the limit when the others have gone, call by call")
    func growsBack() {
        let share = Share(2, remembered: .seconds(30))
        var calls = 0
        while share.isContended {
            let former = share.interval
            share.call(isTaken: true)
            calls += 1
            #expect(share.interval < former)
        }
        #expect(share.interval == .milliseconds(500))
        #expect(calls > 5 && calls < 30)
        #expect(share.now < .seconds(180))
    }

    @Test("The cloud's own wait is the least", arguments: [1, 60, 900])
    func retryAfter(seconds: Int) {
        let share = Share()
        share.now = .seconds(1)
        share.call(isTaken: false, retryAfter: .seconds(seconds))
        #expect(share.wait >= .seconds(seconds))
    }

    @Test("Gateways that start together do not call together")
    func spread() {
        var generator = SeededGenerator(seed: 11)
        let waits = (0..<200).map { _ in
            CallShare(callsPerSecond: 2, remembered: .seconds(20), at: .zero, using: &generator).wait(at: .zero).seconds
        }.sorted()
        for part in 0..<10 {
            let inPart = waits.count { Int($0 / 2) == part }
            #expect(inPart > 5 && inPart < 40, "part \(part): \(inPart)")
        }
        let fresh = (0..<200).map { _ in
            CallShare(callsPerSecond: 0.01, at: .zero, using: &generator).wait(at: .zero)
        }
        #expect(fresh.allSatisfy { $0 <= .seconds(1) })
    }

    @Test("Time in which nothing was to be called is no time of waiting")
    func idle() {
        let share = Share()
        share.now = .seconds(1)
        share.call(isTaken: true)
        share.now += .seconds(86_400)
        share.call(isTaken: false)
        #expect(share.wait < .seconds(2))
        share.call(isTaken: true)
        #expect(share.interval < .seconds(20))
    }

    @Test("Neither luck nor bad luck makes it more than the limit or less than one call an hour", arguments: 0..<20)
    func bounds(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let share = Share(Double.random(in: 0.001...10, using: &generator))
        let shortest = share.interval
        for _ in 0..<500 {
            share.call(isTaken: Int.random(in: 0..<10, using: &generator) < Int(seed % 10))
            #expect(share.interval >= shortest)
            #expect(share.interval <= max(.seconds(3_600), shortest))
            #expect(share.wait <= max(.seconds(3_600), shortest) * 2)
            if Bool.random(using: &generator) { share.now += .seconds(.random(in: 0...100, using: &generator)) }
        }
    }
}
