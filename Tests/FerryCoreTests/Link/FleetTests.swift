import FleetSimulation
import Foundation
import Testing

@Suite("A fleet behind one account")
struct FleetTests {
    @Test(
        "200 gateways that come back at once use the quota, and the least served gets a third of its share",
        arguments: 1...5
    )
    func twoHundred(seed: UInt64) {
        var setup = FleetSimulation.Setup.comparable(gateways: 200)
        setup.seed = seed
        let outcome = FleetSimulation.run(setup)
        #expect(setup.seconds == 100 && outcome.fairShare == 5)
        #expect(outcome.goodput >= 0.9)
        #expect(outcome.leastServed >= 1.0 / 3)
        #expect(outcome.taken.allSatisfy { $0 <= 2 * setup.accountCallsPerSecond })
    }

    @Test("Gateways that remember their share use the quota with half of the tries")
    func startedAgain() {
        var setup = FleetSimulation.Setup.comparable(gateways: 200)
        let cold = FleetSimulation.run(setup)
        setup.remembered = .seconds(20)
        let warm = FleetSimulation.run(setup)
        #expect(warm.goodput >= 0.9)
        #expect(warm.leastServed >= 1.0 / 3)
        #expect(warm.triesPerCall < cold.triesPerCall / 2)
    }

    @Test("Twenty gateways use nine tenths of the quota, and the least served gets a third of its share")
    func twenty() {
        let outcomes = (1...5).map { seed -> FleetSimulation.Outcome in
            var setup = FleetSimulation.Setup.comparable(gateways: 20)
            setup.seed = UInt64(seed)
            return FleetSimulation.run(setup)
        }
        #expect(outcomes.map(\.goodput).reduce(0, +) / 5 >= 0.9)
        #expect(outcomes.allSatisfy { $0.goodput >= 0.85 && $0.leastServed >= 1.0 / 3 })
    }

    @Test("One gateway alone makes as many calls as it may")
    func alone() {
        let outcome = FleetSimulation.run(.comparable(gateways: 1))
        #expect(outcome.refused.allSatisfy { $0 == 0 })
        #expect(outcome.served[0] > 180)
    }

    @Test("The figures in the documents are those of the simulation")
    func documents() throws {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        let text = try String(contentsOf: folder.appendingPathComponent("docs/fleet.md"), encoding: .utf8)
        #expect(text.contains(FleetTable.head))
        for gateways in [20, 200] {
            let row = FleetTable.row(FleetSimulation.run(.comparable(gateways: gateways)))
            #expect(text.contains(row), "make fleet prints \(row)")
        }
        let outcome = FleetSimulation.run(.comparable(gateways: 200))
        let picture = try String(contentsOf: folder.appendingPathComponent("docs/fleet.svg"), encoding: .utf8)
        #expect(picture == FleetPicture(outcome: outcome).svg, "make fleet draws it anew")
    }
}
