import Broker
import FerryCore
import Logging
import Spool
import Synchronization
import Testing

@testable import Agent

/// A control connection that takes so many messages and refuses the others, as a queue that is full does.
private final class NarrowLink: Sendable {
    private let state: Mutex<(room: Int, receipts: [Int64])>

    init(room: Int) { state = Mutex((room, [])) }

    func publish(_ message: OutboundMessage) -> Bool {
        state.withLock { state in
            guard let receipt = message.receipt else { return true }
            guard state.room > 0 else { return false }
            state.room -= 1
            state.receipts.append(receipt)
            return true
        }
    }

    func makeRoom(_ count: Int) { state.withLock { $0.room += count } }
    var receipts: [Int64] { state.withLock { $0.receipts } }
}

@Suite("The outbox of events")
struct OutboxTests {
    private static func herald(_ bench: IntakeBench, _ link: NarrowLink) -> Herald {
        Herald(
            topics: Known.topics,
            catalog: Known.catalog,
            board: bench.board,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            publish: { link.publish($0) }
        )
    }

    private static func note(_ count: Int, in bench: IntakeBench) async throws {
        _ = try await bench.ack("t/one/init", Array("{\"name\":\"x\"}".utf8))
        let transfer = try #require(try await bench.transfer())
        try await bench.spool.transact { (ledger) throws(SpoolError) in
            for _ in 1..<count { try ledger.note(.retry, of: transfer, at: .now()) }
        }
    }

    private static func pump(_ herald: Herald, _ bench: IntakeBench) async throws {
        try await bench.spool.read { (ledger) throws(SpoolError) in herald.pumpOutbox(ledger) }
    }

    @Test("Events go in order, a batch at a time, each batch after the one before was acknowledged")
    func batches() async throws {
        let bench = try IntakeBench()
        let link = NarrowLink(room: 1_000)
        let herald = Self.herald(bench, link)
        try await Self.note(120, in: bench)
        try await Self.pump(herald, bench)
        #expect(link.receipts.isEmpty)
        herald.connected(true)
        for last in [50, 100, 120] as [Int64] {
            try await Self.pump(herald, bench)
            try await Self.pump(herald, bench)
            #expect(link.receipts == Array(1...last))
            for number in (link.receipts.count - 19)..<link.receipts.count {
                #expect(!herald.eventAcknowledged(Int64(number)))
            }
            #expect(herald.eventAcknowledged(last))
        }
    }

    @Test("A queue that was full in the middle of a batch does not stop the events until the next connection")
    func fullQueue() async throws {
        let bench = try IntakeBench()
        let link = NarrowLink(room: 20)
        let herald = Self.herald(bench, link)
        try await Self.note(60, in: bench)
        herald.connected(true)
        try await Self.pump(herald, bench)
        #expect(link.receipts == Array(1...20))
        link.makeRoom(100)
        for number in 1..<20 as Range<Int64> { #expect(!herald.eventAcknowledged(number)) }
        // Whoever is told goes on with the outbox.
        #expect(herald.eventAcknowledged(20))
        try await Self.pump(herald, bench)
        #expect(link.receipts == Array(1...60))
    }

    @Test("What was not acknowledged is said again at the next connection, and nothing is left out")
    func nextConnection() async throws {
        let bench = try IntakeBench()
        let link = NarrowLink(room: 1_000)
        let herald = Self.herald(bench, link)
        try await Self.note(10, in: bench)
        herald.connected(true)
        try await Self.pump(herald, bench)
        _ = herald.eventAcknowledged(4)
        herald.connected(false)
        try await Self.pump(herald, bench)
        #expect(link.receipts == Array(1...10))
        herald.connected(true)
        try await Self.pump(herald, bench)
        #expect(link.receipts == Array(1...10) + Array(5...10))
    }

    @Test("After a restart it goes on behind what was acknowledged by the last commit")
    func restart() async throws {
        let bench = try IntakeBench()
        let link = NarrowLink(room: 1_000)
        do {
            let herald = Self.herald(bench, link)
            try await bench.spool.read { (ledger) throws(SpoolError) in try herald.openOutbox(ledger) }
            herald.connected(true)
            try await Self.note(3, in: bench)
            for number in link.receipts { _ = herald.eventAcknowledged(number) }
            try await Self.note(2, in: bench)
        }
        let again = Self.herald(bench, link)
        try await bench.spool.read { (ledger) throws(SpoolError) in try again.openOutbox(ledger) }
        again.connected(true)
        let before = link.receipts.count
        try await Self.pump(again, bench)
        let said = link.receipts[before...]
        #expect(!said.contains(1) && said.last == link.receipts.max())
    }
}
