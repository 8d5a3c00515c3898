/// What a sender or an operator says about a firmware: the member `firmware` of `init`.
package struct FirmwareMetadata: Sendable, Equatable {
    /// An alias or product key; nil until somebody names one.
    package var product: Name?
    package var version: Name?
    /// FirmwareName in the cloud; nil: made from the product's template.
    package var name: String?
    package var module: Name?
    package var kind = Kind.full
    package var sourceVersion: Name?
    package var description: String?
    package var needsVerification: Bool?
    /// Handed to devices as `Udi`.
    package var custom: String?
    package var signMethod = SignMethod.md5
    /// −100…100; higher goes first.
    package var priority = 0
    package var signature: String?
    package var package: PackageGroup?

    package enum Kind: String, Sendable, CaseIterable { case full, delta }
    package enum SignMethod: String, Sendable {
        case md5 = "MD5"
        case sha256 = "SHA256"
    }

    /// Several files that become one firmware.
    package struct PackageGroup: Sendable, Equatable {
        package var id: Name
        /// 1…20
        package var files: Int
    }

    package init() {}

    /// Why a member is refused.
    package struct Problem: Error, Sendable, Equatable {
        package var code: ReasonCode
        package var text: String
        /// What to do about it: a sentence for a person, or empty.
        package var remedy: String

        package init(_ text: String, code: ReasonCode = .badMetadata, remedy: String? = nil) {
            self.code = code
            self.text = text
            self.remedy = remedy ?? code.remedy
        }
    }

    /// The names of the members that are read.
    package static let members: Set<String> = [
        "product", "version", "name", "module", "type", "source_version", "description", "verify", "custom",
        "sign_method",
        "priority", "signature", "package",
    ]

    /// Reads the members; unknown ones are ignored.
    package init(json: JSONValue) throws(Problem) {
        guard json.object != nil else { throw Problem("firmware must be a JSON object") }
        product = try Self.name(json, "product")
        version = try Self.name(json, "version")
        name = try Self.text(json, "name")
        if let name { try Self.checkFirmwareName(name) }
        module = try Self.name(json, "module")
        sourceVersion = try Self.name(json, "source_version")
        if let text = try Self.text(json, "type") {
            guard let kind = Kind(rawValue: text) else { throw Problem("firmware.type must be full or delta") }
            self.kind = kind
        }
        description = try Self.text(json, "description")
        if let description, CloudLimits.count(description) > CloudLimits.descriptionCharacters {
            throw Problem("firmware.description is longer than \(CloudLimits.descriptionCharacters) characters")
        }
        if let description, description.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            throw Problem("firmware.description holds control characters")
        }
        if let verify = json["verify"] {
            guard let value = verify.bool else { throw Problem("firmware.verify must be true or false") }
            needsVerification = value
        }
        custom = try Self.custom(json)
        if let text = try Self.text(json, "sign_method") {
            guard let method = SignMethod(rawValue: text.uppercased()) else {
                throw Problem("firmware.sign_method must be MD5 or SHA256")
            }
            signMethod = method
        }
        try readRest(json)
    }

    private mutating func readRest(_ json: JSONValue) throws(Problem) {
        if let value = json["priority"] {
            guard let number = value.integer, (-100...100).contains(number) else {
                throw Problem("firmware.priority must be a whole number from -100 to 100")
            }
            priority = Int(number)
        }
        signature = try Self.text(json, "signature")
        if let group = json["package"] {
            guard let id = group["id"]?.string.flatMap({ Name($0) }), let files = group["files"]?.integer,
                (1...20).contains(files)
            else { throw Problem("firmware.package must be {\"id\": a name, \"files\": 1 to 20}") }
            package = PackageGroup(id: id, files: Int(files))
        }
        if kind == .delta && sourceVersion == nil { throw Problem("firmware.type delta needs firmware.source_version") }
        if let sourceVersion, sourceVersion == version {
            throw Problem("firmware.source_version must differ from firmware.version")
        }
    }

    private static func text(_ json: JSONValue, _ member: String) throws(Problem) -> String? {
        guard let value = json[member] else { return nil }
        guard let text = value.string else { throw Problem("firmware.\(member) must be text") }
        return text.isEmpty ? nil : text
    }

    private static func name(_ json: JSONValue, _ member: String) throws(Problem) -> Name? {
        guard let text = try text(json, member) else { return nil }
        guard let name = Name(text) else {
            throw Problem("firmware.\(member) must be 1 to 64 of letters, digits, dot, underscore and hyphen")
        }
        return name
    }

    private static func custom(_ json: JSONValue) throws(Problem) -> String? {
        guard let value = json["custom"], value != .object([:]) else { return nil }
        guard value.object != nil || value.string != nil || value == .null else {
            throw Problem("firmware.custom must be a JSON object")
        }
        let text = value.string ?? value.text
        guard CloudLimits.count(text) <= CloudLimits.customCharacters else {
            throw Problem("firmware.custom is longer than \(CloudLimits.customCharacters) characters")
        }
        return text
    }

    private static func checkFirmwareName(_ name: String) throws(Problem) {
        guard let problem = CloudLimits.problem(withFirmwareName: name) else { return }
        throw Problem(problem)
    }
}
