import FerryCore

/// A configuration while its sources are read: the values so far and every mistake.
struct ConfigurationDraft: Sendable {
    private(set) var configuration = Configuration()
    private(set) var mistakes: [ConfigurationMistake] = []
    /// Whether something could not be read: what is not there may be in it.
    private var isDamaged = false

    init(serviceCredentials: ServiceCredentials) { configuration.serviceCredentials = serviceCredentials }

    /// The configuration, after the checks that concern several keys.
    func finished(files: ConfigurationLoader.Files) throws(ConfigurationError) -> Configuration {
        let all =
            mistakes
            + ConfigurationChecks.mistakes(
                in: configuration,
                files: files,
                without: isDamaged ? nil : Set(mistakes.compactMap(\.key))
            )
        guard all.isEmpty else { throw ConfigurationError(mistakes: all) }
        return configuration
    }

    mutating func reject(unreadable path: String, _ text: String) {
        isDamaged = true
        reject(closed: path, text)
    }

    /// A file that was read here, and that the agent cannot read.
    mutating func reject(closed path: String, _ text: String) {
        mistakes.append(ConfigurationMistake(source: .file(path), problem: .unreadable(text)))
    }

    /// The line as it would be with its value in quotes, where they are what is missing.
    private static func quoted(line: Int?, of text: String) -> String? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let line, lines.indices.contains(line - 1) else { return nil }
        let parts = lines[line - 1].split(separator: "=", maxSplits: 1).map {
            $0.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        // What has a quote, or opens a table or a list, has another mistake; so has a number.
        guard parts.count == 2, !parts[1].isEmpty, parts[1].allSatisfy({ !"\"'[]{},#=\\".contains($0) }),
            Double(parts[1].replacing("_", with: "")) == nil
        else {
            return nil
        }
        if mayBeSecret(parts[0]) { return "\(parts[0]) = \"***\"".escaped }
        return "\(parts[0]) = \"\(parts[1])\"".escaped
    }

    /// Reads one file over what is there.
    mutating func read(_ text: String, of path: String) {
        configuration.files.append(path)
        let before = mistakes.count
        let recovered = SourceFile.recovering(text)
        for error in recovered.errors {
            isDamaged = true
            mistakes.append(
                ConfigurationMistake(
                    source: .file(path),
                    line: error.line,
                    column: error.column,
                    problem: .unreadable(
                        "not valid TOML: \(ConfigurationText.singleLine(error.text))"
                            + (Self.quoted(line: error.line, of: text).map { "; text stands in quotes: \($0)" } ?? "")
                    )
                )
            )
        }
        guard let file = recovered.file else { return }
        read(file.values, under: "", in: file, of: .file(path))
        // The library sorts keys by name; people read from the top.
        let found = mistakes[before...].enumerated().sorted {
            ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset)
        }
        mistakes.replaceSubrange(before..., with: found.map(\.element))
    }

    private mutating func read(
        _ members: [String: RawValue],
        under table: String,
        in file: SourceFile,
        of source: ConfigurationSource
    ) {
        for (name, raw) in members.sorted(by: { $0.key < $1.key }) {
            let path = table.isEmpty ? name : "\(table).\(name)"
            let origin = ConfigurationOrigin(source: source, line: file.line(of: path), value: raw.shown)
            if path == "product" {
                readProducts(raw, in: file, at: origin)
            } else if let key = ConfigurationKeys.byPath[path] {
                apply(key, raw, at: origin)
            } else if ConfigurationKeys.tables.contains(path) {
                if case .table(let inner) = raw {
                    read(inner, under: path, in: file, of: source)
                } else {
                    reject(path, at: origin, "a table [\(path)]")
                }
            } else {
                rejectUnknown(path, raw, at: origin)
            }
        }
    }

    private mutating func readProducts(_ raw: RawValue, in file: SourceFile, at origin: ConfigurationOrigin) {
        guard case .list(let items) = raw else {
            reject("product", at: origin, "tables [[product]], in two pairs of brackets")
            return
        }
        for (index, item) in items.enumerated() {
            var origin = origin
            origin.line = file.line(of: "product", product: index)
            guard case .table(let members) = item else {
                reject("product", at: origin, "tables [[product]], in two pairs of brackets")
                continue
            }
            readProduct(members, at: origin, leftOut: file.leftOut) { file.line(of: $0, product: index) }
        }
    }

    private mutating func readProduct(
        _ members: [String: RawValue],
        at origin: ConfigurationOrigin,
        leftOut: [String?],
        line: (String) -> Int?
    ) {
        var draft = ProductDraft()
        for (name, raw) in members.sorted(by: { $0.key < $1.key }) {
            let path = "product.\(name)"
            let place = ConfigurationOrigin(source: origin.source, line: line(path), value: raw.shown)
            guard let key = ConfigurationKeys.product.first(where: { $0.path == path }) else {
                rejectUnknown(path, raw, at: place)
                continue
            }
            do throws(Expectation) {
                try key.apply(raw, &draft)
            } catch {
                reject(path, at: place, error.text)
            }
        }
        // A line that was left out for its value, or as a repetition, has not said another key; any other may have.
        let others = leftOut.map { key in ConfigurationKeys.product.contains { $0.name == key } ? key : nil }
        for name in ["alias", "product-key"]
        where members[name] == nil && others.allSatisfy({ $0 != nil && $0 != name }) {
            mistakes.append(
                ConfigurationMistake(
                    source: origin.source,
                    line: origin.line,
                    key: "product.\(name)",
                    problem: .expected("a value: a product needs its \(name)")
                )
            )
        }
        guard let alias = draft.alias else { return }
        if let first = configuration.origins["product.\(alias)"] {
            let place = ConfigurationOrigin(
                source: origin.source,
                line: line("product.alias"),
                value: ConfigurationText.quoted(alias.text)
            )
            reject("product.alias", at: place, "an alias that no other product has; the one in \(first) has it too")
            return
        }
        configuration.origins["product.\(alias)"] = origin
        if let product = draft.product { configuration.products.append(product) }
    }

    private mutating func apply(_ key: ConfigurationKey<Configuration>, _ raw: RawValue, at origin: ConfigurationOrigin)
    {
        do throws(Expectation) {
            try key.apply(raw, &configuration)
            configuration.origins[key.path] = origin
        } catch {
            reject(key.path, at: origin, error.text)
        }
    }

    private mutating func reject(_ path: String, at origin: ConfigurationOrigin, _ expected: String) {
        mistakes.append(
            ConfigurationMistake(
                source: origin.source,
                line: origin.line,
                key: path,
                value: origin.value,
                problem: .expected(expected)
            )
        )
    }

    private mutating func rejectUnknown(_ path: String, _ raw: RawValue, at origin: ConfigurationOrigin) {
        let problem: ConfigurationMistake.Problem
        if raw.isTable {
            problem = .unknownTable(
                nearest: NearestKey.find(path, among: ConfigurationKeys.tables.sorted() + ["product"])
            )
        } else {
            let isProduct = path.hasPrefix("product.")
            let keys = isProduct ? ConfigurationKeys.product.map(\.path) : ConfigurationKeys.all.map(\.path)
            problem = .unknownKey(nearest: NearestKey.find(path, among: keys))
        }
        mistakes.append(
            ConfigurationMistake(
                source: origin.source,
                line: origin.line,
                key: ConfigurationText.printable(path),
                value: Self.mayBeSecret(path) ? "\"***\"" : origin.value,
                problem: problem
            )
        )
    }

    /// Whether somebody would write a secret under such a name. There is no such key: secrets have files of their own.
    private static func mayBeSecret(_ path: String) -> Bool {
        let letters = (path.split(separator: ".").last ?? "").lowercased().filter(\.isLetter)
        // `password_file` names a file, `credentials.profile` a part of one.
        guard !letters.hasSuffix("file") else { return false }
        return ["pass", "pwd", "psk", "secret", "token", "accesskey", "apikey", "privatekey", "credential"]
            .contains { letters.contains($0) }
    }
}

extension ConfigurationDraft {
    /// Takes one `key=value` of the command line.
    mutating func set(_ setting: String) {
        guard let equals = setting.firstIndex(of: "="), equals > setting.startIndex else {
            let value = ConfigurationText.quoted(ConfigurationText.shortened(setting))
            mistakes.append(
                ConfigurationMistake(
                    source: .commandLine,
                    value: value,
                    problem: .expected("key=value, such as --set retry.max=15m")
                )
            )
            return
        }
        let path = setting[..<equals].trimmingBlanks()
        let text = String(setting[setting.index(after: equals)...])
        guard let key = ConfigurationKeys.byPath[path] else {
            let origin = ConfigurationOrigin(source: .commandLine, value: RawValue.text(text).shown)
            if path == "product" || path.hasPrefix("product.") {
                reject(path, at: origin, "a key outside of [[product]]; products are listed in files only")
            } else {
                rejectUnknown(path, .text(text), at: origin)
            }
            return
        }
        let raw: RawValue
        switch key.form {
        case .text: raw = .text(text)
        case .integer, .number, .boolean, .list: raw = Self.tomlValue(text) ?? .text(text)
        }
        apply(key, raw, at: ConfigurationOrigin(source: .commandLine, value: raw.shown))
    }

    /// The single TOML value that a text is; nil for any other text.
    private static func tomlValue(_ text: String) -> RawValue? {
        guard !text.contains(where: \.isNewline), let file = try? SourceFile(parsing: "value = \(text)"),
            file.values.count == 1
        else { return nil }
        return file.values["value"]
    }
}

extension Substring {
    fileprivate func trimmingBlanks() -> String {
        var text = self
        while text.last == " " { text.removeLast() }
        return String(text.drop { $0 == " " })
    }
}

extension ConfigurationKeys {
    /// The keys by their paths.
    static let byPath = Dictionary(all.map { ($0.path, $0) }) { first, _ in first }

    /// The tables that hold keys, with those around them.
    static let tables: Set<String> = {
        var tables: Set<String> = []
        for key in all {
            var table = key.table
            while !table.isEmpty {
                tables.insert(table)
                table = table.lastIndex(of: ".").map { String(table[..<$0]) } ?? ""
            }
        }
        return tables
    }()
}
