import FerryCore
import TestSupport
import Testing

@testable import Agent
@testable import Spool

@Suite("Turns of cloud calls")
struct CallPacerTests {
    @Test("In no span are there more calls than allowed, however they come", arguments: 0..<40)
    func neverMore(round: Int) {
        var generator = SystemRandomNumberGenerator()
        let count = Int.random(in: 1...5, using: &generator)
        let span = Duration.milliseconds(Int64.random(in: 1...3_000, using: &generator))
        var turns: [ContinuousClock.Instant] = []
        var now = ContinuousClock.now
        var booked: [ContinuousClock.Instant] = []
        for _ in 0..<300 {
            if Bool.random(using: &generator) { now += .milliseconds(Int64.random(in: 0...1_500, using: &generator)) }
            let at = CallPacer.next(after: turns, count: count, span: span, now: now)
            CallPacer.note(at, in: &turns, count: count)
            #expect(at >= now)
            #expect(booked.last.map { $0 <= at } ?? true)
            booked.append(at)
        }
        for index in count..<booked.count { #expect(booked[index] - booked[index - count] >= span) }
        #expect(turns.count <= count)
    }

    @Test("Calls that come seldom go at once")
    func atOnce() {
        var turns: [ContinuousClock.Instant] = []
        let start = ContinuousClock.now
        for second in 0..<10 {
            let now = start + .seconds(second)
            for _ in 0..<2 {
                let at = CallPacer.next(after: turns, count: 2, span: .seconds(1), now: now)
                CallPacer.note(at, in: &turns, count: 2)
                #expect(at == now)
            }
        }
    }

    @Test("A refusal makes the next call wait, and what was found is taken over")
    func refused() async throws {
        let pacer = CallPacer(callsPerSecond: 10)
        try await pacer.turn()
        pacer.refused(retryAfter: .seconds(30))
        #expect(pacer.untilNextCall > .seconds(29))
        #expect(pacer.interval > .milliseconds(100))
        let next = CallPacer(callsPerSecond: 10)
        next.remember(.seconds(500))
        #expect(next.interval == .seconds(500))
        next.succeeded()
        #expect(next.interval < .seconds(500) && next.untilNextCall > .seconds(200))
    }

    @Test("A wait that is cancelled ends at once")
    func cancelled() async throws {
        let pacer = CallPacer(callsPerSecond: 0.001)
        try await pacer.turn()
        let waiting = Task { try await pacer.turn() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
    }
}

/// A schedule that an expectation can ask.
private final class Schedule {
    private var schedule = AttemptSchedule()
    var nextDue: ContinuousClock.Instant? { schedule.nextDue }

    func pick(
        _ candidates: [AttemptSchedule.Candidate],
        wallNow: WallTime,
        now: ContinuousClock.Instant
    ) -> Int64? { schedule.pick(candidates, wallNow: wallNow, now: now) }

    func ring(at now: ContinuousClock.Instant) -> Bool { schedule.ring(at: now) }
}

@Suite("Which transfer is published next")
struct AttemptScheduleTests {
    private let now = ContinuousClock.now
    private let wall = WallTime(milliseconds: 1_777_622_400_000)

    @Test("The highest priority of those that are due, then the oldest")
    func order() {
        let schedule = Schedule()
        let candidates = [
            AttemptSchedule.Candidate(key: 3), .init(key: 2, priority: 5), .init(key: 1, priority: 5),
            .init(key: 4, priority: 100, nextAttempt: wall + .seconds(60)),
        ]
        #expect(schedule.pick(candidates, wallNow: wall, now: now) == 1)
        #expect(schedule.pick(candidates, wallNow: wall, now: now + .seconds(60)) == 4)
        #expect(schedule.pick([], wallNow: wall, now: now) == nil)
        #expect(schedule.nextDue == nil)
    }

    @Test("A transfer that failed is no candidate before its next attempt")
    func waitsForItsNextAttempt() throws {
        var publication = Publication()
        publication.nextAttempt = wall + .seconds(60)
        let transfer = Transfer(
            key: 1,
            address: Known.address("ci/one"),
            door: .segments,
            seq: 1,
            state: .stored,
            since: wall,
            created: wall,
            publication: publication,
            isPaused: false
        )
        let candidates = AttemptSchedule.candidates([transfer], longest: .seconds(900))
        var schedule = AttemptSchedule()
        #expect(schedule.pick(candidates, wallNow: wall, now: now) == nil)
        #expect(schedule.pick(candidates, wallNow: wall, now: now + .seconds(60)) == 1)
    }

    @Test("Two attempts never work on one package, and files that are left without one are looked up")
    func packages() throws {
        func member(_ key: Int64, _ state: TransferState, url: String?, isUnknown: Bool = false) throws -> Transfer {
            var publication = Publication()
            publication.firmwareURL = url
            publication.isOutcomeUnknown = isUnknown
            var transfer = Transfer(
                key: key,
                address: Known.address("ci/m\(key)"),
                door: .segments,
                seq: 1,
                state: state,
                since: wall,
                created: wall,
                publication: publication,
                isPaused: false
            )
            transfer.firmware = try FirmwareMetadata(
                json: ["product": "pumpctl", "version": "1", "package": ["id": "p", "files": 3]]
            )
            transfer.digests = FileDigests(sha256: Digest(bytes: [1]), md5: Digest(bytes: [1]), crc64: 0)
            return transfer
        }
        func keys(_ open: [Transfer], busy: Set<Int64> = []) -> [Int64] {
            AttemptSchedule.candidates(open, busy: busy, longest: .seconds(900)).map(\.key)
        }
        let stored = try (1...3).map { try member($0, .stored, url: nil) }
        #expect(keys(stored) == [1, 2, 3])
        #expect(keys(stored, busy: [2]) == [])
        #expect(keys(Array(stored.dropLast())) == [])
        let uploaded = try (1...3).map { try member($0, .registering, url: "u", isUnknown: true) }
        #expect(keys(uploaded) == [1])
        #expect(keys(uploaded, busy: [3]) == [])
        // One was cancelled while the outcome of the registration was not known.
        #expect(keys(Array(uploaded.dropFirst())) == [2])
        let refused = try (1...2).map { try member($0, .registering, url: "u") }
        #expect(keys(refused) == [])
        // Others are not kept waiting.
        var other = try member(9, .stored, url: nil)
        other.firmware.package = nil
        #expect(keys(stored + [other], busy: [2]) == [9])
        // What is uploaded has to be registered in time: its package goes on before others of its priority.
        var late = try member(12, .stored, url: nil)
        late.firmware.priority = -5
        let begun = [try member(1, .registering, url: "u"), try member(2, .registering, url: "u"), late]
        other.firmware.priority = -1
        let candidates = AttemptSchedule.candidates(begun + [other], longest: .seconds(900))
        #expect(Schedule().pick(candidates, wallNow: wall, now: now) == 12)
        other.firmware.priority = 1
        let urgent = AttemptSchedule.candidates(begun + [other], longest: .seconds(900))
        #expect(Schedule().pick(urgent, wallNow: wall, now: now) == 9)
    }

    @Test("A moment is waited for in monotonic time: steps of the wall clock disturb nothing")
    func wallSteps() {
        let schedule = Schedule()
        let candidates = [AttemptSchedule.Candidate(key: 1, nextAttempt: wall + .seconds(60))]
        #expect(schedule.pick(candidates, wallNow: wall, now: now) == nil)
        #expect(schedule.nextDue == now + .seconds(60))
        // The wall clock jumps by a year, both ways.
        #expect(schedule.pick(candidates, wallNow: wall + .seconds(31_536_000), now: now + .seconds(59)) == nil)
        #expect(schedule.pick(candidates, wallNow: wall + .seconds(-31_536_000), now: now + .seconds(60)) == 1)
    }

    @Test("No moment of the spool is waited for longer than a day, and one that has passed is due")
    func bounds() {
        let schedule = Schedule()
        let far = [AttemptSchedule.Candidate(key: 1, nextAttempt: wall + .seconds(1 << 32))]
        #expect(schedule.pick(far, wallNow: wall, now: now) == nil)
        #expect(schedule.nextDue == now + .seconds(86_400))
        #expect(schedule.pick(far, wallNow: wall, now: now + .seconds(86_400)) == 1)
        let past = [AttemptSchedule.Candidate(key: 2, nextAttempt: wall + .seconds(-5))]
        #expect(schedule.pick(past, wallNow: wall, now: now) == 2)
    }

    @Test("A new moment of the same transfer is waited for anew, and the due moment rings once")
    func rings() {
        let schedule = Schedule()
        _ = schedule.pick([.init(key: 1, nextAttempt: wall + .seconds(5))], wallNow: wall, now: now)
        #expect(!schedule.ring(at: now + .seconds(4)))
        #expect(schedule.ring(at: now + .seconds(5)))
        #expect(!schedule.ring(at: now + .seconds(6)))
        let later = [AttemptSchedule.Candidate(key: 1, nextAttempt: wall + .seconds(50))]
        #expect(schedule.pick(later, wallNow: wall + .seconds(5), now: now + .seconds(5)) == nil)
        #expect(schedule.nextDue == now + .seconds(50))
    }
}

/// Movements that an expectation can ask.
private final class Moves {
    private var movements = Movements()

    func note(
        _ address: TransferAddress,
        state: TransferState,
        done: Int64,
        size: Int64?,
        at now: ContinuousClock.Instant
    ) -> Movements.Movement? { movements.note(address, state: state, done: done, size: size, at: now) }

    func forget(_ address: TransferAddress) { movements.forget(address) }
}

@Suite("Progress")
struct MovementsTests {
    private let address = Known.address("ci/one")

    @Test("It is said at most once a second, with the rate and the time to go")
    func onceASecond() throws {
        let movements = Moves()
        let start = ContinuousClock.now
        var said: [(ContinuousClock.Instant, Movements.Movement)] = []
        for tick in 0...100 as ClosedRange<Int64> {
            let now = start + .milliseconds(tick * 100)
            let movement = movements.note(address, state: .receiving, done: tick * 1_000, size: 200_000, at: now)
            if let movement { said.append((now, movement)) }
        }
        #expect(said.count == 10)
        for (former, next) in zip(said, said.dropFirst()) { #expect(next.0 - former.0 >= .seconds(1)) }
        let last = try #require(said.last?.1)
        #expect(last.rate == 10_000 && last.eta == 10)
    }

    @Test("Another state, and bytes that go back, begin anew")
    func anew() {
        let movements = Moves()
        let start = ContinuousClock.now
        #expect(movements.note(address, state: .receiving, done: 5, size: nil, at: start) == nil)
        #expect(movements.note(address, state: .uploading, done: 5, size: 9, at: start + .seconds(9)) == nil)
        #expect(movements.note(address, state: .uploading, done: 1, size: 9, at: start + .seconds(19)) == nil)
        let still = movements.note(address, state: .uploading, done: 1, size: 9, at: start + .seconds(29))
        #expect(still == .init(rate: 0, eta: nil))
        movements.forget(address)
        #expect(movements.note(address, state: .uploading, done: 1, size: 9, at: start + .seconds(39)) == nil)
    }
}

@Suite("The status")
struct StatusBoardTests {
    private func board() -> StatusBoard {
        StatusBoard(
            gateway: Known.name("gw"),
            limits: .init(oneShotMax: .mebibytes(16), packetMax: .mebibytes(64), credit: .mebibytes(8)),
            changed: Signal(),
            clockOffset: { .milliseconds(-1_500) }
        )
    }

    private let usage = SpoolUsage(used: 1, promised: 2, free: 3, room: 3, quota: 4)

    @Test("It has every member of the contract")
    func members() throws {
        let board = board()
        board.dataLink(isUp: true, maximumPacket: .kibibytes(64))
        board.controlLink(isUp: true)
        board.broker(version: "mosquitto version 2.0.11")
        board.cloudSucceeded()
        let message = board.message(
            usage: usage,
            counts: [
                .receiving: 1, .stored: 2, .ticketing: 3, .uploading: 4, .registering: 5, .held: 6, .failed: 7,
                .registered: 8,
            ]
        )
        let members = try #require(message.object)
        #expect(
            members.keys.sorted() == [
                "broker", "cloud", "gateway", "limits", "memory", "problems", "queue", "queue_since", "since", "spool",
                "state",
                "totals", "uploads", "v", "version",
            ]
        )
        #expect(
            message["v"] == 1 && message["state"] == "online" && message["gateway"] == "gw" && message["problems"] == []
        )
        #expect(message["spool"] == ["used": 1, "free": 3, "quota": 4, "transfers": 36])
        #expect(message["queue"] == ["receiving": 1, "stored": 2, "publishing": 12, "held": 6, "failed": 7])
        #expect(message["broker"] == ["connected": true, "version": "mosquitto version 2.0.11", "max_packet": 65_536])
        #expect(message["cloud"]?["reachable"] == true && message["cloud"]?["clock_offset"] == .double(-1.5))
        #expect(message["cloud"]?["last_success"]?.string != nil)
        let limits = try #require(message["limits"])
        #expect(limits["size_max"] == 1_048_576_000 && limits["one_shot_max"] == 16_777_216)
        #expect(
            limits["packet_max"] == 67_108_864 && limits["credit"] == 8_388_608 && limits["segment"]?.integer != nil
        )
        #expect(limits["suffixes"] == ["bin", "dav", "apk", "tar", "gz", "tar.gz", "zip", "gzip"])
    }

    @Test("What is not known is null")
    func unknown() {
        let message = board().message(usage: usage, counts: [:])
        #expect(message["cloud"]?.object?["reachable"] == .null && message["cloud"]?.object?["last_success"] == .null)
        #expect(message["broker"]?.object == ["connected": false, "version": .null, "max_packet": .null])
    }

    @Test("It is degraded while firmware cannot come in, and only then", arguments: StatusBoard.Problem.allCases)
    func degrades(problem: StatusBoard.Problem) {
        let board = board()
        #expect(board.message(usage: usage, counts: [:])["state"] == "degraded")
        board.dataLink(isUp: true)
        #expect(board.message(usage: usage, counts: [:])["state"] == "online")
        board.report(problem, "text", hint: "hint")
        let message = board.message(usage: usage, counts: [:])
        let isDegraded = [.dataLink, .spoolFull, .spoolFailing].contains(problem)
        #expect(message["state"] == (isDegraded ? "degraded" : "online"))
        #expect(message["problems"] == [["code": .string(problem.rawValue), "text": "text", "hint": "hint"]])
        board.solve(problem)
        #expect(board.message(usage: usage, counts: [:])["problems"] == [])
        board.stop()
        #expect(board.message(usage: usage, counts: [:])["state"] == "stopping")
    }

    @Test("It speaks once it is known how both connections are, and is online when both stand")
    func speaks() {
        let board = board()
        #expect(!board.canSpeak)
        board.controlLink(isUp: true)
        #expect(!board.canSpeak && !board.isOnline)
        board.report(.dataLink, "No broker", hint: "")
        #expect(board.canSpeak && !board.isOnline)
        board.dataLink(isUp: true)
        #expect(board.canSpeak && board.isOnline && !board.has(.dataLink))
    }

    @Test(
        "The advised segment fits the broker's packets",
        arguments: [(nil, 262_144), (1 << 20, 262_144), (65_536, 64_512), (500, 1_024)] as [(Int?, Int64)]
    )
    func segment(packet: Int?, segment: Int64) {
        let board = board()
        board.dataLink(isUp: true, maximumPacket: packet.map { ByteCount($0) })
        #expect(board.segment == segment)
    }
}
