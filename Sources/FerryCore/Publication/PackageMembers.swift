/// The transfers of one sender that become one firmware of several files: those of a package id that are not final.
package struct PackageMembers: Sendable {
    /// In the order they began.
    package let members: [Transfer]
    /// How many files the package has.
    package let files: Int

    /// The longest name of a file in a package, in characters (help page of `CreateOTAFirmware`).
    package static let fileNameCharacters = 32

    /// The members that belong together with a transfer, itself included, out of all that are not final; nil for a
    /// transfer that is a firmware by itself.
    package init?(with transfer: Transfer, among open: [Transfer]) {
        guard transfer.isPartOfPackage, let group = transfer.firmware.package else { return nil }
        files = group.files
        members = Self.members(of: group.id, sender: transfer.address.sender, among: open)
    }

    private static func members(of id: Name, sender: Name, among open: [Transfer]) -> [Transfer] {
        open.filter { $0.address.sender == sender && $0.firmware.package?.id == id && $0.isPartOfPackage }
            .sorted { $0.key < $1.key }
    }

    /// Files whose bytes are all there.
    package var arrived: Int { members.count { $0.digests != nil } }

    /// Whether every file is there, so that the package can be published.
    package var isComplete: Bool { members.count == files && arrived == files }

    /// Whether OSS has every file, so that the package can be registered.
    package var isUploaded: Bool {
        isComplete && members.allSatisfy { $0.publication.firmwareURL != nil && $0.state != .stored }
    }

    /// Those that an attempt to register, or to look up, is about: all, once OSS has every file; where one has gone since,
    /// those of which it is not known whether the cloud has registered them. In the order they began.
    package var registering: [Transfer] {
        if isUploaded { return members }
        return isComplete ? [] : members.filter { $0.state == .registering && $0.publication.isOutcomeUnknown }
    }

    /// The other files of a package where what all of them share, product, version and name, is corrected for one: with the
    /// same correction. None where nothing of that changes.
    ///
    /// - Throws: where one of them cannot be described now.
    package static func others(
        with transfer: Transfer,
        as corrected: FirmwareMetadata,
        catalog: ProductCatalog,
        at now: WallTime,
        among open: [Transfer]
    ) throws(OperatorRefusal) -> [Transfer] {
        guard let group = corrected.package, transfer.isPartOfPackage, group == transfer.firmware.package else {
            return []
        }
        var others: [Transfer] = []
        for var other in members(of: group.id, sender: transfer.address.sender, among: open) {
            var firmware = other.firmware
            firmware.product = corrected.product
            firmware.version = corrected.version
            firmware.name = corrected.name
            guard other.key != transfer.key, firmware != other.firmware else { continue }
            try other.described(as: firmware, catalog: catalog, at: now)
            others.append(other)
        }
        return others
    }

    /// What speaks against one more file; nil when it fits in.
    ///
    /// - Parameter key: the transfer that it is about, if that is there already.
    package static func problem(
        with firmware: FirmwareMetadata,
        fileName: String,
        sender: Name,
        key: Int64?,
        among open: [Transfer]
    ) -> FirmwareMetadata.Problem? {
        guard let group = firmware.package, group.files > 1 else { return nil }
        guard fileName.unicodeScalars.count <= fileNameCharacters else {
            return .init("A file name in a package has at most \(fileNameCharacters) characters")
        }
        let others = members(of: group.id, sender: sender, among: open).filter { $0.key != key }
        guard others.count < group.files else {
            return .init("The package \(group.id) has its \(group.files) files already", code: .conflict)
        }
        for other in others {
            guard other.request?.name != fileName else {
                return .init("The package \(group.id) has a file \(fileName.escaped) already", code: .conflict)
            }
            let isAgreed =
                other.firmware.product == firmware.product && other.firmware.version == firmware.version
                && other.firmware.name == firmware.name && other.firmware.package == firmware.package
            guard isAgreed else {
                return .init(
                    "Product, version, name or files differ from those of \(other.address) in the package \(group.id)",
                    code: .conflict
                )
            }
        }
        return nil
    }
}

extension Transfer {
    /// Whether it has to wait for other files. A package of one file is a plain firmware.
    package var isPartOfPackage: Bool { (firmware.package?.files ?? 1) > 1 }

    /// The package it belongs to has so many of its files.
    ///
    /// - Returns: whether that changed anything.
    package mutating func packageStands(arrived: Int, of files: Int) -> Bool {
        guard state == .stored, reason == nil || reason?.code == .packageIncomplete else { return false }
        let former = reason
        reason =
            arrived == files
            ? nil
            : Reason(
                .packageIncomplete,
                .operator,
                "The package has \(arrived) of its \(files) files",
                hint: "Send the others, or cancel this one"
            )
        return reason != former
    }
}
