/// How a firmware is called where its sender gives no name: text with `{product}`, `{version}` and `{module}`.
package struct NameTemplate: Sendable, Hashable, CustomStringConvertible {
    private enum Piece: Sendable, Hashable {
        case literal(String)
        case product
        case version
        case module
    }

    private let pieces: [Piece]
    /// The template as written.
    package let description: String

    /// `{product}-{version}`
    package static let `default` = NameTemplate()

    private init() {
        pieces = [.product, .literal("-"), .version]
        description = "{product}-{version}"
    }

    /// Reads a template; unknown placeholders and lone braces are mistakes.
    package init(parsing text: String) throws(Expectation) {
        var pieces: [Piece] = []
        var rest = text[...]
        while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            if brace > rest.startIndex { pieces.append(.literal(String(rest[..<brace]))) }
            guard rest[brace] == "{", let end = rest[brace...].firstIndex(of: "}") else { throw Self.expectation }
            switch rest[rest.index(after: brace)..<end] {
            case "product": pieces.append(.product)
            case "version": pieces.append(.version)
            case "module": pieces.append(.module)
            default: throw Self.expectation
            }
            rest = rest[rest.index(after: end)...]
        }
        if !rest.isEmpty { pieces.append(.literal(String(rest))) }
        guard !pieces.isEmpty else { throw Self.expectation }
        self.pieces = pieces
        description = text
    }

    private static let expectation = Expectation(
        "a name whose placeholders are among {product}, {version} and {module}"
    )

    /// The name of one firmware, before the characters that the cloud refuses are replaced.
    package func filled(product: String, version: String, module: String) -> String {
        pieces.map { piece in
            switch piece {
            case .literal(let text): text
            case .product: product
            case .version: version
            case .module: module
            }
        }.joined()
    }
}
