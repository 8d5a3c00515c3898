import FerryCore

/// A `[[product]]` while it is read: what it needs may still be missing.
package struct ProductDraft: Sendable {
    var alias: Name?
    var productKey: ProductKey?
    var module = Product.defaultModule
    var name = NameTemplate.default
    var rule: VersionRule?

    /// The product; nil while something is missing.
    var product: Product? {
        guard let alias, let productKey else { return nil }
        return Product(alias: alias, productKey: productKey, module: module, name: name, rule: rule)
    }

    init() {}

    init(_ product: Product) {
        alias = product.alias
        productKey = product.productKey
        module = product.module
        name = product.name
        rule = product.rule
    }
}

extension ConfigurationKeys {
    /// The keys of one `[[product]]`.
    package static let product: [ConfigurationKey<ProductDraft>] = [
        key(
            "product.alias",
            \.alias,
            ConfigurationShape<Name>.name("pumpctl").required(),
            default: "none; it must be set",
            """
            What senders call the product; no two products share it.
            """
        ),
        key(
            "product.product-key",
            \.productKey,
            ConfigurationShape<ProductKey>.productKey.required(),
            default: "none; it must be set",
            """
            The product's key in the cloud, as the console shows it.
            """
        ),
        key(
            "product.module",
            \.module,
            .token("module", range: "1 to 64 letters, digits, dots, underscores, hyphens", example: "default") {
                Name($0) != nil
            },
            """
            The OTA module that a firmware belongs to where its sender names none.
            """
        ),
        key(
            "product.name",
            \.name,
            .parsed(
                "template",
                range: "text with {product}, {version}, {module}",
                expected: "a name such as \"{product}-{version}\"",
                NameTemplate.init(parsing:)
            ),
            """
            How a firmware is called in the cloud where its sender gives no name.
            Characters that the cloud refuses become `_`.
            """
        ),
        key(
            "product.rule",
            \.rule,
            ConfigurationShape<VersionRule>.parsed(
                "regular expression",
                range: "with a group (?<version>…)",
                expected: "a regular expression with a group (?<version>…)",
                VersionRule.init(parsing:)
            ).orEmpty(),
            """
            How the version is found in the file name where the sender does not give it.
            Write it in single quotes, so that TOML leaves its backslashes alone.
            Empty: the sender must give the version.
            """
        ),
    ]

    private static func key<Value: Sendable>(
        _ path: String,
        _ target: any WritableKeyPath<ProductDraft, Value> & Sendable,
        _ shape: ConfigurationShape<Value>,
        default defaultText: String? = nil,
        _ effect: String
    ) -> ConfigurationKey<ProductDraft> {
        ConfigurationKey(path, target, shape, of: ProductDraft(), default: defaultText, effect: effect)
    }
}

extension ConfigurationShape {
    /// The same for a key without a default.
    fileprivate func required() -> ConfigurationShape<Value?> {
        ConfigurationShape<Value?>(
            type: type,
            range: range,
            form: form,
            read: { raw throws(Expectation) in try read(raw) },
            literal: { $0.map(literal) ?? "\"\"" }
        )
    }
}

extension ConfigurationShape where Value == ProductKey {
    fileprivate static var productKey: Self {
        let expected = "a product key of 8 to 32 letters and digits, such as \"a1AbCdEfGhI\""
        return .parsed("product key", range: "8 to 32 letters and digits", expected: expected) {
            text throws(Expectation) in
            guard let key = ProductKey(text) else { throw Expectation(expected) }
            return key
        }
    }
}
