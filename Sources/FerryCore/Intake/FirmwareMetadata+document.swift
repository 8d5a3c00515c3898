extension FirmwareMetadata {
    /// The members as `init` has them, those that say something.
    package var document: JSONValue {
        var members: [String: JSONValue] = [:]
        members["product"] = product.map { .string($0.text) }
        members["version"] = version.map { .string($0.text) }
        members["name"] = name.map(JSONValue.string)
        members["module"] = module.map { .string($0.text) }
        members["type"] = kind == .full ? nil : .string(kind.rawValue)
        members["source_version"] = sourceVersion.map { .string($0.text) }
        members["description"] = description.map(JSONValue.string)
        members["verify"] = needsVerification.map(JSONValue.bool)
        members["custom"] = custom.map(JSONValue.string)
        members["sign_method"] = signMethod == .md5 ? nil : .string(signMethod.rawValue)
        members["priority"] = priority == 0 ? nil : .integer(Int64(priority))
        members["signature"] = signature.map(JSONValue.string)
        members["package"] = package.map { ["id": .string($0.id.text), "files": .integer(Int64($0.files))] }
        return .object(members)
    }

    /// The text that the spool keeps.
    package var storedText: String { document.text }

    /// Reads what `storedText` wrote; nil for anything else.
    package init?(storedText: String) {
        guard let json = try? JSONValue(parsing: storedText), let metadata = try? FirmwareMetadata(json: json) else {
            return nil
        }
        self = metadata
    }

    /// The same without the name that was made to tell it from another version, where that is about to be another one.
    package func withoutMadeName(_ catalog: ProductCatalog, before changes: JSONValue) -> FirmwareMetadata {
        let identity = ["product", "version", "module", "type", "source_version"]
        guard let name, identity.contains(where: { changes.object?[$0] != nil }) else { return self }
        var bare = self
        bare.name = nil
        return CloudFirmware(bare, catalog: catalog)?.distinctName == name ? bare : self
    }

    /// The metadata with some members changed, as `cmd/describe` sends them; a member that is null is taken away.
    package func corrected(by changes: JSONValue) throws(Problem) -> FirmwareMetadata {
        guard case .object(var members) = document, let new = changes.object else {
            throw Problem("firmware must be a JSON object")
        }
        for (name, value) in new { members[name] = value == .null ? nil : value }
        return try FirmwareMetadata(json: .object(members))
    }
}
