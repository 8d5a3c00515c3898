import FerryCore
import TestSupport
import Testing

@Suite("Wall time")
struct WallTimeTests {
    @Test(
        "A moment is printed in UTC to the millisecond and read back as the same",
        arguments: 0..<500 as Range<UInt64>
    )
    func roundTrip(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        // 1970 to 2100.
        let moment = WallTime(milliseconds: Int64.random(in: 0...4_102_444_800_000, using: &generator))
        #expect(WallTime(iso8601: moment.iso8601) == moment, "\(moment.milliseconds) \(moment.iso8601)")
        let millisecond = moment.milliseconds % 1_000
        let digits = String(millisecond + 1_000).dropFirst()
        #expect(moment.iso8601.hasSuffix(".\(digits)Z"), "\(moment.milliseconds) \(moment.iso8601)")
    }

    @Test("The formats are those of the contract")
    func formats() {
        let moment = WallTime(milliseconds: 1_777_622_400_005)
        #expect(moment.iso8601 == "2026-05-01T08:00:00.005Z")
        #expect(moment.iso8601Seconds == "2026-05-01T08:00:00Z")
        #expect(WallTime(iso8601: "2026-05-01T08:00:00Z")?.milliseconds == 1_777_622_400_000)
    }

    @Test("What is no moment is refused", arguments: ["", "now", "2026-05-01", "2026-13-01T00:00:00Z", "1777622400"])
    func refuses(text: String) { #expect(WallTime(iso8601: text) == nil) }

    @Test("Moments add up with durations")
    func arithmetic() {
        let moment = WallTime(milliseconds: 1_000)
        #expect(moment + .milliseconds(250) == WallTime(milliseconds: 1_250))
        #expect(WallTime(milliseconds: 3_000) - moment == .seconds(2))
        #expect(moment < moment + .milliseconds(1))
    }
}

@Suite("Durations in the configuration")
struct DurationTests {
    @Test(
        "A number with a unit is read",
        arguments: [
            ("250ms", .milliseconds(250)), ("30s", .seconds(30)), ("15m", .seconds(900)), ("24h", .seconds(86_400)),
            ("7d", .seconds(604_800)), ("0s", .zero), ("5 m", .seconds(300)),
        ] as [(String, Duration)]
    )
    func reads(text: String, duration: Duration) {
        #expect(Duration(parsing: text) == duration)
        #expect(Duration(parsing: duration.configurationText) == duration)
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", "5", "ms", "s", "-1s", "+1s", "1.5h", "1h30m", "5S", "٣s", "1e3s", "9223372036854775807d", "1 s ",
        ]
    )
    func refuses(text: String) { #expect(Duration(parsing: text) == nil) }
}

@Suite("The back-off")
struct BackoffTests {
    private static let shapes: [(Int64, Int64)] = [
        (2_000, 900_000), (500, 30_000), (1, 1), (10, 5), (86_400_000, 604_800_000),
    ]

    @Test(
        "Every delay lies between half of its ceiling and the ceiling, and ceilings double up to the maximum",
        arguments: shapes
    )
    func bounds(minimum: Int64, maximum: Int64) {
        var generator = SeededGenerator(seed: 1)
        let backoff = Backoff(minimum: .milliseconds(minimum), maximum: .milliseconds(maximum))
        var ceiling = min(minimum, maximum)
        for failures in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40, 1_000, .max] {
            if failures > 10 { ceiling = maximum }
            for _ in 0..<50 {
                let delay = backoff.delay(after: failures, using: &generator).milliseconds
                #expect((ceiling / 2...ceiling).contains(delay), "after \(failures)")
            }
            ceiling = min(ceiling * 2, maximum)
        }
    }

    @Test("Gateways that failed together do not come back together")
    func jitter() {
        let backoff = Backoff(minimum: .seconds(2), maximum: .seconds(900))
        let delays = (0..<100 as Range<UInt64>).map { seed in
            var generator = SeededGenerator(seed: seed)
            return backoff.delay(after: 9, using: &generator)
        }
        #expect(Set(delays).count > 90)
    }

    @Test("It counts its failures and begins anew after a reset")
    func counts() {
        var generator = SeededGenerator(seed: 1)
        var backoff = Backoff(minimum: .seconds(1), maximum: .seconds(64))
        for ceiling in [1, 2, 4, 8, 16, 32, 64, 64, 64] as [Int64] {
            let delay = backoff.next(using: &generator)
            #expect(delay >= .seconds(ceiling) / 2 && delay <= .seconds(ceiling))
        }
        backoff.reset()
        let first = backoff.next(using: &generator)
        #expect(first <= .seconds(1))
    }

    @Test("No failure counts as one")
    func zeroFailures() {
        var generator = SeededGenerator(seed: 1)
        let backoff = Backoff(minimum: .seconds(1), maximum: .seconds(64))
        for failures in [0, -5] {
            let delay = backoff.delay(after: failures, using: &generator)
            #expect(delay >= .milliseconds(500) && delay <= .seconds(1))
        }
    }
}
