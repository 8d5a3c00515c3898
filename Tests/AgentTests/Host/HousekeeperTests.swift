import Broker
import FerryCore
import Logging
import Spool
import TestSupport
import Testing

@testable import Agent

@Suite("Housekeeping")
struct HousekeeperTests {
    private static let start = WallTime(milliseconds: 1_777_622_400_000)

    private static func rules(_ bench: IntakeBench) -> Housekeeper.Rules {
        Housekeeper.Rules(segmentsTTL: .seconds(86_400), keepFinal: .seconds(604_800), intake: bench.rules)
    }

    private static func transfer(_ document: JSONValue?) throws -> Transfer {
        var transfer = Transfer(key: 1, address: Known.address("ci/one"), door: .segments, seq: 1, at: start)
        transfer.request = try document.map { try TransferRequest(document: $0) }
        return transfer
    }

    @Test(
        "A transfer ends after its own time, that of the configuration, or at its moment",
        arguments: [
            (["name": "x"], 86_400), (["name": "x", "segments_ttl": 600], 600),
            (["name": "x", "segments_ttl": 1], 300),
            (nil, 60),
        ] as [(JSONValue?, Int64)]
    )
    func silence(document: JSONValue?, seconds: Int64) throws {
        let rules = Self.rules(try IntakeBench())
        let transfer = try Self.transfer(document)
        let silence = Duration.seconds(seconds)
        #expect(rules.end(of: transfer, at: Self.start, silence: silence) == nil)
        #expect(rules.end(of: transfer, at: Self.start, silence: silence + .milliseconds(1)) != nil)
    }

    @Test("A wall clock that is set ends no transfer; a silence before the start counts where it can be true")
    func clockSteps() throws {
        var watch = SilenceWatch()
        let transfer = try Self.transfer(["name": "x"])
        let begin = ContinuousClock.now
        func silence(_ wall: Duration, after time: Duration) -> Duration? {
            watch.look(at: [transfer], wallNow: Self.start + wall, now: begin + time)[1]
        }
        #expect(silence(.seconds(-86_400), after: .zero) == .zero)
        #expect(silence(.seconds(20 * 365 * 86_400), after: .seconds(5)) == .seconds(5))
        watch = SilenceWatch()
        #expect(silence(.seconds(3_600), after: .zero) == .seconds(3_600))
        #expect(silence(.zero, after: .seconds(7)) == .seconds(3_607))
        watch = SilenceWatch()
        #expect(silence(.seconds(50 * 365 * 86_400), after: .zero) == .zero)
    }

    @Test("expire_at ends a transfer however busy it is")
    func expireAt() throws {
        let rules = Self.rules(try IntakeBench())
        let moment = Self.start.milliseconds / 1_000 + 100
        var transfer = try Self.transfer(["name": "x", "expire_at": .integer(moment)])
        transfer.lastByte = Self.start + .seconds(99)
        #expect(rules.end(of: transfer, at: Self.start + .milliseconds(99_999), silence: .zero) == nil)
        #expect(rules.end(of: transfer, at: Self.start + .seconds(100), silence: .zero) != nil)
    }

    @Test("Only a transfer that is receiving ends by its time", arguments: TransferState.allCases)
    func onlyReceiving(state: TransferState) throws {
        let rules = Self.rules(try IntakeBench())
        let transfer = Transfer(
            key: 1,
            address: Known.address("ci/one"),
            door: .segments,
            seq: 1,
            state: state,
            since: Self.start,
            created: Self.start,
            publication: Publication(),
            isPaused: false
        )
        let end = rules.end(of: transfer, at: Self.start, silence: .seconds(1 << 30))
        #expect((end != nil) == (state == .receiving))
    }

    @Test("Ended transfers are told, orphans and old final ones are forgotten, and their bytes give room back")
    func run() async throws {
        let bench = try IntakeBench()
        let old = WallTime.now() + .seconds(-30 * 86_400)
        _ = try await bench.send(
            [
                ("t/late/init", Array("{\"name\":\"x\"}".utf8)), ("t/late/0", [1, 2, 3]), ("t/orphan/0", [1, 2]),
                ("put/other/1/x.bin", [9]),
            ],
            at: old
        )
        _ = try await bench.send([("t/fresh/init", Array("{\"name\":\"x\"}".utf8)), ("t/fresh/0", [1])])
        let refused = "ci/\(Known.sha256([9]).hex.prefix(16))"
        #expect(try await bench.transfer(refused)?.state == .failed)

        let keeper = Housekeeper(
            spool: bench.spool,
            herald: bench.herald,
            rules: Self.rules(bench),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let work = Task { await keeper.run() }
        defer { work.cancel() }
        try await eventually { try await bench.transfer("ci/late")?.state == .expired }
        try await eventually { try await bench.transfer("ci/orphan") == nil }
        try await eventually { try await bench.transfer(refused) == nil }
        try await eventually { try await bench.used == 1 }
        #expect(try await bench.transfer("ci/fresh")?.state == .receiving)

        let topics = Known.topics
        #expect(
            bench.mailbox.payloads(on: topics.acknowledgement(Known.address("ci/late"))).map(\.reasonAndState) == [
                "expired/expired"
            ]
        )
        #expect(
            bench.mailbox.payloads(on: topics.acknowledgement(Known.address("ci/orphan"))).map(\.reasonAndState) == [
                "unknown-transfer/-"
            ]
        )
        let cleared = bench.mailbox.messages.filter { $0.topic == topics.state(Known.address(refused)) }
        #expect(cleared.map(\.payload) == [[]] && cleared.allSatisfy(\.isRetained))
        work.cancel()
        await work.value
    }

    @Test("The state of a transfer whose bytes stopped coming is said once more, with what is here")
    func standing() async throws {
        let bench = try IntakeBench()
        let before = WallTime.now() + .seconds(-60)
        let keeper = Housekeeper(
            spool: bench.spool,
            herald: bench.herald,
            rules: Self.rules(bench),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        func said() -> [Int64?] {
            bench.mailbox.payloads(on: Known.topics.state(Known.address("ci/half"))).map {
                $0["received"]?["durable"]?.integer
            }
        }
        _ = try await bench.send([("t/half/init", Array("{\"name\":\"x\",\"size\":9}".utf8))], at: before)
        // The state of a transfer that is there at the start is said by the start.
        try await keeper.expire()
        _ = try await bench.send([("t/half/0", [1, 2, 3])], at: before)
        #expect(said() == [])
        for _ in 0..<3 { try await keeper.expire() }
        #expect(said() == [3])
        _ = try await bench.send([("t/half/3", [4])])
        try await keeper.expire()
        #expect(said() == [3])
    }
}
