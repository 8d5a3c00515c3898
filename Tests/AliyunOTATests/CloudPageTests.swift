import FerryCore
import Foundation
import Testing

@testable import AliyunOTA

@Suite("docs/cloud.md")
struct CloudPageTests {
    private static func text() throws -> String {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/cloud.md")
            .standardized
        return try String(contentsOf: page, encoding: .utf8)
    }

    private static func line(_ row: CloudCodes.Row) -> String {
        let codes = row.codes.map { "`\($0)`" }.joined(separator: ", ")
        return
            "| \(codes) | \(words(row.verdict.disposition)) | `\(row.verdict.code.rawValue)` | \(row.verdict.sentence) |"
    }

    private static func words(_ disposition: Disposition) -> String {
        switch disposition {
        case .retry(.zero): "again"
        case .retry(let floor): "again, after \(floor.milliseconds / 1_000) s at least"
        case .newTicket: "new ticket"
        case .lookUp: "look up"
        case .hold: "hold"
        case .fail: "fail"
        }
    }

    @Test(
        "Its tables are the table of the program",
        arguments: [
            ("### The gateway and IoT Platform", CloudCodes.gatewayRows + CloudCodes.platformRows),
            ("### The storage", CloudCodes.storageRows),
        ]
    )
    func tables(heading: String, rows: [CloudCodes.Row]) throws {
        let section = try Self.text().components(separatedBy: heading + "\n").dropFirst().first ?? ""
        let lines = section.components(separatedBy: "\n###")[0].components(separatedBy: "\n").filter {
            $0.hasPrefix("| `")
        }
        let expected = rows.map(Self.line)
        #expect(lines == expected, "The table has to be:\n\(expected.joined(separator: "\n"))")
    }
}
