import CloudSimulator
import Foundation
import TestSupport

/// An agent that is killed at random moments, again and again, while three senders send.
struct KillTrial {
    let kills: Int
    /// Told after each kill how many were survived.
    var progress: (Int) -> Void = { _ in }

    /// What it was.
    struct Outcome {
        var survived = 0
        var firmware = 0
        var bytes = 0
    }

    static let senders = ["ci", "lab", "line2"]

    /// Looks at the disk after every kill, and in the end whether everything is registered, once and byte for byte.
    func run() async throws -> Outcome {
        let gateway = try await Gateway {
            $0.isStarted = false
            // More than an account holds: what is tried here is not its limit.
            $0.cloud = { $0.packagesMaximum = 100_000 }
        }
        let traffic = Self.senders.map {
            // An agent that is killed every second or so gets on slowly. Small firmware would leave the trial waiting for
            // the account's ten calls a second instead of killing.
            Traffic(client: gateway.probe, sender: $0, scale: 4, patience: .seconds(900))
        }
        var items: [Traffic.Item] { traffic.flatMap(\.items) }
        var survived = 0
        do {
            try await withThrowingTaskGroup { group in
                for sender in traffic { group.addTask { try await sender.run() } }
                for number in 1...kills {
                    try gateway.launch()
                    // The moment is the point: any of them has to do, the start included.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...2_000)))
                    guard gateway.agent?.isRunning == true else { throw TestSupportError("The agent ended by itself") }
                    try await gateway.kill()
                    let witness = Witness(gateway: gateway, items: items)
                    try await witness.checkDisk()
                    try witness.checkWords()
                    survived = number
                    progress(number)
                }
                try gateway.launch()
                for sender in traffic { sender.stop() }
                try await group.waitForAll()
            }
            let witness = Witness(gateway: gateway, items: items)
            try await witness.checkCloud()
            try witness.checkWords()
        } catch {
            for sender in traffic { sender.stop() }
            let log = gateway.agent?.text(.errors).suffix(3_000) ?? ""
            throw TestSupportError("After \(survived) kills: \(error)\n\(log)")
        }
        return Outcome(
            survived: survived,
            firmware: items.count,
            bytes: items.reduce(0) { $0 + $1.firmware.bytes.count }
        )
    }
}
