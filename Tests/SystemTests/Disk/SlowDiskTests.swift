import FerryCore
import TestSupport
import Testing

extension SystemTests {
    @Suite("Slow disks, and kills at any moment")
    struct SlowDiskTests {
        @Test("With 300 ms a sync and three senders nothing is lost, and a ping is answered within a second")
        func slow() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let notes = try TemporaryFolder("strace")
            let fault = DiskFault(call: .sync, effect: .delay(milliseconds: 300), span: .always)
            let files = DiskFault.files(of: gateway.folder.file("spool/spool.db"))
            try gateway.launch(behind: fault.wrapper(files: files, log: notes.file("calls")))
            try await gateway.online(within: .seconds(30))
            let traffic = KillTrial.senders.map {
                Traffic(client: gateway.probe, sender: $0, segment: 64 << 10, limit: 1)
            }
            var waits: [Duration] = []
            var change = Duration.zero
            try await withThrowingTaskGroup { group in
                for sender in traffic { group.addTask { try await sender.run() } }
                while !traffic.allSatisfy(\.isOver) {
                    let begun = ContinuousClock.now
                    let answer = try await gateway.command("ping")
                    #expect(answer["ok"]?.bool == true)
                    waits.append(ContinuousClock.now - begun)
                    guard waits.count == 10 else { continue }
                    // One that changes something waits for its turn, and for its own commit.
                    let start = ContinuousClock.now
                    try await gateway.command("limits", ["rate-limit": ""])
                    change = ContinuousClock.now - start
                }
                try await group.waitForAll()
            }
            let longest = try #require(waits.max())
            print("With 300 ms a sync: \(waits.count) pings, the slowest \(longest); limits took \(change)")
            #expect(longest < .seconds(1))
            let witness = Witness(gateway: gateway, items: traffic.flatMap(\.items))
            try await witness.checkCloud(within: .seconds(120))
            try witness.checkWords()
            try await gateway.kill()
            try await witness.checkDisk()
        }

        @Test("Killed at random while three senders send, it loses nothing")
        func killed() async throws {
            let outcome = try await KillTrial(kills: 8).run()
            #expect(outcome.survived == 8)
        }
    }
}
