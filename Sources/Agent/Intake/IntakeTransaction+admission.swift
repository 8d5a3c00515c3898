import FerryCore
import Spool

// What may come in, and under which name.
extension IntakeTransaction {
    func describe(_ transfer: inout Transfer, _ request: TransferRequest) throws(SpoolError) {
        transfer.request = request
        transfer.firmware = metadata(of: request)
        // Names that are made may come to the same: of 1.4.2 and 1_4_2, of a version and the delta to it.
        guard transfer.firmware.name == nil, transfer.firmware.package == nil,
            let firmware = CloudFirmware(transfer.firmware, catalog: rules.catalog)
        else { return }
        // A long name is cut, and what tells versions apart may be what was cut off.
        let isCut = firmware.name.unicodeScalars.count == CloudLimits.nameCharacters
        let registered = try ledger.registered(transfer.firmware, catalog: rules.catalog, ofAnyVersion: isCut)
        guard holder(ofNameOf: firmware, transfer.firmware, key: transfer.key, registered) != nil else { return }
        transfer.firmware.name = firmware.distinctName
    }

    /// What is known of a firmware: what its sender says, and what its file's name tells.
    func metadata(of request: TransferRequest) -> FirmwareMetadata {
        var metadata = request.firmware
        guard metadata.product == nil || metadata.version == nil, let found = rules.findProduct(request.name) else {
            return metadata
        }
        metadata.product = metadata.product ?? found.product
        metadata.version = metadata.version ?? found.version
        return metadata
    }

    /// Each transfer that is not final is kept in memory.
    static let unfinishedMax = 20_000

    /// How many transfers wait for their sender. One that has all its bytes and waits for its digest does not.
    func openCount(without existing: Transfer?) -> Int {
        ledger.countReceiving { $0.key != existing?.key && $0.waitsForSender }
    }

    mutating func admit(
        _ request: TransferRequest,
        _ address: TransferAddress,
        existing: Transfer?
    ) throws(SpoolError) -> Admission.Refusal? {
        if isFull { return Admission.Refusal("The disk of the gateway is full", code: .noRoom) }
        if let refusal = Admission.isOver(request, at: now) { return refusal }
        if let refusal = rules.signatureRefusal(of: request, address.sender, now) { return refusal }
        let open = openCount(without: existing)
        // What this batch has let in already counts.
        usage = ledger.usage
        guard ledger.unfinishedCount < Self.unfinishedMax else {
            return Admission.Refusal(
                "\(Self.unfinishedMax) transfers wait for the cloud or for a person, which is the limit",
                code: .tooManyTransfers
            )
        }
        let metadata = metadata(of: request)
        let wanted = CloudFirmware(metadata, catalog: rules.catalog)
        let registered = try ledger.registered(metadata, catalog: rules.catalog)
        let same = registered.filter { wanted?.isSameVersion(as: $0.firmware) ?? false }
        let facts = Admission.Facts(
            openTransfers: open,
            room: usage.free + (existing?.reservedBytes ?? 0),
            quota: usage.quota,
            capacity: usage.capacity,
            registeredVersions: Set(same.map(\.sha256)),
            takenName: wanted.flatMap { takenName(of: $0, metadata, key: existing?.key, registered) }
        )
        if let refusal = rules.admission.refusal(of: request, facts: facts) { return refusal }
        guard request.firmware.package != nil else { return nil }
        return PackageMembers.problem(
            with: request.firmware,
            fileName: request.name,
            sender: address.sender,
            key: existing?.key,
            among: ledger.openTransfers
        )
    }

    func takenName(
        of firmware: CloudFirmware,
        _ metadata: FirmwareMetadata,
        key: Int64?,
        _ registered: [(firmware: CloudFirmware, sha256: Digest, address: TransferAddress)]
    ) -> (name: String, holder: TransferAddress)? {
        guard let name = metadata.name, metadata.package == nil else { return nil }
        return holder(ofNameOf: firmware, metadata, key: key, registered).map { (name, $0) }
    }

    func holder(
        ofNameOf firmware: CloudFirmware,
        _ metadata: FirmwareMetadata,
        key: Int64?,
        _ registered: [(firmware: CloudFirmware, sha256: Digest, address: TransferAddress)]
    ) -> TransferAddress? {
        let other = registered.first { $0.firmware.name == firmware.name && !$0.firmware.isSameVersion(as: firmware) }
        return other?.address
            ?? ledger.firstOpen { transfer in
                TakenName.isHeld(by: transfer, of: firmware, metadata: metadata, key: key, catalog: rules.catalog)
            }?.address
    }
}
