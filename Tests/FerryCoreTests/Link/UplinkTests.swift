import FerryCore
import TestSupport
import Testing

private let now = WallTime(milliseconds: 1_777_622_400_000)

/// What may be known of how the cloud treats an upload that outlives its ticket.
private enum Knowledge: String, CaseIterable {
    case nothing, beginning, end, endLongAgo

    var uplink: Uplink {
        var uplink = Uplink()
        switch self {
        case .nothing: break
        case .beginning: uplink.learn(.late(.taken), at: now, hour: 3)
        case .end: uplink.learn(.late(.expired), at: now, hour: 3)
        case .endLongAgo: uplink.learn(.late(.expired), at: now + .seconds(-8 * 86_400), hour: 3)
        }
        return uplink
    }
}

extension Uplink.Run {
    /// 60 MB in 100 s under a ticket of 60 s.
    fileprivate static func late(_ end: End) -> Uplink.Run {
        Uplink.Run(sent: 60_000_000, took: .seconds(100), life: .seconds(60), end: end)
    }

    /// 60 MB in 10 s under a ticket of 60 s.
    fileprivate static func early(_ end: End) -> Uplink.Run {
        Uplink.Run(sent: 60_000_000, took: .seconds(10), life: .seconds(60), end: end)
    }
}

/// What is known × what happened: what is known then.
private let table: [(Knowledge, Uplink.Run, Uplink.Bound?)] = [
    (.nothing, .early(.taken), nil), (.nothing, .early(.expired), nil), (.nothing, .early(.givenUp), nil),
    (.nothing, .early(.other), nil), (.nothing, .late(.taken), .beginning), (.nothing, .late(.expired), .end),
    (.nothing, .late(.givenUp), nil), (.nothing, .late(.other), nil),
    (.beginning, .early(.taken), .beginning), (.beginning, .early(.expired), .beginning),
    (.beginning, .early(.givenUp), .beginning), (.beginning, .early(.other), .beginning),
    (.beginning, .late(.taken), .beginning), (.beginning, .late(.expired), .end),
    (.beginning, .late(.givenUp), .beginning), (.beginning, .late(.other), .beginning),
    (.end, .early(.taken), .end), (.end, .early(.expired), .end), (.end, .early(.givenUp), .end),
    (.end, .early(.other), .end), (.end, .late(.taken), .beginning), (.end, .late(.expired), .end),
    (.end, .late(.givenUp), .end), (.end, .late(.other), .end),
    (.endLongAgo, .early(.taken), .end), (.endLongAgo, .early(.expired), .end), (.endLongAgo, .early(.givenUp), .end),
    (.endLongAgo, .early(.other), .end), (.endLongAgo, .late(.taken), .beginning),
    (.endLongAgo, .late(.expired), .end), (.endLongAgo, .late(.givenUp), .end), (.endLongAgo, .late(.other), .end),
]

@Suite("What is known of the uplink")
struct UplinkTests {
    @Test("A new rate is worth a write where it could decide about a file, and only there")
    func worthKeeping() {
        func uplink(_ rate: Int64) -> Uplink {
            var uplink = Uplink()
            uplink.learn(
                Uplink.Run(sent: rate * 10, took: .seconds(10), life: .seconds(60), end: .taken),
                at: now,
                hour: 3
            )
            return uplink
        }
        #expect(uplink(1_000_000).differs(from: uplink(2_000_000)))
        #expect(!uplink(1_000_000).differs(from: uplink(1_100_000)))
        #expect(!uplink(100_000_000).differs(from: uplink(400_000_000)))
        #expect(uplink(100_000_000).differs(from: uplink(2_000_000)))
    }

    @Test("What was learned by the server's time still counts after a restart, by a clock that is a little behind it")
    func behind() {
        var uplink = Uplink()
        uplink.learn(.late(.expired), at: now + .milliseconds(700), hour: 3)
        #expect(uplink.isEndBound(at: now))
        #expect(uplink.decision(size: 900_000_000, at: now) == .tooSlow)
        #expect(!uplink.isEndBound(at: now + .seconds(-3_600)))
    }

    @Test("Every upload teaches what the table says")
    func learning() {
        #expect(table.count == Knowledge.allCases.count * 8)
        for (knowledge, run, bound) in table {
            var uplink = knowledge.uplink
            uplink.learn(run, at: now, hour: 3)
            #expect(uplink.bound == bound, "\(run) knowing \(knowledge)")
            let isBound = bound == .end && (knowledge != .endLongAgo || run.end == .expired && run.took > run.life)
            #expect(uplink.isEndBound(at: now) == isBound, "\(run) knowing \(knowledge)")
        }
    }

    /// 600 kB/s carry 32.4 MB in 60 s, of which nine tenths may be used.
    @Test(
        "Uploads begin at once until it is known that they have to end in time",
        arguments: [
            (Knowledge.nothing, Int64(1_000_000_000), Uplink.Decision.send), (.beginning, 1_000_000_000, .send),
            (.endLongAgo, 1_000_000_000, .send), (.end, 32_000_000, .sendWatched), (.end, 33_000_000, .tooSlow),
        ]
    )
    private func deciding(knowledge: Knowledge, size: Int64, decision: Uplink.Decision) {
        #expect(knowledge.uplink.decision(size: size, at: now) == decision)
    }

    @Test("A measurement of an hour ago keeps nothing from being tried, and is watched")
    func old() {
        let uplink = Knowledge.end.uplink
        #expect(uplink.decision(size: 1_000_000_000, at: now + .seconds(3_600)) == .sendWatched)
        // One of the future was made under another clock.
        #expect(uplink.decision(size: 1_000_000_000, at: now + .seconds(-3_600)) == .send)
    }

    @Test("It says what is needed and what the link carries")
    func reason() {
        let reason = Knowledge.end.uplink.reason(size: 540_000_000)
        #expect(reason.code == .linkTooSlow && reason.kind == .operator)
        #expect(reason.text.contains("540 MB") && reason.text.contains("60 s"))
        #expect(reason.text.contains("10.0 MB/s") && reason.text.contains("600 kB/s"), "\(reason.text)")
    }

    @Test("It waits for an hour of the day in which the link was fast enough")
    func betterHour() {
        var uplink = Knowledge.end.uplink
        uplink.learn(.init(sent: 1_000_000_000, took: .seconds(20), life: .seconds(60), end: .taken), at: now, hour: 2)
        uplink.learn(.late(.givenUp), at: now, hour: 10)
        var generator = SeededGenerator(seed: 1)
        // It is 10:20; 02:00 is 15 h 40 min away.
        let wait = uplink.wait(size: 540_000_000, failures: 3, minute: 620, using: &generator)
        #expect(wait >= .seconds(15 * 3_600 + 40 * 60) && wait < .seconds(15 * 3_600 + 50 * 60))
    }

    @Test("Where no hour is known to be better it waits longer every time, a day at most")
    func longer() {
        var generator = SeededGenerator(seed: 1)
        let waits = (1...10).map {
            Knowledge.end.uplink.wait(size: 540_000_000, failures: $0, minute: 620, using: &generator)
        }
        let hours: [Int64] = [1, 2, 4, 8, 16, 24, 24, 24, 24, 24]
        for (wait, hours) in zip(waits, hours) {
            #expect(wait >= .seconds(hours * 3_600) && wait < .seconds(hours * 3_600 + 600))
        }
    }

    @Test("A short run measures nothing, and what is kept can be read back", arguments: Knowledge.allCases)
    private func kept(knowledge: Knowledge) throws {
        var uplink = knowledge.uplink
        let rate = uplink.rate
        uplink.learn(.init(sent: 50_000, took: .milliseconds(3), life: .seconds(58), end: .taken), at: now, hour: 5)
        #expect(uplink.rate == rate && uplink.ticketLife == .seconds(58))
        #expect(Uplink(json: try JSONValue(parsing: uplink.json.text)) == uplink)
        #expect(Uplink(json: .null) == Uplink())
        #expect(Uplink(json: ["bound": "whenever", "rate": -5, "hours": [1]]) == Uplink())
    }

    @Test("An upload that cannot end in time is given up early, one that can is not")
    func watching() {
        /// When a link of so many bytes a second is given up; nil: never.
        func givenUp(_ rate: (Double) -> Double, size: Int64) -> Double? {
            var watch = UploadWatch(size: size, life: .seconds(60))
            var sent = 0.0
            for second in 1...70 {
                sent = min(sent + rate(Double(second)), Double(size))
                if !watch.canEnd(sent: Int64(sent), elapsed: .seconds(second)) { return Double(second) }
                if Int64(sent) == size { return nil }
            }
            return nil
        }
        #expect(givenUp({ _ in 1_000_000 }, size: 50_000_000) == nil)
        #expect(givenUp({ _ in 1_000_000 }, size: 500_000_000) == 4)
        // It begins slowly.
        #expect(givenUp({ $0 < 10 ? 700_000 : 1_500_000 }, size: 45_000_000) == nil)
        // It breaks down.
        let broken = givenUp({ $0 < 20 ? 1_000_000 : 10_000 }, size: 50_000_000) ?? 99
        #expect(broken > 20 && broken < 60)
        // Never past the end of the ticket.
        #expect(givenUp({ _ in 999_000 }, size: 60_000_000) ?? 99 <= 60)
    }

    @Test("A link that is away, or a process that stood still, is not a slow link")
    func stillness() {
        /// A link of 4 MB a second that is away between these seconds; looked at every second but in those.
        func isGivenUp(away: ClosedRange<Int>, isLooking: Bool) -> Bool {
            var watch = UploadWatch(size: 60_000_000, life: .seconds(60))
            var sent: Int64 = 0
            for second in 1...59 {
                if !away.contains(second) { sent = min(sent + 4_000_000, 60_000_000) }
                guard isLooking || !away.contains(second) else { continue }
                if !watch.canEnd(sent: sent, elapsed: .seconds(second)) { return true }
            }
            return false
        }
        for isLooking in [true, false] {
            for length in [1, 3, 4, 5, 10, 24, 35] {
                #expect(!isGivenUp(away: 3...2 + length, isLooking: isLooking), "\(length) s, \(isLooking)")
            }
        }
        // What is left needs more than the link has shown, and there is no time for it.
        #expect(isGivenUp(away: 3...50, isLooking: true))
        var uplink = Uplink()
        var run = Uplink.Run(sent: 9_000_000, took: .seconds(33), life: .seconds(60), end: .taken)
        run.still = .seconds(24)
        uplink.learn(run, at: now, hour: 5)
        #expect(uplink.rate == 1_000_000)
        // Too little is known of one that stood still nearly all of the time.
        run.still = .seconds(32)
        uplink.learn(run, at: now, hour: 5)
        #expect(uplink.rate == 1_000_000)
    }
}
