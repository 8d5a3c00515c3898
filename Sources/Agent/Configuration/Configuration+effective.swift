package import FerryCore

extension Configuration {
    /// The values in effect as a TOML file, without secrets; comments tell which files were read, and where each value
    /// that a source set came from.
    package var effectiveText: String {
        var lines = files.map { "# read: \(ConfigurationText.singleLine($0))" }
        if files.isEmpty { lines = ["# no file read: \(ConfigurationLoader.defaultPath) does not exist"] }
        lines.append("")
        var table = ""
        for key in ConfigurationKeys.all {
            if key.table != table {
                table = key.table
                lines += ["", "[\(table)]"]
            }
            lines.append("\(key.name) = \(key.literal(self))\(comment(key.path))")
        }
        for product in products {
            lines += ["", "[[product]]\(comment("product.\(product.alias)"))"]
            lines += ConfigurationKeys.product.map { "\($0.name) = \($0.literal(ProductDraft(product)))" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func comment(_ path: String) -> String {
        origins[path].map { "  # \(ConfigurationText.singleLine("\($0)"))" } ?? ""
    }

    /// The same for programs: `files`, `values` by path, `products`, `origins` by path.
    package var effectiveJSON: JSONValue {
        var values: [String: JSONValue] = [:]
        for key in ConfigurationKeys.all { values[key.path] = Self.json(key.literal(self)) }
        let listed = products.map { product in
            var members: [String: JSONValue] = [:]
            for key in ConfigurationKeys.product { members[key.name] = Self.json(key.literal(ProductDraft(product))) }
            return JSONValue.object(members)
        }
        return [
            "files": .array(files.map(JSONValue.string)), "values": .object(values), "products": .array(listed),
            "origins": .object(origins.mapValues { .string($0.description) }),
        ]
    }

    private static func json(_ literal: String) -> JSONValue {
        // Every literal that the table writes is TOML; were one not, its text is still the truth.
        guard let file = try? SourceFile(parsing: "value = \(literal)"), let value = file.values["value"] else {
            return .string(literal)
        }
        return value.json
    }
}

extension RawValue {
    fileprivate var json: JSONValue {
        switch self {
        case .text(let text): .string(text)
        case .integer(let value): .integer(Int64(value))
        case .number(let value): .double(value)
        case .boolean(let value): .bool(value)
        case .list(let values): .array(values.map(\.json))
        case .table(let members): .object(members.mapValues(\.json))
        case .other(let kind): .string(kind)
        }
    }
}
