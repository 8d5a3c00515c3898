/// Outcomes as the rows of a Markdown table.
package enum FleetTable {
    /// The heading.
    package static let head = """
        | gateways | over | quota used | fair share | least served | most served | tries a call | in the second half |
        |---|---|---|---|---|---|---|---|
        """

    /// One outcome.
    package static func row(_ outcome: FleetSimulation.Outcome) -> String {
        let setup = outcome.setup
        let name = setup.remembered == nil ? "\(setup.gateways)" : "\(setup.gateways), started again"
        let cells = [
            name, "\(setup.seconds) s", fixed(outcome.goodput, 3), "\(fixed(outcome.fairShare, 0)) calls",
            "\(fixed(outcome.leastServed, 2)) of it", "\(fixed(outcome.mostServed, 1)) of it",
            fixed(outcome.triesPerCall, 1), fixed(outcome.laterTriesPerCall, 1),
        ]
        return "| " + cells.joined(separator: " | ") + " |"
    }

    static func fixed(_ number: Double, _ digits: Int) -> String {
        var scale = 1
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((number * Double(scale)).rounded())
        guard digits > 0 else { return "\(whole)" }
        let fraction = String(whole % scale + scale).dropFirst()
        return "\(whole / scale).\(fraction)"
    }
}
