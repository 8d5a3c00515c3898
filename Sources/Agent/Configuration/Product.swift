package import FerryCore

/// A product of the account that senders call by an alias.
package struct Product: Sendable, Hashable {
    /// What senders say.
    package var alias: Name
    /// What the cloud says.
    package var productKey: ProductKey
    /// The module a firmware belongs to where its sender names none.
    package var module: String
    /// How a firmware is called where its sender gives no name.
    package var name: NameTemplate
    /// How the version is found in a file name; nil: it is not.
    package var rule: VersionRule?

    /// Takes checked values; the defaults are those of the file.
    package init(
        alias: Name,
        productKey: ProductKey,
        module: String = Product.defaultModule,
        name: NameTemplate = .default,
        rule: VersionRule? = nil
    ) {
        self.alias = alias
        self.productKey = productKey
        self.module = module
        self.name = name
        self.rule = rule
    }

    /// The cloud's own name for the only module of a product.
    package static let defaultModule = "default"
}

/// The cloud's identifier of a product.
package struct ProductKey: Sendable, Hashable, CustomStringConvertible {
    /// The key itself.
    package let text: String

    /// Takes 8 to 32 letters and digits; nil for any other text.
    package init?(_ text: String) {
        guard (8...32).contains(text.utf8.count), text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
            return nil
        }
        self.text = text
    }

    /// The key itself.
    package var description: String { text }
}
