import FerryCore
import FleetSimulation
import Foundation

/// Simulates fleets that come back at once, prints what each gateway got as the rows of a table, and draws the picture of
/// `docs/fleet.md` where a file is named.

let plain = [20, 200, 2_000, 10_000].map { FleetSimulation.Setup.comparable(gateways: $0) }
var outcomes = plain.map { FleetSimulation.run($0) }
var again = FleetSimulation.Setup.comparable(gateways: 200)
// What every gateway of this fleet has learned by the end of the run above.
again.remembered = .seconds(20)
outcomes.append(FleetSimulation.run(again))

print(FleetTable.head)
for outcome in outcomes { print(FleetTable.row(outcome)) }
if let path = CommandLine.arguments.dropFirst().first {
    let picture = FleetPicture(outcome: outcomes[1])
    try Data(picture.svg.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
}
