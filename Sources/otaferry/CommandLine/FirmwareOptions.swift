import ArgumentParser
import FerryCore

extension FirmwareMetadata.Kind: ExpressibleByArgument {}
extension Name {
    /// For options.
    static func argument(_ text: String) throws -> Name {
        guard let name = Name(text) else { throw ValidationError("expected \(expectation)") }
        return name
    }
}

/// What a person says about a firmware.
struct FirmwareOptions: ParsableArguments {
    @Option(
        help: "Product: an alias of the gateway's configuration, or a ProductKey.",
        transform: Name.argument
    )
    var product: Name

    @Option(help: "Version that devices will report.", transform: Name.argument)
    var version: Name

    @OptionGroup var details: FirmwareDetails

    @Option(
        help: ArgumentHelp(
            "Sign the firmware with this key, as ssh-keygen -Y sign -n otaferry does.",
            discussion: "The private key's file, or its public one where an agent holds the private one.",
            valueName: "key"
        ),
        completion: .file()
    )
    var sign: String?

    /// - Parameter files: how many are pushed.
    func check(files: Int) throws {
        if details.sourceVersion != nil && details.type != .delta {
            throw ValidationError("--source-version is for --type delta")
        }
        if sign != nil && details.signature != nil {
            throw ValidationError("--sign makes what --signature names: one of them is enough")
        }
        if files > 1 && details.signature != nil {
            throw ValidationError("--signature is over one file; --sign signs each")
        }
        if files > 1, let said = details.files, said != files {
            throw ValidationError("--files says \(said), but \(files) files are named")
        }
        try details.check(needsFiles: files == 1)
    }

    /// The order for a push.
    func order() throws(SourceFileError) -> PushOrder {
        var members = try details.members()
        members["product"] = .string(product.text)
        members["version"] = .string(version.text)
        var order = PushOrder(firmware: members, product: product, version: version)
        order.module = details.module
        order.kind = details.type ?? .full
        order.sourceVersion = details.sourceVersion
        order.package = details.package
        order.signingKey = sign
        return order
    }
}

/// What a person may say about a firmware, for `push` and `describe`.
struct FirmwareDetails: ParsableArguments {
    @Option(help: "Name of the firmware in the cloud; else made from the product's template.")
    var name: String?

    @Option(help: "Module of the device that it is for.", transform: Name.argument)
    var module: Name?

    @Option(help: "Description, up to 100 characters.")
    var description: String?

    @Option(help: "full, or delta together with --source-version.")
    var type: FirmwareMetadata.Kind?

    @Option(
        name: .customLong("source-version"),
        help: "The version that a delta starts from.",
        transform: Name.argument
    )
    var sourceVersion: Name?

    // A negative number looks like an option.
    @Option(parsing: .unconditional, help: "Higher goes first, -100 to 100.")
    var priority: Int?

    @Flag(inversion: .prefixedNo, help: "Whether the cloud asks for a verification before it rolls out.")
    var verify: Bool?

    @Option(help: ArgumentHelp("A JSON object that devices get with the firmware.", valueName: "json"))
    var custom: String?

    @Option(
        help: ArgumentHelp(
            "File with a signature over the firmware, by ssh-keygen -Y sign -n otaferry.",
            valueName: "file"
        ),
        completion: .file()
    )
    var signature: String?

    @Option(
        name: .customLong("package"),
        help: ArgumentHelp("Name of the package that the file is a part of, with --files.", valueName: "id"),
        transform: Name.argument
    )
    var package: Name?

    @Option(help: "How many files the package has.")
    var files: Int?

    /// - Parameter needsFiles: whether a package's name needs the number of its files.
    func check(needsFiles: Bool = true) throws {
        if type == .delta && sourceVersion == nil { throw ValidationError("--type delta needs --source-version") }
        if let priority, !(-100...100).contains(priority) {
            throw ValidationError("--priority is a number from -100 to 100")
        }
        if let files, !(1...PushOrder.filesLimit).contains(files) {
            throw ValidationError("--files is a number from 1 to \(PushOrder.filesLimit)")
        }
        if package == nil && files != nil || needsFiles && package != nil && files == nil {
            throw ValidationError("--package and --files belong together")
        }
        if let custom { _ = try Self.document(custom) }
    }

    /// Whether anything is said.
    var areSaid: Bool {
        let texts: [Any?] = [
            name, module, description, type, sourceVersion, priority, verify, custom, signature, package,
        ]
        return texts.contains { $0 != nil }
    }

    private static let signatureLimit: Int64 = 16 << 10

    /// The members of `firmware` in `init` that were said.
    func members() throws(SourceFileError) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        members["name"] = name.map { .string($0) }
        members["module"] = module.map { .string($0.text) }
        members["description"] = description.map { .string($0) }
        members["type"] = type.map { .string($0.rawValue) }
        members["source_version"] = sourceVersion.map { .string($0.text) }
        members["priority"] = priority.map { .integer(Int64($0)) }
        members["verify"] = verify.map { .bool($0) }
        members["custom"] = custom.flatMap { try? JSONValue(parsing: $0) }
        if let signature { members["signature"] = .string(try Self.signature(in: signature)) }
        if let package, let files {
            members["package"] = ["id": .string(package.text), "files": .integer(Int64(files))]
        }
        return members
    }

    /// The armored text; what a gateway that checks signatures could not read is found here.
    private static func signature(in path: String) throws(SourceFileError) -> String {
        let bytes = try SmallFile.read(path, limit: signatureLimit)
        let text = String(decoding: bytes, as: UTF8.self)
        guard let signature = SSHSignature(armored: text) else {
            throw SourceFileError(
                text: "--signature: \(path) is no signature of ssh-keygen -Y sign -n \(FirmwareSigner.namespace), "
                    + "with a key of kind ssh-ed25519 or ecdsa-sha2"
            )
        }
        guard signature.namespace == FirmwareSigner.namespace else {
            throw SourceFileError(
                text: "--signature: \(path) is a signature for \(signature.namespace.escaped), not for "
                    + "\(FirmwareSigner.namespace): sign with -n \(FirmwareSigner.namespace)"
            )
        }
        return text
    }

    private static func document(_ text: String) throws -> JSONValue {
        guard let document = try? JSONValue(parsing: text), document.object != nil else {
            throw ValidationError("--custom is a JSON object")
        }
        return document
    }
}
