/// Which products firmware may be for, and how the cloud calls them.
package struct ProductCatalog: Sendable {
    /// One configured product.
    package struct Entry: Sendable, Equatable {
        package var alias: Name
        package var productKey: String
        package var module: String
        /// FirmwareName when the sender gives none, with `{product}`, `{version}`, `{module}`.
        package var nameTemplate: String

        package init(alias: Name, productKey: String, module: String, nameTemplate: String) {
            self.alias = alias
            self.productKey = productKey
            self.module = module
            self.nameTemplate = nameTemplate
        }
    }

    /// The template of a product that is not configured.
    package static let defaultTemplate = "{product}-{version}"
    /// The module that stands for the firmware of the whole device.
    package static let defaultModule = "default"

    private let entries: [Entry]
    private let acceptsAnyKey: Bool

    package init(entries: [Entry], acceptsAnyKey: Bool) {
        self.entries = entries
        self.acceptsAnyKey = acceptsAnyKey
    }

    /// The product of an alias or a product key; nil when firmware for it is refused.
    package func entry(for product: Name) -> Entry? {
        if let entry = entries.first(where: { $0.alias == product || $0.productKey == product.text }) { return entry }
        guard acceptsAnyKey, Self.isProductKey(product.text) else { return nil }
        return Entry(
            alias: product,
            productKey: product.text,
            module: Self.defaultModule,
            nameTemplate: Self.defaultTemplate
        )
    }

    /// Every name that senders may call the same product by: this one, its alias, its product key.
    package func names(of product: Name) -> [Name] {
        guard let entry = entry(for: product) else { return [product] }
        return [product] + [entry.alias, Name(entry.productKey)].compactMap { $0 }.filter { $0 != product }
    }

    /// Whether a text has the form of a ProductKey: 8 to 32 letters and digits.
    package static func isProductKey(_ text: String) -> Bool {
        (8...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { unit in
                (48...57).contains(unit) || (65...90).contains(unit) || (97...122).contains(unit)
            }
    }
}

/// A firmware as the cloud is to know it: metadata with every default filled in.
package struct CloudFirmware: Sendable, Equatable {
    package var productKey: String
    package var name: String
    package var version: String
    package var module: String
    package var isDelta: Bool
    package var sourceVersion: String?
    package var description: String?
    package var needsVerification: Bool?
    package var custom: String?
    package var signMethod: FirmwareMetadata.SignMethod

    /// Whether the cloud takes both for one version of one product.
    package func isSameVersion(as other: CloudFirmware) -> Bool {
        productKey == other.productKey && version == other.version && module == other.module
            && isDelta == other.isDelta && sourceVersion == other.sourceVersion
    }

    /// A name for it where another version has the one that was made: its beginning, and what tells it from others.
    package var distinctName: String {
        var sum = CRC64()
        sum.update("\(productKey)\n\(version)\n\(module)\n\(isDelta)\n\(sourceVersion ?? "")".utf8)
        let digits = String(sum.value & 0xffff, radix: 16)
        let mark = "-" + String(repeating: "0", count: 4 - digits.count) + digits
        return String(name.unicodeScalars.prefix(CloudLimits.nameCharacters - mark.count)) + mark
    }

    /// - Returns: nil while product or version is missing, or the product is not one of the catalog's.
    package init?(_ metadata: FirmwareMetadata, catalog: ProductCatalog) {
        guard let product = metadata.product, let version = metadata.version, let entry = catalog.entry(for: product)
        else { return nil }
        productKey = entry.productKey
        self.version = version.text
        module = metadata.module?.text ?? entry.module
        name =
            metadata.name
            ?? CloudLimits.firmwareName(
                from: entry.nameTemplate
                    .replacing("{product}", with: entry.alias.text)
                    .replacing("{version}", with: version.text)
                    .replacing("{module}", with: module)
            )
        isDelta = metadata.kind == .delta
        sourceVersion = metadata.sourceVersion?.text
        description = metadata.description
        needsVerification = metadata.needsVerification
        custom = metadata.custom
        signMethod = metadata.signMethod
    }
}
