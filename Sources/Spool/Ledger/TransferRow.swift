import FerryCore

/// A transfer as a row of the table `transfer`.
enum TransferRow {
    private static let names = [
        "key", "sender", "id", "door", "seq", "state", "since", "created", "init", "firmware", "product", "version",
        "priority", "size", "checksum", "bytes", "sha256", "md5", "crc64", "attempt", "failures", "next_attempt",
        "firmware_url", "uploaded_at", "outcome_unknown", "firmware_id", "request_id", "reason", "paused",
    ]

    static let columns = names.joined(separator: ", ")

    static let insert: String = {
        let places = (1...names.count).map { "?\($0)" }.joined(separator: ", ")
        return "INSERT INTO transfer (\(columns)) VALUES (\(places))"
    }()

    /// Leaves alone what never changes, so that the index of addresses is not written again.
    static let update: String = {
        let fixed = ["key", "sender", "id", "door", "created"]
        let updates = names.enumerated().filter { !fixed.contains($0.element) }.map {
            "\($0.element) = ?\($0.offset + 1)"
        }
        return "UPDATE transfer SET \(updates.joined(separator: ", ")) WHERE key = ?1"
    }()

    static func bind(_ transfer: Transfer, to statement: Statement, isNew: Bool) throws(SpoolError) {
        let publication = transfer.publication
        try statement.bind(1, transfer.key)
        if isNew {
            try statement.bind(2, transfer.address.sender.text)
            try statement.bind(3, transfer.address.id.text)
            try statement.bind(4, transfer.door.rawValue)
            try statement.bind(8, transfer.created.milliseconds)
        }
        try statement.bind(5, transfer.seq)
        try statement.bind(6, transfer.state.rawValue)
        try statement.bind(7, transfer.since.milliseconds)
        try statement.bind(9, transfer.request?.documentText)
        try statement.bind(10, transfer.firmware.storedText)
        try statement.bind(11, transfer.firmware.product?.text)
        try statement.bind(12, transfer.firmware.version?.text)
        try statement.bind(13, Int64(transfer.firmware.priority))
        try statement.bind(14, transfer.end?.size)
        try statement.bind(15, transfer.end?.checksum?.bytes)
        // While it is receiving, the rows of its bytes tell; here it would cost a page with every commit.
        try statement.bind(16, transfer.state == .receiving ? 0 : transfer.received.count)
        try statement.bind(17, transfer.digests?.sha256.bytes)
        try statement.bind(18, transfer.digests?.md5.bytes)
        try statement.bind(19, transfer.digests.map { Int64(bitPattern: $0.crc64) })
        try statement.bind(20, Int64(publication.attempt))
        try statement.bind(21, Int64(publication.failures))
        try statement.bind(22, publication.nextAttempt?.milliseconds)
        try statement.bind(23, publication.firmwareURL)
        try statement.bind(24, publication.uploadedAt?.milliseconds)
        try statement.bind(25, publication.isOutcomeUnknown ? 1 : 0)
        try statement.bind(26, publication.firmwareID)
        try statement.bind(27, publication.requestID)
        try statement.bind(28, transfer.reason?.json.text)
        try statement.bind(29, transfer.isPaused ? 1 : 0)
    }

    static func read(_ row: Statement) throws(SpoolError) -> Transfer {
        guard let sender = row.text(1).flatMap({ Name($0) }), let id = row.text(2).flatMap({ Name($0) }) else {
            throw SpoolError(
                .damaged,
                operation: "read transfer \(row.integer(0))",
                underlying: "its sender or id is not a name"
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
