import FerryCore
import Foundation
import TestSupport
import Testing

@testable import Spool

/// Every statement of the spool that searches, and how SQLite finds what it is to find.
@Suite("The plans of the spool's statements")
struct StatementPlanTests {
    /// Each statement with what its plan has to say. A scan has its reason beside it.
    private static let statements: [(sql: String, plan: String)] = [
        ("DELETE FROM transfer WHERE key = ?1", "SEARCH transfer USING INTEGER PRIMARY KEY"),
        ("DELETE FROM event WHERE transfer = ?1", "SEARCH event USING PRIMARY KEY (transfer=?)"),
        ("SELECT bytes FROM segment WHERE position = ?1", "SEARCH segment USING INTEGER PRIMARY KEY"),
        ("DELETE FROM segment WHERE position = ?1", "SEARCH segment USING INTEGER PRIMARY KEY"),
        ("DELETE FROM setting WHERE name = ?1", "SEARCH setting USING PRIMARY KEY"),
        // Once a minute over the commands of one day.
        ("DELETE FROM answer WHERE at < ?1", "SCAN answer"),
        ("SELECT exists(SELECT 1 FROM answer WHERE at < 1)", "SCAN answer"),
        (
            "SELECT position, crc64, length(bytes) FROM segment WHERE position <= ?1 AND position >= ?2"
                + " ORDER BY position DESC LIMIT 1",
            "SEARCH segment USING INTEGER PRIMARY KEY"
        ),
        (
            "SELECT position, crc64, length(bytes) FROM segment WHERE position >= ?1 AND position < ?2"
                + " ORDER BY position LIMIT ?3",
            "SEARCH segment USING INTEGER PRIMARY KEY"
        ),
        (
            "SELECT position, length(bytes), seq, at FROM segment WHERE position >= ?1 AND position < ?2",
            "SEARCH segment USING INTEGER PRIMARY KEY"
        ),
        (
            "SELECT position, length(bytes) FROM segment WHERE position >= ?1 AND position < ?2 LIMIT ?3",
            "SEARCH segment USING INTEGER PRIMARY KEY"
        ),
        ("SELECT min(position) FROM segment WHERE position >= ?1", "SEARCH segment USING INTEGER PRIMARY KEY"),
        ("SELECT max(position) FROM segment", "SEARCH segment"),
        ("SELECT bytes FROM transfer WHERE key = ?1", "SEARCH transfer USING INTEGER PRIMARY KEY"),
        ("SELECT max(key) FROM transfer", "SEARCH transfer"),
        // Once at the start.
        ("SELECT max(seq) FROM transfer", "SEARCH transfer"),
        ("SELECT number, transfer, told FROM event", "SCAN event"),
        (
            "SELECT sum(bytes) FROM transfer WHERE state IN ('registered', 'failed', 'cancelled', 'expired')",
            "USING INDEX transfer_by_end"
        ),
        // Once at the start.
        ("SELECT * FROM transfer WHERE state NOT IN ('registered', 'failed') ORDER BY key", "SCAN transfer"),
        ("SELECT * FROM transfer WHERE sender = ?1 AND id = ?2", "USING INDEX sqlite_autoindex_transfer_1"),
        // For people who leave the sender out; ends with the first 50.
        ("SELECT * FROM transfer WHERE id = ?1 ORDER BY key LIMIT 50", "SCAN transfer"),
        (
            "SELECT * FROM transfer WHERE state IN ('registered', 'failed', 'cancelled', 'expired')"
                + " AND state = 'registered' AND product = ?1 AND version = ?2",
            "USING INDEX transfer_by_end (state=? AND product=? AND version=?)"
        ),
        (
            "SELECT * FROM transfer WHERE state IN ('registered', 'failed', 'cancelled', 'expired') AND since < ?1 LIMIT ?2",
            "USING INDEX transfer_by_end (state=?)"
        ),
        ("SELECT * FROM transfer WHERE key > ?1 ORDER BY key LIMIT ?5", "SEARCH transfer USING INTEGER PRIMARY KEY"),
        (
            "SELECT state, count(*) FROM transfer WHERE state IN ('registered', 'failed', 'cancelled', 'expired')"
                + " GROUP BY state", "USING COVERING INDEX transfer_by_end"
        ),
        (
            "SELECT number, seq, at, event, state, reason FROM event WHERE transfer = ?1 ORDER BY number DESC LIMIT ?2",
            "SEARCH event USING PRIMARY KEY (transfer=?)"
        ),
        (
            "SELECT e.number, e.seq, e.at, e.event, e.state, e.reason, t.sender, t.id FROM event e"
                + " JOIN transfer t ON t.key = e.transfer WHERE e.transfer = ?1 AND e.number = ?2",
            "SEARCH e USING PRIMARY KEY (transfer=? AND number=?)"
        ),
        ("SELECT payload FROM answer WHERE request = ?1", "SEARCH answer USING PRIMARY KEY"),
        ("SELECT value FROM setting WHERE name = ?1", "SEARCH setting USING PRIMARY KEY"),
    ]

    @Test("Each statement is answered by an index, or says why it is not")
    func plans() throws {
        let folder = try TemporaryFolder("plans")
        let database = try Database(path: folder.file("spool.db"))
        try Schema.prepare(database)
        for (sql, expected) in Self.statements {
            let statement = try Statement(database, "EXPLAIN QUERY PLAN " + sql)
            var plan: [String] = []
            while try statement.step() { plan.append(statement.text(3) ?? "") }
            #expect(plan.contains { $0.contains(expected) }, "\(sql): \(plan)")
            guard !expected.hasPrefix("SCAN") else { continue }
            #expect(!plan.contains { $0.hasPrefix("SCAN") && !$0.contains("COVERING INDEX") }, "\(sql): \(plan)")
            #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(sql): \(plan)")
        }
    }

    @Test("No statement of the source is missing above")
    func isWhole() throws {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        let ledger = folder.appendingPathComponent("Sources/Spool/Ledger")
        var inSource: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: ledger.path) {
            let source = try String(contentsOf: ledger.appendingPathComponent(name), encoding: .utf8)
            inSource += source.matches(of: /(?:FROM|JOIN) (transfer|segment|event|answer|setting)\b/).map {
                String($0.1)
            }
        }
        let above = Self.statements.flatMap { $0.sql.matches(of: /(?:FROM|JOIN) (\w+)/).map { String($0.1) } }
        // What is read of `transfer` in all its columns is written once there, for six clauses.
        #expect(above.count == inSource.count + 5)
        #expect(Set(above) == Set(inSource))
    }
}
