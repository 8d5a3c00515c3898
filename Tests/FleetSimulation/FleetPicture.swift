/// An outcome as a picture: the calls of every second, and what each gateway got.
package struct FleetPicture: Sendable {
    private let outcome: FleetSimulation.Outcome

    package init(outcome: FleetSimulation.Outcome) { self.outcome = outcome }

    private static let size = (width: 860, height: 330)
    private static let plot = (width: 360.0, height: 210.0, top: 60.0)
    private static let colors = (taken: "#2a7f62", refused: "#d08c3c", line: "#7a7a7a", text: "#555555")

    /// The file.
    package var svg: String {
        let (width, height) = Self.size
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
            font-family="sans-serif" font-size="12" fill="\(Self.colors.text)">
            <rect width="\(width)" height="\(height)" fill="#ffffff"/>
            \(calls(left: 50))
            \(shares(left: 480))
            </svg>

            """
    }

    /// Seconds along, calls up on a scale of powers of ten.
    private func calls(left: Double) -> String {
        let (width, height, top) = Self.plot
        let seconds = outcome.taken.count
        func x(_ second: Int) -> Double { left + width * (Double(second) + 0.5) / Double(seconds) }
        // 1 at the bottom, 1000 at the top.
        func y(_ calls: Int) -> Double {
            var exponent = 0.0
            var rest = Double(max(calls, 1))
            // The logarithm by parts of a tenth of a power of ten; a picture needs no more.
            while rest >= Self.tenth, exponent < 3 {
                rest /= Self.tenth
                exponent += 0.1
            }
            exponent += 0.1 * (rest - 1) / (Self.tenth - 1)
            return top + height * (1 - exponent / 3)
        }
        func line(_ values: [Int], _ color: String) -> String {
            let points = values.enumerated().map { "\(Self.text(x($0.offset))),\(Self.text(y($0.element)))" }
            return "<polyline points=\"\(points.joined(separator: " "))\" fill=\"none\" stroke=\"\(color)\" "
                + "stroke-width=\"1.5\"/>"
        }
        var parts = [
            title("Calls in each second", left: left),
            legend("taken", Self.colors.taken, left: left), legend("refused", Self.colors.refused, left: left + 80),
        ]
        for (calls, label) in [(1, "1"), (10, "10"), (100, "100"), (1_000, "1000")] {
            parts.append(grid(y(calls), label, left: left))
        }
        parts += [line(outcome.refused, Self.colors.refused), line(outcome.taken, Self.colors.taken)]
        for tick in stride(from: 0, through: seconds, by: max(seconds / 5, 1)) {
            parts.append(label("\(tick) s", x: left + width * Double(tick) / Double(seconds), y: top + height + 18))
        }
        return parts.joined(separator: "\n")
    }

    /// The tenth root of ten.
    private static let tenth = 1.258_925_411_794_167_2

    /// Gateways along, least served first; the calls of each up.
    private func shares(left: Double) -> String {
        let (width, height, top) = Self.plot
        let most = max(Double(outcome.served.last ?? 1), outcome.fairShare)
        func y(_ calls: Double) -> Double { top + height * (1 - calls / most) }
        let step = width / Double(outcome.served.count)
        var parts = [title("Calls of each gateway, least served first", left: left)]
        for calls in 0...Int(most) where most <= 12 || calls % 5 == 0 {
            parts.append(grid(y(Double(calls)), "\(calls)", left: left))
        }
        for (index, calls) in outcome.served.enumerated() {
            let x = left + step * Double(index)
            let height = top + height - y(Double(calls))
            parts.append(
                "<rect x=\"\(Self.text(x))\" y=\"\(Self.text(y(Double(calls))))\" width=\"\(Self.text(step))\" "
                    + "height=\"\(Self.text(height))\" fill=\"\(Self.colors.taken)\"/>"
            )
        }
        for (share, name) in [(outcome.fairShare, "fair share"), (outcome.fairShare / 3, "a third of it")] {
            parts.append(
                "<line x1=\"\(Self.text(left))\" x2=\"\(Self.text(left + width))\" y1=\"\(Self.text(y(share)))\" "
                    + "y2=\"\(Self.text(y(share)))\" stroke=\"\(Self.colors.refused)\" stroke-dasharray=\"5 4\"/>"
            )
            parts.append(
                "<text x=\"\(Self.text(left + 6))\" y=\"\(Self.text(y(share) - 5))\" "
                    + "fill=\"\(Self.colors.refused)\">\(name)</text>"
            )
        }
        return parts.joined(separator: "\n")
    }

    private func title(_ text: String, left: Double) -> String {
        "<text x=\"\(Self.text(left))\" y=\"24\" font-size=\"14\">\(text)</text>"
    }

    private func legend(_ text: String, _ color: String, left: Double) -> String {
        "<rect x=\"\(Self.text(left))\" y=\"36\" width=\"10\" height=\"10\" fill=\"\(color)\"/>"
            + "<text x=\"\(Self.text(left + 16))\" y=\"45\">\(text)</text>"
    }

    private func grid(_ y: Double, _ name: String, left: Double) -> String {
        "<line x1=\"\(Self.text(left))\" x2=\"\(Self.text(left + Self.plot.width))\" y1=\"\(Self.text(y))\" "
            + "y2=\"\(Self.text(y))\" stroke=\"\(Self.colors.line)\" stroke-opacity=\"0.25\"/>"
            + "<text x=\"\(Self.text(left - 8))\" y=\"\(Self.text(y + 4))\" text-anchor=\"end\">\(name)</text>"
    }

    private func label(_ text: String, x: Double, y: Double) -> String {
        "<text x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" text-anchor=\"middle\">\(text)</text>"
    }

    private static func text(_ number: Double) -> String { FleetTable.fixed(number, 1) }
}
