import Foundation

/// The arguments of `CreateOTAFirmware`, held to the rules for each.
struct FirmwareDraft: Sendable {
    enum SignMethod: String, Sendable {
        case md5 = "MD5"
        case sha256 = "SHA256"

        var digits: Int { self == .md5 ? 32 : 64 }
    }

    /// What the caller says about one file.
    struct File: Sendable {
        var name = ""
        var url: String
        var size: Int64?
        var md5: String?
        var sign: String?
    }

    let name: String
    let version: String
    let productKey: String
    let module: String
    let type: Int
    let sourceVersion: String
    let description: String
    let signMethod: SignMethod
    let custom: String
    let needsVerification: Bool
    let files: [File]

    init(_ arguments: ActionArguments) throws {
        name = arguments["FirmwareName"] ?? ""
        guard !name.isEmpty else { throw ServiceRefusal("iot.firmware.BlankFirmwareName", "FirmwareName is empty.") }
        guard FirmwareRules.isName(name) else {
            throw ServiceRefusal("iot.firmware.IncorrectFormattedFirmwareName", "FirmwareName is not well-formed.")
        }
        version = arguments["DestVersion"] ?? ""
        guard !version.isEmpty else {
            throw ServiceRefusal("iot.firmware.NullFirmwareVersion", "DestVersion is empty.")
        }
        guard FirmwareRules.isVersion(version) else {
            throw ServiceRefusal("iot.firmware.IncorrectFormattedFirmwareVersion", "DestVersion is not well-formed.")
        }
        guard let type = Int(arguments["Type"] ?? "0"), (0...1).contains(type) else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareType", "Type is neither 0 nor 1.")
        }
        self.type = type
        sourceVersion = arguments["SrcVersion"] ?? ""
        if type == 1, sourceVersion.isEmpty {
            throw ServiceRefusal("iot.firmware.SrcVersionIsMandatory", "A delta package needs SrcVersion.")
        }
        guard sourceVersion.isEmpty || FirmwareRules.isVersion(sourceVersion) else {
            throw ServiceRefusal("iot.firmware.IncorrectFormattedSrcVersion", "SrcVersion is not well-formed.")
        }
        guard sourceVersion != version else {
            throw ServiceRefusal("iot.firmware.SrcDestVersionMatched", "SrcVersion is the same as DestVersion.")
        }
        if arguments["FirmwareDesc"]?.isEmpty == true { throw GatewayRefusal.invalid("FirmwareDesc", "it is empty.") }
        description = arguments["FirmwareDesc"] ?? ""
        guard FirmwareRules.fits(description, 100) else {
            throw ServiceRefusal("iot.firmware.FirmwareDescriptionExceedMaxLength", "FirmwareDesc is too long.")
        }
        custom = arguments["Udi"] ?? ""
        guard FirmwareRules.fits(custom, 4_096) else { throw GatewayRefusal.invalid("Udi", "it is too long.") }
        switch (arguments["NeedToVerify"] ?? "true").lowercased() {
        case "true": needsVerification = true
        case "false": needsVerification = false
        default: throw GatewayRefusal.invalid("NeedToVerify", "it is neither true nor false.")
        }
        guard let method = SignMethod(rawValue: arguments["SignMethod"] ?? "MD5") else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareSignMethod", "SignMethod is not supported.")
        }
        signMethod = method
        productKey = arguments["ProductKey"] ?? ""
        if arguments["ProductKey"] == "" { throw ServiceRefusal("iot.prod.NullProductKey", "ProductKey is empty.") }
        module = arguments["ModuleName"] ?? "default"
        files =
            arguments.files.isEmpty
            ? [try Self.onlyFile(arguments, method)] : try Self.severalFiles(arguments, method)
    }

    /// Whether the product and the module exist.
    func checkProductAndModule(_ configuration: CloudConfiguration) throws(ServiceRefusal) {
        if !productKey.isEmpty {
            guard FirmwareRules.isProductKey(productKey) else {
                throw ServiceRefusal("iot.prod.InvalidFormattedProductkey", "ProductKey is not well-formed.")
            }
            guard configuration.products.isEmpty || configuration.products.contains(productKey) else {
                throw ServiceRefusal("iot.prod.NotExistedProduct", "The product does not exist.")
            }
        }
        guard FirmwareRules.isModule(module) else {
            throw ServiceRefusal("iot.firmware.IncorrectFormattedModuleName", "ModuleName is not well-formed.")
        }
        guard module == "default" || configuration.modules.isEmpty || configuration.modules.contains(module) else {
            throw ServiceRefusal("iot.ota.OTAModuleNotExist", "The module does not exist.")
        }
    }

    func registered(id: String, files: [RegisteredFirmware.File], created: Date) -> RegisteredFirmware {
        RegisteredFirmware(
            id: id,
            name: name,
            version: version,
            productKey: productKey,
            module: module,
            type: type,
            sourceVersion: sourceVersion,
            description: description,
            signMethod: signMethod.rawValue,
            custom: custom,
            needsVerification: needsVerification,
            files: files,
            created: created
        )
    }

    private static func onlyFile(_ arguments: ActionArguments, _ method: SignMethod) throws(ServiceRefusal) -> File {
        guard let url = arguments["FirmwareUrl"], !url.isEmpty else {
            throw ServiceRefusal("iot.firmware.NullFirmwareUrl", "FirmwareUrl is empty.")
        }
        var file = File(url: url)
        file.size = try size(arguments["FirmwareSize"])
        file.sign = try digest(arguments["FirmwareSign"], digits: method.digits)
        return file
    }

    private static func severalFiles(_ arguments: ActionArguments, _ method: SignMethod) throws -> [File] {
        for name in ["FirmwareUrl", "FirmwareSign", "FirmwareSize"] where arguments[name] != nil {
            throw GatewayRefusal.invalid(name, "it does not go with MultiFiles.")
        }
        let count = arguments.files.count
        guard (2...FirmwareRules.filesMaximum).contains(count), arguments.files.keys.max() == count else {
            throw GatewayRefusal.invalid("MultiFiles", "there are 2 to 20 files, counted from 1.")
        }
        var names: Set<String> = []
        return try (1...count).map { number in
            let members = arguments.files[number] ?? [:]
            guard let name = members["Name"], (1...32).contains(name.unicodeScalars.count), names.insert(name).inserted
            else { throw GatewayRefusal.invalid("MultiFiles.\(number).Name", "1 to 32 characters, unique.") }
            guard let url = members["Url"], !url.isEmpty else {
                throw ServiceRefusal("iot.firmware.NullFirmwareUrl", "MultiFiles.\(number).Url is empty.")
            }
            var file = File(name: name, url: url)
            file.size = try size(members["Size"])
            file.md5 = try digest(members["FileMd5"], digits: 32)
            file.sign = try digest(members["SignValue"], digits: method.digits)
            return file
        }
    }

    private static func size(_ text: String?) throws(ServiceRefusal) -> Int64? {
        guard let text else { return nil }
        guard let size = Int32(text), size > 0 else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareSize", "The size is not a number of 32 bits.")
        }
        return Int64(size)
    }

    private static func digest(_ text: String?, digits: Int) throws(ServiceRefusal) -> String? {
        guard let text else { return nil }
        guard Hex.isHex(text, count: digits) else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareSign", "The digest does not consist of \(digits) digits.")
        }
        return text
    }
}
