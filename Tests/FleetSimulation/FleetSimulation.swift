import FerryCore

/// A fleet of gateways behind one account, in virtual time, with the agent's own policy for calls: all of them come back
/// at once and have more to publish than the account lets through.
package struct FleetSimulation: Sendable {
    /// What is simulated.
    package struct Setup: Sendable {
        package var gateways: Int
        /// How long, in seconds.
        package var seconds: Int
        /// Calls a second of the account, all calls of all gateways together.
        package var accountCallsPerSecond = 10
        /// `quota.calls-per-second` of each gateway.
        package var gatewayCallsPerSecond = 2.0
        /// What each gateway remembers of its last run; nil: that nobody else was there.
        package var remembered: Duration?
        /// Seconds from a call's leaving to the cloud, and from there back; each way takes something between.
        package var travelTime = 0.01...0.06
        package var seed: UInt64 = 1

        package init(gateways: Int, seconds: Int) {
            self.gateways = gateways
            self.seconds = seconds
        }

        /// Long enough for five calls of each gateway at equal shares, as 100 s are for 200 gateways.
        package static func comparable(gateways: Int) -> Setup {
            Setup(gateways: gateways, seconds: max(100, gateways / 2))
        }
    }

    /// What came of it.
    package struct Outcome: Sendable {
        package var setup: Setup
        /// Calls that went through, of each gateway, fewest first.
        package var served: [Int]
        /// Calls that went through and that were refused, second by second.
        package var taken: [Int]
        package var refused: [Int]

        /// The part of the account's quota that was used.
        package var goodput: Double {
            Double(taken.reduce(0, +)) / Double(setup.seconds * setup.accountCallsPerSecond)
        }
        /// Calls of each gateway if all had the same.
        package var fairShare: Double {
            Double(setup.seconds * setup.accountCallsPerSecond) / Double(setup.gateways)
        }
        /// What the least served gateway got, as a part of the fair share.
        package var leastServed: Double { Double(served.first ?? 0) / fairShare }
        /// What the most served gateway got, as a multiple of the fair share.
        package var mostServed: Double { Double(served.last ?? 0) / fairShare }
        /// Tries for each call that went through.
        package var triesPerCall: Double {
            let calls = taken.reduce(0, +)
            return Double(calls + refused.reduce(0, +)) / Double(max(calls, 1))
        }
        /// The same over the second half, when shares are found.
        package var laterTriesPerCall: Double {
            let calls = taken.dropFirst(taken.count / 2).reduce(0, +)
            return Double(calls + refused.dropFirst(refused.count / 2).reduce(0, +)) / Double(max(calls, 1))
        }
    }

    /// Runs it.
    package static func run(_ setup: Setup) -> Outcome {
        var generator = Generator(state: setup.seed)
        var shares: [CallShare] = []
        var queue = EventQueue()
        var bucket = AccountBucket(limit: setup.accountCallsPerSecond)
        var served = Array(repeating: 0, count: setup.gateways)
        var taken = Array(repeating: 0, count: setup.seconds)
        var refused = Array(repeating: 0, count: setup.seconds)
        for gateway in 0..<setup.gateways {
            let share = CallShare(
                callsPerSecond: setup.gatewayCallsPerSecond,
                remembered: setup.remembered,
                at: .zero,
                using: &generator
            )
            shares.append(share)
            let left = share.wait(at: .zero).seconds
            queue.add(.init(time: left + .random(in: setup.travelTime, using: &generator), gateway: gateway))
        }
        let limit = 1 / setup.gatewayCallsPerSecond
        // An event is a call's arrival at the cloud.
        while let event = queue.next(), event.time < Double(setup.seconds) {
            let second = Int(event.time)
            let answered = Duration.seconds(event.time + .random(in: setup.travelTime, using: &generator))
            shares[event.gateway].began(at: .seconds(event.time))
            if bucket.take(at: event.time) {
                served[event.gateway] += 1
                taken[second] += 1
                shares[event.gateway].succeeded(at: answered, using: &generator)
            } else {
                refused[second] += 1
                shares[event.gateway].refused(at: answered, using: &generator)
            }
            // The pacer: never more than the configured calls a second.
            let next = max((answered + shares[event.gateway].wait(at: answered)).seconds, event.time + limit)
            queue.add(.init(time: next + .random(in: setup.travelTime, using: &generator), gateway: event.gateway))
        }
        return Outcome(setup: setup, served: served.sorted(), taken: taken, refused: refused)
    }

    /// SplitMix64: the same numbers for the same seed, on every machine.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }
}
