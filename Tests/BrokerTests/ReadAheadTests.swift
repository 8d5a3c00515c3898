import FerryCore
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Broker

@Suite("What is read while a batch is being stored")
struct ReadAheadTests {
    /// The batches of a connection, each of which is stored when the test says so.
    private final class Store: Sendable {
        struct Batch: Sendable {
            var topics: [String]
            /// Whether it is to be stored; asked when the batch before has its outcome.
            var isDue: @Sendable () -> Bool
            var done: @Sendable (BrokerLink.Outcome) -> Void
        }

        private let batches = Mutex<[Batch]>([])
        private let arrived = DispatchSemaphore(value: 0)

        func receive(_ batch: InboundBatch, _ done: @escaping @Sendable (BrokerLink.Outcome) -> Void) {
            batches.withLock {
                $0.append(Batch(topics: batch.messages.map(\.topic), isDue: { batch.turn.isDue }, done: done))
            }
            arrived.signal()
        }

        /// Waits for the next batch.
        func next() -> Batch? {
            guard arrived.wait(timeout: .now() + 20) == .success else { return nil }
            return batches.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    private struct Story: Sendable, Equatable {
        var batches: [[String]] = []
        var acknowledged: [UInt8] = []
        var early: [Int32] = []
    }

    /// More than the buffers of a TCP connection hold: it is written only when the other side reads.
    private static let large = [UInt8](repeating: 7, count: 24 << 20)

    private static func publication(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let body = [0, 4] + Array("in/\(number)".utf8) + [0, number, 0] + payload
        var length: [UInt8] = []
        var rest = body.count
        repeat {
            length.append(UInt8(rest & 127) | (rest > 127 ? 128 : 0))
            rest >>= 7
        } while rest > 0
        return [0x32] + length + body
    }

    @Test("It is acknowledged after its own commit, and not with the batch before")
    func acknowledgedByItself() async throws {
        let store = Store()
        let story = Mutex(Story())
        let isOver = DispatchSemaphore(value: 0)
        try await withPeer(store, isOver) { client in
            client.write(Self.publication(1, [1]))
            guard let first = store.next() else { return }
            // Returns only because the connection reads on while the first batch waits.
            client.write(Self.publication(2, Self.large))
            story.withLock { $0.early.append(client.readable) }
            first.done(.done)
            let one = client.read()
            guard let second = store.next() else { return }
            story.withLock { story in
                story.batches = [first.topics, second.topics]
                // Whatever was written with the first acknowledgement would be here by now.
                story.early.append(client.readable)
                story.acknowledged = one.map { [$0.first, $0.body[1]] } ?? []
            }
            second.done(.done)
            let two = client.read()
            story.withLock { $0.acknowledged += two.map { [$0.first, $0.body[1]] } ?? [] }
        }
        let expected = Story(batches: [["in/1"], ["in/2"]], acknowledged: [0x40, 1, 0x40, 2], early: [0, 0])
        #expect(story.withLock { $0 } == expected)
    }

    @Test("Nothing of it is acknowledged when the batch before could not be stored")
    func nothingAfterFailure() async throws {
        let store = Store()
        let seen = Mutex<[UInt8]>([])
        let isOver = DispatchSemaphore(value: 0)
        try await withPeer(store, isOver) { client in
            client.write(Self.publication(1, [1]))
            guard let first = store.next() else { return }
            client.write(Self.publication(2, Self.large))
            first.done(.failed)
            let packets = client.readToEnd()
            seen.withLock { $0 = packets + [0xFF] }
        }
        #expect(seen.withLock { $0 } == [0xFF])
    }

    /// What was seen of three batches, the second of which was handed over early.
    private struct EarlyStory: Sendable, Equatable {
        var batches: [[String]] = []
        /// Bytes that had been written when they must not be.
        var early: [Int32] = []
        var acknowledged: [UInt8] = []
    }

    @Test("A whole batch is handed over before the one before it is stored, and acknowledged by itself")
    func handedOverEarly() async throws {
        let store = Store()
        let story = Mutex(EarlyStory())
        let isOver = DispatchSemaphore(value: 0)
        try await withPeer(store, isOver, batch: 2) { client in
            client.write(Self.publication(1, [1]))
            guard let first = store.next() else { return }
            client.write(Self.publication(2, [2]) + Self.publication(3, [3]) + Self.publication(4, [4]))
            guard let second = store.next() else { return }
            story.withLock { $0.early.append(client.readable) }
            first.done(.done)
            if let packet = client.read() { story.withLock { $0.acknowledged.append(packet.body[1]) } }
            story.withLock { $0.early.append(client.readable) }
            second.done(.done)
            for _ in 0..<2 {
                if let packet = client.read() { story.withLock { $0.acknowledged.append(packet.body[1]) } }
            }
            guard let third = store.next() else { return }
            story.withLock { $0.early.append(client.readable) }
            third.done(.done)
            if let packet = client.read() { story.withLock { $0.acknowledged.append(packet.body[1]) } }
            story.withLock { $0.batches = [first.topics, second.topics, third.topics] }
        }
        let expected = EarlyStory(
            batches: [["in/1"], ["in/2", "in/3"], ["in/4"]],
            early: [0, 0, 0],
            acknowledged: [1, 2, 3, 4]
        )
        #expect(story.withLock { $0 } == expected)
    }

    /// A batch of one message, and a whole one of two while the first waits.
    private static func handedOver(to store: Store, by client: ScriptedPeer.Client) -> (Store.Batch, Store.Batch)? {
        client.write(publication(1, [1]))
        guard let first = store.next() else { return nil }
        client.write(publication(2, [2]) + publication(3, [3]))
        return store.next().map { (first, $0) }
    }

    @Test("Both outcomes may come before the connection looks")
    func bothOutcomesAtOnce() async throws {
        let store = Store()
        let seen = Mutex<[UInt8]>([])
        let isOver = DispatchSemaphore(value: 0)
        try await withPeer(store, isOver, batch: 2) { client in
            guard let (first, second) = Self.handedOver(to: store, by: client) else { return }
            first.done(.done)
            second.done(.done)
            for _ in 0..<3 { if let packet = client.read() { seen.withLock { $0.append(packet.body[1]) } } }
        }
        #expect(seen.withLock { $0 } == [1, 2, 3])
    }

    @Test("A batch that was handed over early is not due once the one before it came to nothing")
    func notDueAfterFailure() async throws {
        let store = Store()
        let seen = Mutex<[UInt8]>([])
        let isOver = DispatchSemaphore(value: 0)
        try await withPeer(store, isOver, batch: 2) { client in
            guard let (first, second) = Self.handedOver(to: store, by: client) else { return }
            first.done(.failed)
            let isDue = second.isDue()
            second.done(isDue ? .done : .failed)
            let packets = client.readToEnd()
            seen.withLock { $0 = packets + [isDue ? 1 : 0] }
        }
        #expect(seen.withLock { $0 } == [0])
    }

    /// Plays the broker's first connection; later ones are let in and say nothing.
    private func withPeer(
        _ store: Store,
        _ isOver: DispatchSemaphore,
        batch: Int = 64,
        _ script: @escaping @Sendable (ScriptedPeer.Client) -> Void
    ) async throws {
        let peer = try ScriptedPeer { client, number in
            client.welcome()
            if number == 0 {
                script(client)
                isOver.signal()
            }
            client.readToEnd()
        }
        var settings = LinkBench.settings(port: peer.port)
        settings.batchLimit.messages = batch
        let link = try BrokerLink(
            settings: settings,
            receive: { store.receive($0, $1) },
            observe: { _ in }
        )
        try link.start()
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                _ = isOver.wait(timeout: .now() + 60)
                continuation.resume()
            }
        }
        await link.stop()
    }
}
