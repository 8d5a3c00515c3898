import FerryCore
import Foundation
import Testing

@Suite("The figures for Prometheus")
struct MetricTests {
    private static let status: JSONValue = [
        "v": 1, "state": "degraded", "version": "0.1.0", "since": "1970-01-01T00:01:00.000Z", "gateway": "gw1",
        "spool": ["used": 10, "free": 20, "quota": 30, "transfers": 4], "queue": ["stored": 3, "held": 0],
        "queue_since": "1970-01-01T00:00:30.500Z",
        "totals": ["stored": 7, "sent": 6, "attempts": 5, "registered": 2, "failed": 1, "written": 9],
        "memory": ["resident": 1_000], "broker": ["connected": true],
        "cloud": ["reachable": false, "last_success": .null, "clock_offset": .double(0.25)],
        "problems": [["code": "spool-full", "text": "", "hint": ""], ["code": "newer", "text": "", "hint": ""]],
    ]

    @Test("Each figure stands with its help, its type and the gateway's name")
    func text() {
        let text = Metric.text(of: Self.status, gateway: "gw1")
        for line in [
            "# HELP otaferry_info 1; the labels tell the versions.", "# TYPE otaferry_stored_bytes_total counter",
            #"otaferry_info{gateway="gw1",version="0.1.0"} 1"#, #"otaferry_state{gateway="gw1",state="degraded"} 1"#,
            #"otaferry_state{gateway="gw1",state="online"} 0"#, #"otaferry_start_time_seconds{gateway="gw1"} 60"#,
            #"otaferry_problem{gateway="gw1",code="spool-full"} 1"#, #"otaferry_problem{gateway="gw1",code="newer"} 1"#,
            #"otaferry_problem{gateway="gw1",code="cloud"} 0"#, #"otaferry_transfers{gateway="gw1",state="stored"} 3"#,
            #"otaferry_oldest_transfer_timestamp_seconds{gateway="gw1"} 30.5"#,
            #"otaferry_written_bytes_total{gateway="gw1"} 9"#, #"otaferry_broker_connected{gateway="gw1"} 1"#,
            #"otaferry_cloud_reachable{gateway="gw1"} 0"#, #"otaferry_clock_offset_seconds{gateway="gw1"} 0.25"#,
        ] {
            #expect(text.contains(line + "\n"), "\(line)")
        }
        // What the message does not say has no line.
        #expect(!text.contains("last_success"))
    }

    @Test("An agent that is gone leaves its state and nothing else")
    func offline() {
        let text = Metric.text(of: ["v": 1, "state": "offline"], gateway: "gw1")
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.count == Metric.agentStates.count)
        #expect(lines.contains(#"otaferry_state{gateway="gw1",state="offline"} 1"#))
    }

    @Test("What moves while nothing happens is told apart")
    func restless() {
        let text = Metric.text(of: Self.status, gateway: "gw1", isRestless: false)
        #expect(!text.contains("resident_memory"))
        #expect(!text.contains("clock_offset"))
        #expect(text.contains("stored_bytes"))
    }

    @Test("A value from outside cannot break a line")
    func escaping() {
        let text = Metric.text(of: ["version": "a\"b\\c\nd"], gateway: "gw1")
        #expect(text.contains(#"version="a\"b\\c\nd"} 1"#))
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs")

    @Test("The page, the dashboard and the alerts name each figure that there is, and no other")
    func documents() throws {
        let names = Set(Metric.all.map(\.name))
        #expect(names.count == Metric.all.count)
        for page in ["observability.md", "observability/dashboard.json", "observability/alerts.yml"] {
            let text = try String(contentsOf: Self.folder.appending(path: page), encoding: .utf8)
            let named = Set(text.matches(of: /otaferry_[a-z_]+/).map { String($0.output) })
            #expect(named.subtracting(names).isEmpty, "\(page): \(named.subtracting(names))")
            if page == "observability.md" { #expect(names.subtracting(named).isEmpty, "\(names.subtracting(named))") }
        }
        let page = try String(contentsOf: Self.folder.appending(path: "observability.md"), encoding: .utf8)
        let table =
            "| name | type | meaning |\n|---|---|---|\n"
            + Metric.all.map { "| `\($0.name)` | \($0.kind.rawValue) | \($0.help) |\n" }.joined()
        #expect(page.contains(table), "docs/observability.md should have:\n\(table)")
    }
}
