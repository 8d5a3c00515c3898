import FerryCore

/// A firmware as the cloud lists it.
package struct ListedFirmware: Sendable, Equatable {
    /// The cloud's own name, opaque.
    package let firmwareID: String
    /// `FirmwareName`, unique in the account.
    package let name: String
    /// `DestVersion`
    package let version: String
    /// nil: bound to no product.
    package let productKey: String?
    /// `default` is the firmware of the whole device.
    package let moduleName: String?
    /// `FirmwareDesc`
    package let description: String?
    /// Empty texts of the cloud are nil here.
    package let sourceVersion: String?
    /// nil where the cloud writes a type that is not known.
    package let kind: Registration.Kind?
    /// Bytes of the file.
    package let size: Int64?
    /// A digest in hexadecimal digits, in either case.
    package let sign: String?
    /// `MD5` or `SHA256`.
    package let signMethod: String?
    /// `-1` needs no verification, `0` not verified, `1` verified, `2` verifying, `3` failed.
    package let status: Int64?
    /// As the cloud writes it: `2019-11-04T06:21:54.607Z`.
    package let createdAt: String?

    /// nil when it has no id.
    init?(json: JSONValue) {
        func text(_ name: String) -> String? { json[name]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        guard let id = text("FirmwareId") else { return nil }
        firmwareID = id
        name = text("FirmwareName") ?? ""
        version = text("DestVersion") ?? ""
        productKey = text("ProductKey")
        moduleName = text("ModuleName")
        description = text("FirmwareDesc")
        sourceVersion = text("SrcVersion")
        kind = json.number("Type").flatMap { Registration.Kind(rawValue: Int($0)) }
        size = json.number("FirmwareSize")
        sign = text("FirmwareSign")
        signMethod = text("SignMethod")
        status = json.number("Status")
        createdAt = text("UtcCreate")
    }
}

/// What the cloud's record of one firmware tells of its files.
package struct FirmwareRecord: Sendable, Equatable {
    /// Those of a package; none for a firmware of one file, nil where the cloud tells nothing of files.
    package var files: [ListedFile]?
    /// Bytes of the one file.
    package var size: Int64?
    /// Its digest in hexadecimal digits, in either case.
    package var sign: String?
}

/// A file of a package, as the cloud tells it.
package struct ListedFile: Sendable, Equatable {
    /// Unique in the package.
    package let name: String
    /// Bytes.
    package let size: Int64?
    /// In hexadecimal digits, in either case.
    package let md5: String?

    /// nil when it has no name.
    init?(json: JSONValue) {
        func text(_ name: String) -> String? { json[name]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        guard let name = text("Name") else { return nil }
        self.name = name
        size = json.number("Size")
        md5 = text("FileMd5")
    }
}
