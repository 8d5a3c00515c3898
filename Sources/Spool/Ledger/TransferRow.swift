import CSQLite
import FerryCore

/// A transfer as a row of the table `transfer`.
enum TransferRow {
    private static let names = [
        "key", "sender", "id", "door", "seq", "state", "since", "created", "init", "firmware", "product", "version",
        "priority", "size", "checksum", "bytes", "sha256", "md5", "crc64", "attempt", "failures", "next_attempt",
        "firmware_url", "uploaded_at", "outcome_unknown", "firmware_id", "request_id", "reason", "paused",
        "row_crc64",
    ]

    static let columns = names.joined(separator: ", ")

    static let insert: String = {
        let places = (1...names.count).map { "?\($0)" }.joined(separator: ", ")
        return "INSERT INTO transfer (\(columns)) VALUES (\(places))"
    }()

    /// Leaves alone what never changes, so that the index of addresses is not written again.
    static let update: String = {
        let updates = names.enumerated().filter { !fixed.contains($0.element) }.map {
            "\($0.element) = ?\($0.offset + 1)"
        }
        return "UPDATE transfer SET \(updates.joined(separator: ", ")) WHERE key = ?1"
    }()

    static func bind(_ transfer: Transfer, to statement: Statement, isNew: Bool) throws(SpoolError) {
        let values = values(of: transfer)
        for (index, value) in values.enumerated() where isNew || !fixed.contains(names[index]) || index == 0 {
            try statement.bind(Int32(index + 1), value)
        }
        try statement.bind(Int32(names.count), Self.checksum(values))
    }

    /// What never changes in a row.
    private static let fixed: Set<String> = ["key", "sender", "id", "door", "created"]

    /// In the order of `names`, without the checksum.
    private static func values(of transfer: Transfer) -> [ColumnValue] {
        let publication = transfer.publication
        return [
            .integer(transfer.key),
            .text(transfer.address.sender.text),
            .text(transfer.address.id.text),
            .text(transfer.door.rawValue),
            .integer(transfer.seq),
            .text(transfer.state.rawValue),
            .integer(transfer.since.milliseconds),
            .integer(transfer.created.milliseconds),
            .init(transfer.request?.documentText),
            .init(transfer.firmware.storedText),
            .init(transfer.firmware.product?.text),
            .init(transfer.firmware.version?.text),
            .integer(Int64(transfer.firmware.priority)),
            .init(transfer.end?.size),
            .init(transfer.end?.checksum?.bytes),
            // While it is receiving, the rows of its bytes tell; here it would cost a page with every commit.
            .integer(transfer.state == .receiving ? 0 : transfer.received.count),
            .init(transfer.digests?.sha256.bytes),
            .init(transfer.digests?.md5.bytes),
            .init(transfer.digests.map { Int64(bitPattern: $0.crc64) }),
            .integer(Int64(publication.attempt)),
            .integer(Int64(publication.failures)),
            .init(publication.nextAttempt?.milliseconds),
            .init(publication.firmwareURL),
            .init(publication.uploadedAt?.milliseconds),
            .integer(publication.isOutcomeUnknown ? 1 : 0),
            .init(publication.firmwareID),
            .init(publication.requestID),
            .init(transfer.reason?.json.text),
            .integer(transfer.isPaused ? 1 : 0),
        ]
    }

    /// The checksum of a row: over every value and its kind.
    static func checksum(_ values: [ColumnValue]) -> Int64 {
        var checksum = CRC64()
        for value in values { value.add(to: &checksum) }
        return Int64(bitPattern: checksum.value)
    }

    /// Whether a row is what was written.
    static func isSound(_ row: Statement) -> Bool {
        row.columnCount == names.count
            && checksum((0..<Int32(names.count - 1)).map { row.value($0) }) == row.integer(Int32(names.count - 1))
    }

    static func read(_ row: Statement) throws(SpoolError) -> Transfer {
        guard isSound(row), let sender = row.text(1).flatMap({ Name($0) }), let id = row.text(2).flatMap({ Name($0) })
        else {
            // As if SQLite had said it: the file has to be set aside.
            throw SpoolError(
                .damaged,
                operation: "read transfer \(row.integer(0))",
                underlying: "its row is not what was written",
                resultCode: SQLITE_CORRUPT
            )
        }
        let state = row.text(5).flatMap(TransferState.init(rawValue:))
        var transfer = Transfer(
            key: row.integer(0),
            address: TransferAddress(sender: sender, id: id),
            door: row.text(3).flatMap(Transfer.Door.init(rawValue:)) ?? .segments,
            seq: row.integer(4),
            state: state ?? .held,
            since: WallTime(milliseconds: row.integer(6)),
            created: WallTime(milliseconds: row.integer(7)),
            publication: publication(row),
            isPaused: row.integer(28) != 0
        )
        // What was written here was checked before; a document that no longer parses is a damaged one.
        transfer.request = row.text(8).flatMap { try? JSONValue(parsing: $0) }
            .flatMap { try? TransferRequest(document: $0, isChecksumLenient: true) }
        transfer.firmware = row.text(9).flatMap { FirmwareMetadata(storedText: $0) } ?? FirmwareMetadata()
        if let size = row.optionalInteger(13), size >= 0 {
            transfer.end = Transfer.FileEnd(size: size, checksum: row.blob(14).map { Digest(bytes: $0) })
        }
        // Numbers that nobody wrote must not keep the agent from starting.
        transfer.received = ByteRanges(0..<max(0, row.integer(15)))
        if let sha256 = row.blob(16), let md5 = row.blob(17), let crc64 = row.optionalInteger(18) {
            transfer.digests = FileDigests(
                sha256: Digest(bytes: sha256),
                md5: Digest(bytes: md5),
                crc64: UInt64(bitPattern: crc64)
            )
        }
        transfer.reason = row.text(27).flatMap { try? JSONValue(parsing: $0) }.flatMap { Reason(json: $0) }
        if state == nil {
            transfer.reason = Reason(
                .spoolDamaged,
                .operator,
                "The spool names a state that this version does not know: \((row.text(5) ?? "").escaped)",
                hint: "Install the version that wrote it, or cancel the transfer"
            )
        }
        return transfer
    }

    private static func publication(_ row: Statement) -> Publication {
        var publication = Publication()
        publication.attempt = Int(row.integer(19))
        publication.failures = Int(row.integer(20))
        publication.nextAttempt = row.optionalInteger(21).map { WallTime(milliseconds: $0) }
        publication.firmwareURL = row.text(22)
        publication.uploadedAt = row.optionalInteger(23).map { WallTime(milliseconds: $0) }
        publication.isOutcomeUnknown = row.integer(24) != 0
        publication.firmwareID = row.text(25)
        publication.requestID = row.text(26)
        return publication
    }
}
