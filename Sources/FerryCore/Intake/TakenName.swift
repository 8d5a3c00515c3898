/// A name that two firmware would have in the cloud, where it belongs to one.
///
/// Names are made out of product and version, and the cloud takes fewer characters than a version may have: `1.4.2` and
/// `1_4_2` come to the same, and so do the whole firmware and the delta of one version.
package enum TakenName {
    /// Whether a transfer's firmware would have the same name and is another version.
    ///
    /// - Parameter key: of the transfer that the firmware is for, if it is there already.
    package static func isHeld(
        by other: Transfer,
        of firmware: CloudFirmware,
        metadata: FirmwareMetadata,
        key: Int64?,
        catalog: ProductCatalog
    ) -> Bool {
        // Comparing is cheap, making names of thousands is not.
        guard other.key != key, let version = other.firmware.version,
            other.firmware.name != nil || metadata.name != nil || isAlike(version, metadata.version),
            let cloud = CloudFirmware(other.firmware, catalog: catalog)
        else { return false }
        return cloud.name == firmware.name && !cloud.isSameVersion(as: firmware)
    }

    /// Whether versions may come to the same where only letters and digits count.
    private static func isAlike(_ left: Name, _ right: Name?) -> Bool {
        guard let right, left.text.utf8.count == right.text.utf8.count else { return false }
        return zip(left.text.utf8, right.text.utf8).allSatisfy { $0 == $1 || !isWord($0) && !isWord($1) }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
