/// Decides whether a firmware may come in, before a byte of it is accepted.
package struct Admission: Sendable {
    /// Which products there are.
    package var catalog: ProductCatalog
    /// So many transfers may be in `receiving`, of all senders together.
    package var openTransfersMax: Int

    package init(catalog: ProductCatalog, openTransfersMax: Int) {
        self.catalog = catalog
        self.openTransfersMax = openTransfersMax
    }

    /// What the decision rests on besides the request.
    package struct Facts: Sendable {
        /// Transfers in `receiving`, without this one.
        package var openTransfers: Int
        /// Bytes that the spool can still take, without what is kept for this one.
        package var room: Int64
        /// Bytes that the spool may hold at all.
        package var quota: Int64
        /// Bytes that it could take if nothing were in it: the quota, or less where the disk has no more.
        package var capacity: Int64
        /// The SHA-256 of every file of the same version registered before.
        package var registeredVersions: Set<Digest>
        /// The name that its sender gives it for the cloud, where another version has it, and whose that is.
        package var takenName: (name: String, holder: TransferAddress)?

        package init(
            openTransfers: Int,
            room: Int64,
            quota: Int64 = .max,
            capacity: Int64 = .max,
            registeredVersions: Set<Digest>,
            takenName: (name: String, holder: TransferAddress)? = nil
        ) {
            self.openTransfers = openTransfers
            self.room = room
            self.quota = quota
            self.capacity = capacity
            self.registeredVersions = registeredVersions
            self.takenName = takenName
        }
    }

    /// A refusal by name.
    package typealias Refusal = FirmwareMetadata.Problem

    /// The first thing that speaks against it; nil when it may come in.
    package func refusal(of request: TransferRequest, facts: Facts) -> Refusal? {
        if let size = request.size, size > CloudLimits.fileBytes { return Self.tooLarge(size) }
        if let size = request.size, size == 0 { return Refusal("The file is empty; the cloud takes no empty firmware") }
        guard FileName.suffix(of: request.name) != nil else {
            let list = FileName.suffixes.joined(separator: ", ")
            return Refusal("The suffix of \(request.name.escaped) is not one of \(list)", code: .badSuffix)
        }
        if let product = request.firmware.product, catalog.entry(for: product) == nil {
            return Refusal("The product \(product) is not configured on this gateway", code: .unknownProduct)
        }
        if let registered = facts.registeredVersions.first, let checksum = request.checksum,
            !facts.registeredVersions.contains(checksum)
        {
            guard facts.registeredVersions.count > 1 else { return Self.versionExists(registered) }
            return Refusal(
                "This version is registered with \(facts.registeredVersions.count) files, none of which has these bytes",
                code: .versionExists
            )
        }
        if let (name, holder) = facts.takenName {
            return Refusal(
                "firmware.name \(name) is that of \(holder), which is another version; names are unique in the cloud"
            )
        }
        if facts.openTransfers >= openTransfersMax {
            return Refusal(
                "The limit of \(openTransfersMax) transfers that wait for their sender is reached",
                code: .tooManyTransfers
            )
        }
        if let size = request.size, size > facts.quota { return Self.overQuota(size, facts.quota) }
        guard let size = request.size, size > facts.room else { return nil }
        if size > facts.capacity { return Self.overDisk(size, facts.capacity) }
        let (file, room) = Self.sizes(size, facts.room)
        let limit = facts.capacity < facts.quota ? " on its disk" : ""
        return Refusal("The file has \(file), the spool has room for \(room)\(limit)", code: .noRoom)
    }

    /// The refusal of a delivery whose time is over before it begins: it would only end as `expired`.
    package static func isOver(_ request: TransferRequest, at now: WallTime) -> Refusal? {
        guard let end = request.expireAt, end <= now else { return nil }
        return Refusal(
            "expire_at is \(end.iso8601Seconds), which is over; here it is \(now.iso8601Seconds)",
            code: .expired
        )
    }

    /// The refusal of a file that an empty spool would not take either.
    package static func overQuota(_ size: Int64, _ quota: Int64) -> Refusal {
        let (file, whole) = sizes(size, quota)
        return Refusal(
            "The file has \(file), the whole spool takes \(whole) (spool.quota)",
            code: .noRoom,
            remedy: noRoomEver
        )
    }

    /// The refusal of a file that the disk has no room for even if the spool were empty.
    package static func overDisk(_ size: Int64, _ capacity: Int64) -> Refusal {
        let (file, whole) = sizes(size, capacity)
        return Refusal(
            "The file has \(file), the disk of the gateway has room for \(whole) without spool.reserve",
            code: .noRoom,
            remedy: noRoomOnDisk
        )
    }

    /// What to do about a file that the disk has no room for, whatever leaves the spool.
    package static let noRoomOnDisk =
        "Waiting does not help, as nothing in the spool would make room. On the gateway df shows its disk: make room there, or "
        + "lower spool.reserve"

    /// Two sizes that differ, so that a reader sees it.
    private static func sizes(_ left: Int64, _ right: Int64) -> (String, String) {
        let short = (ByteCount(rawValue: left).description, ByteCount(rawValue: right).description)
        return short.0 == short.1 ? ("\(left) bytes", "\(right)") : short
    }

    /// What to do about a file that never fits.
    package static let noRoomEver =
        "Waiting does not help: raise spool.quota in the gateway's configuration, or send a smaller file"

    /// The refusal of a file over the cloud's limit.
    package static func versionExists(_ sha256: Digest) -> Refusal {
        Refusal("This version is registered with other bytes (SHA-256 \(sha256))", code: .versionExists)
    }

    package static func tooLarge(_ size: Int64) -> Refusal {
        Refusal("The file has \(size) bytes, the cloud takes \(CloudLimits.fileBytes)", code: .tooLarge)
    }
}

extension String {
    /// Untrusted text for a message: cut to 80 characters, control characters escaped.
    package var escaped: String {
        var result = ""
        for scalar in unicodeScalars.prefix(80) {
            if scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return unicodeScalars.count > 80 ? result + "…" : result
    }
}
