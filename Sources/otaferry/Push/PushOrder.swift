import Crypto
import FerryCore

/// What a person wants to push, before the files are read.
struct PushOrder: Sendable {
    var firmware: [String: JSONValue] = [:]
    var product: Name
    var version: Name
    var module: Name?
    var kind = FirmwareMetadata.Kind.full
    var sourceVersion: Name?
    /// The name of the package that a person gave; nil: it comes from the content.
    var package: Name?
    /// The key that the files are signed with.
    var signingKey: String?
    var goal = PushGoal.registered
    var timeLimit: Duration?
    var segment: Int64 = SendingMachine.Limits().segment
    /// Whether something of the transfer has to be there already.
    var mustResume = false

    /// A file of the push, by name and content.
    typealias Part = (name: String, digest: FerryCore.Digest)

    /// What the firmware is, besides its content.
    private var identity: [String] {
        [product.text, version.text, module?.text ?? "", kind.rawValue, sourceVersion?.text ?? ""]
    }

    /// The transfer's id: from the content and what it is, so that repeating a command is harmless.
    ///
    /// The first 16 hexadecimal digits of the SHA-256 over these, each with a line's end behind it: the file's SHA-256,
    /// product, version, module, type, source version; empty where not given. For a file of a package also the package's
    /// id and the file's name: the same bytes may stand in it twice.
    func transferID(of part: Part, package: Name? = nil) -> Name {
        Self.name(from: [part.digest.hex] + identity + (package.map { [$0.text, part.name] } ?? []))
    }

    /// The id of the package that these files make, whatever their order: from their names and contents and what it is.
    func packageID(of parts: [Part]) -> Name {
        let files = parts.sorted { $0.name < $1.name }.flatMap { [$0.name, $0.digest.hex] }
        return package ?? Self.name(from: identity + files)
    }

    private static func name(from parts: [String]) -> Name {
        let text = parts.map { $0 + "\n" }.joined()
        let hex = FerryCore.Digest(bytes: SHA256.hash(data: Array(text.utf8))).hex
        guard let name = Name(String(hex.prefix(16))) else {
            preconditionFailure("Cannot miss a name: hexadecimal digits are one")
        }
        return name
    }

    /// Whether the firmware comes with signatures.
    var isSigned: Bool { signingKey != nil || firmware["signature"] != nil }

    /// The payload of `init`.
    func document(of part: Part, size: Int64, package: (id: Name, files: Int)?, signature: String?) -> JSONValue {
        var firmware = firmware
        if let package {
            firmware["package"] = ["id": .string(package.id.text), "files": .integer(Int64(package.files))]
        }
        if let signature { firmware["signature"] = .string(signature) }
        return [
            "name": .string(part.name), "size": .integer(size), "checksum": .string(part.digest.hex),
            "firmware": .object(firmware),
        ]
    }

    // MARK: - What would be refused

    /// The most files that one firmware has.
    static let filesLimit = 20

    /// What is wrong with the names of the files of a package, as a sentence; nil when they fit.
    static func problem(withNames names: [String]) -> String? {
        guard names.count <= filesLimit else {
            return "A package has at most \(filesLimit) files; these are \(names.count)"
        }
        guard names.count > 1 else { return nil }
        let limit = PackageMembers.fileNameCharacters
        if let long = names.first(where: { $0.unicodeScalars.count > limit }) {
            return
                "The name \(long.shownName) has \(long.unicodeScalars.count) characters; in a package a name has at most "
                + "\(limit)"
        }
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            return "Two files are called \(name.shownName); in a package each has a name of its own"
        }
        return nil
    }

    /// What the agent or the cloud would refuse about one file, as a sentence; nil when nothing is.
    static func problem(with document: JSONValue, size: Int64) -> String? {
        problem(ofFile: document, size: size) ?? problem(ofOptions: document)
    }

    /// What the cloud would refuse about the file itself.
    static func problem(ofFile document: JSONValue, size: Int64) -> String? {
        let name = document["name"]?.string ?? ""
        guard size > 0 else { return "\(name.shownName) is empty; the cloud takes no empty firmware" }
        guard size <= CloudLimits.fileBytes else {
            return "\(name.shownName) has \(ByteCount(rawValue: size)); the cloud takes at most "
                + "\(ByteCount(rawValue: CloudLimits.fileBytes))"
        }
        if name.hasControlCharacters, FileName.problem(with: name) != nil {
            return "The file name \(name.shownName) must not hold control characters"
        }
        guard FileName.suffix(of: name) != nil else {
            return "The cloud takes no \(name.shownName): the name must end in one of "
                + FileName.suffixes.map { ".\($0)" }.joined(separator: ", ")
        }
        return nil
    }

    private static func problem(ofOptions document: JSONValue) -> String? {
        do throws(FirmwareMetadata.Problem) {
            _ = try TransferRequest(document: document)
            return nil
        } catch {
            return FirmwareOptionNames.inOptions(error.text)
        }
    }
}
