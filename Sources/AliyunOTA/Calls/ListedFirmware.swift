import FerryCore

/// A firmware as the cloud lists it.
package struct ListedFirmware: Sendable, Equatable {
    package let firmwareID: String
    package let name: String
    package let version: String
    package let productKey: String?
    package let moduleName: String?
    package let description: String?
    /// Empty texts of the cloud are nil here.
    package let sourceVersion: String?
    package let kind: Registration.Kind?
    package let size: Int64?
    package let sign: String?
    package let signMethod: String?
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
