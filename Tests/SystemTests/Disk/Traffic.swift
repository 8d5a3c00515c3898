import FerryCore
import Synchronization
import TestSupport

/// A sender that delivers one firmware after the other, whatever happens to the agent, until it is told to stop.
final class Traffic: Sendable {
    /// A firmware that was, or is being, delivered.
    struct Item: Sendable {
        let sender: String
        let id: String
        let firmware: TestFirmware
    }

    /// Sizes of the firmware, one after the other, and in between.
    static let sizes = [180_000, 700_000, 40_000, 1_300_000, 5_000, 300_000]

    let client: MQTTClient
    let sender: String
    let segment: Int
    /// It stops by itself after so many.
    let limit: Int
    /// How many times the usual sizes its firmware has.
    let scale: Int
    /// How long a firmware may take to become stored.
    let patience: Duration
    private let state = Mutex(State())

    private struct State {
        var isStopping = false
        var isOver = false
        var items: [Item] = []
    }

    init(
        client: MQTTClient,
        sender: String = "ci",
        segment: Int = 16 << 10,
        limit: Int = .max,
        scale: Int = 1,
        patience: Duration = .seconds(90)
    ) {
        self.client = client
        self.sender = sender
        self.segment = segment
        self.limit = limit
        self.scale = scale
        self.patience = patience
    }

    /// All that was begun.
    var items: [Item] { state.withLock { $0.items } }

    /// Whether everything that was begun is stored, or cannot be, and nothing more comes.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// What is under way is delivered, then it ends.
    func stop() { state.withLock { $0.isStopping = true } }

    /// Delivers; throws when a firmware does not become stored.
    func run() async throws {
        defer { state.withLock { $0.isOver = true } }
        while let item = next() {
            let delivery = SegmentSender(
                client: client,
                firmware: item.firmware,
                id: item.id,
                sender: sender,
                segment: segment
            )
            while true {
                do {
                    try await delivery.run(within: patience)
                    break
                } catch {
                    // An init that the agent never acknowledged may be lost with it, and may be refused for want of room;
                    // what it acknowledged must not be.
                    let answers = client.messages(on: "\(Gateway.root)/out/\(sender)/\(item.id)/ack").compactMap(\.json)
                    guard !answers.isEmpty, answers.allSatisfy({ $0["state"]?.string == nil }) else { throw error }
                    // A sender that was refused waits for a while.
                    try await Task.sleep(for: .milliseconds(200))
                }
            }
        }
    }

    private func next() -> Item? {
        state.withLock { state in
            let number = state.items.count
            guard !state.isStopping, number < limit else { return nil }
            let seed = sender.utf8.reduce(UInt64(number) + 1) { $0 &* 31 &+ UInt64($1) }
            let firmware = TestFirmware(
                Self.sizes[number % Self.sizes.count] * scale + number * 7,
                version: "\(sender).\(number)",
                seed: seed
            )
            let item = Item(sender: sender, id: "f\(number)", firmware: firmware)
            state.items.append(item)
            return item
        }
    }
}
