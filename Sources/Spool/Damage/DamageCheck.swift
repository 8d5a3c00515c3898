/// Looks whether a file is sound, without reading the bytes of firmware: those carry a checksum each, which is compared
/// whenever they are read. Where SQLite came across a damage before, all of it is read, for it is where these do not look.
enum DamageCheck {
    static let tables = ["transfer", "event", "answer", "clearance", "setting"]

    /// - Throws: `damaged`, with SQLite's words, when it is not.
    static func run(_ database: Database, isWhole: Bool) throws(SpoolError) {
        if isWhole {
            let statement = try Statement(database, "PRAGMA integrity_check(1)")
            let words = try statement.step() ? statement.text(0) ?? "" : ""
            guard words == "ok" else {
                throw SpoolError(.damaged, operation: "check the whole spool", underlying: words)
            }
            return
        }
        for table in tables {
            // With a table's name only that table and its indexes are looked at (sqlite.org/pragma.html#pragma_quick_check).
            let statement = try Statement(database, "PRAGMA quick_check('\(table)')")
            while try statement.step() {
                let words = statement.text(0) ?? ""
                guard words != "ok" else { continue }
                throw SpoolError(.damaged, operation: "check the spool's table \(table)", underlying: words)
            }
        }
        // Goes through the heads of all rows; the length of a BLOB stands there.
        _ = try database.number("SELECT sum(length(bytes)) FROM segment")
    }
}
