/// The tables, their versions and the settings of the connection.
enum Schema {
    /// `PRAGMA application_id`: "OTAF".
    static let applicationID: Int64 = 0x4F54_4146

    /// Named steps; the number of them that were done is `PRAGMA user_version`. A released step is never changed.
    static let migrations: [(name: String, sql: String)] = [
        ("transfers, segments, events, answers, settings", version1)
    ]

    private static let version1 = """
        CREATE TABLE transfer (
            key             INTEGER PRIMARY KEY,
            sender          TEXT NOT NULL,
            id              TEXT NOT NULL,
            door            TEXT NOT NULL,
            seq             INTEGER NOT NULL,
            state           TEXT NOT NULL,
            since           INTEGER NOT NULL,
            created         INTEGER NOT NULL,
            init            TEXT,
            firmware        TEXT,
            product         TEXT,
            version         TEXT,
            priority        INTEGER NOT NULL DEFAULT 0,
            size            INTEGER,
            checksum        BLOB,
            bytes           INTEGER NOT NULL DEFAULT 0,
            sha256          BLOB,
            md5             BLOB,
            crc64           INTEGER,
            attempt         INTEGER NOT NULL DEFAULT 0,
            failures        INTEGER NOT NULL DEFAULT 0,
            next_attempt    INTEGER,
            firmware_url    TEXT,
            uploaded_at     INTEGER,
            outcome_unknown INTEGER NOT NULL DEFAULT 0,
            firmware_id     TEXT,
            request_id      TEXT,
            reason          TEXT,
            paused          INTEGER NOT NULL DEFAULT 0,
            row_crc64       INTEGER NOT NULL,
            UNIQUE (sender, id)
        );
        -- one, and of final states only: each page of an index costs every commit that changes it 8 KiB of flash
        CREATE INDEX transfer_by_end ON transfer (state, product, version, since)
            WHERE state IN ('registered', 'failed', 'cancelled', 'expired');
        -- position = transfer's key * 2^30 + offset of the first byte in the file
        CREATE TABLE segment (
            position INTEGER PRIMARY KEY,
            seq      INTEGER NOT NULL,
            at       INTEGER NOT NULL,
            crc64    INTEGER NOT NULL,
            bytes    BLOB NOT NULL
        );
        CREATE TABLE event (
            transfer INTEGER NOT NULL,
            number   INTEGER NOT NULL,
            seq      INTEGER NOT NULL,
            at       INTEGER NOT NULL,
            event    TEXT NOT NULL,
            state    TEXT NOT NULL,
            reason   TEXT,
            -- the last event that had been told for sure when this one was written
            told     INTEGER NOT NULL,
            PRIMARY KEY (transfer, number)
        ) WITHOUT ROWID;
        CREATE TABLE answer (
            request TEXT PRIMARY KEY,
            at      INTEGER NOT NULL,
            payload TEXT NOT NULL
        ) WITHOUT ROWID;
        -- transfers that are gone and whose retained state has to be cleared on the broker
        CREATE TABLE clearance (
            sender TEXT NOT NULL,
            id     TEXT NOT NULL,
            PRIMARY KEY (sender, id)
        ) WITHOUT ROWID;
        CREATE TABLE setting (
            name  TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) WITHOUT ROWID;
        """

    /// What every connection is set to, and why. Defaults are never assumed.
    static let pragmas = [
        // 4 KiB is the block of flash file systems; only a new file takes it.
        "PRAGMA page_size=4096",
        // A rollback journal does not copy pages that are new or free: a firmware is written once. PERSIST keeps the
        // journal's file, which costs half the flash of TRUNCATE for each commit.
        "PRAGMA journal_mode=PERSIST",
        // A large transaction's journal is cut back to this.
        "PRAGMA journal_size_limit=1048576",
        // Acknowledged means on the device.
        "PRAGMA synchronous=FULL",
        // Debian's default rewrites every byte of what is deleted.
        "PRAGMA secure_delete=OFF",
        // A commit of 4 MiB fits, so nothing spills before its time: SQLite gives nine tenths to pages that are not written.
        "PRAGMA cache_size=-5120",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA mmap_size=0",
        // Freed pages are used again; the file does not shrink.
        "PRAGMA auto_vacuum=NONE",
        "PRAGMA foreign_keys=OFF",
        "PRAGMA trusted_schema=OFF",
        // Somebody may look at the file with the sqlite3 program.
        "PRAGMA busy_timeout=5000",
    ]

    /// Sets up the connection and brings the file to this program's version, each step whole or not at all.
    static func prepare(_ database: Database) throws(SpoolError) {
        let version = try database.number("PRAGMA user_version")
        let application = try database.number("PRAGMA application_id")
        // Most programs leave both numbers at 0, so the file has to be empty too.
        let tables = try database.number("SELECT count(*) FROM sqlite_master")
        let isNew = version == 0 && application == 0 && tables == 0
        // Looked at before anything is set: the journal's mode stays in the file.
        if !isNew && application != applicationID {
            throw SpoolError(
                .unusable,
                operation: "open the spool \(database.path)",
                underlying: "the file is a SQLite database of another program",
                hint: "Name another file in spool.path"
            )
        }
        guard version <= migrations.count else {
            throw SpoolError(
                .newerSchema,
                operation: "open the spool \(database.path)",
                underlying: "it has the schema version \(version), this program knows \(migrations.count)",
                hint: "Install the newer otaferry again, or name another file in spool.path"
            )
        }
        for pragma in pragmas { try database.execute(pragma, "set \(pragma)") }
        for (index, migration) in migrations.enumerated().dropFirst(Int(version)) {
            let operation = "bring the spool to version \(index + 1) (\(migration.name))"
            try database.execute(
                """
                BEGIN IMMEDIATE;
                \(migration.sql)
                PRAGMA application_id=\(applicationID);
                PRAGMA user_version=\(index + 1);
                COMMIT;
                """,
                operation
            )
        }
    }
}
