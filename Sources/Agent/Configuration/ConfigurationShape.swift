import FerryCore

/// What values of one kind look like: how they are read, written and described.
struct ConfigurationShape<Value: Sendable>: Sendable {
    /// For the documentation: `duration`.
    var type: String
    /// For the documentation: `100ms to 1h`.
    var range: String
    /// How TOML writes it.
    var form: ConfigurationForm
    /// Reads a raw value, or says what it should have been.
    var read: @Sendable (RawValue) throws(Expectation) -> Value
    /// The TOML literal of a value.
    var literal: @Sendable (Value) -> String

    /// A shape whose values are TOML strings.
    static func text(
        _ type: String,
        range: String,
        expected: String,
        literal: @escaping @Sendable (Value) -> String,
        read: @escaping @Sendable (String) throws(Expectation) -> Value
    ) -> ConfigurationShape {
        ConfigurationShape(
            type: type,
            range: range,
            form: .text,
            read: { raw throws(Expectation) in
                guard case .text(let text) = raw else { throw Expectation(expected) }
                return try read(text)
            },
            literal: { ConfigurationText.quoted(literal($0)) }
        )
    }

    /// The same with another text for the range.
    func range(_ text: String) -> ConfigurationShape {
        var copy = self
        copy.range = text
        return copy
    }

    /// The same, where an empty string stands for nothing.
    func orEmpty() -> ConfigurationShape<Value?> {
        ConfigurationShape<Value?>(
            type: type,
            range: range + ", or empty",
            form: form,
            read: { raw throws(Expectation) in raw == .text("") ? nil : try read(raw) },
            literal: { $0.map(literal) ?? "\"\"" }
        )
    }
}

/// How TOML writes a value, which decides how `--set` reads one.
package enum ConfigurationForm: Sendable, Hashable {
    case text, integer, number, boolean, list
}

extension ConfigurationShape where Value == Duration {
    static func duration(_ range: PartialRangeFrom<Duration>, example: String) -> Self {
        duration(range.lowerBound, nil, example: example)
    }

    static func duration(_ range: ClosedRange<Duration>, example: String) -> Self {
        duration(range.lowerBound, range.upperBound, example: example)
    }

    private static func duration(_ lower: Duration, _ upper: Duration?, example: String) -> Self {
        let range =
            upper.map { "\(lower.configurationText) to \($0.configurationText)" }
            ?? "\(lower.configurationText) or more"
        return .text(
            "duration",
            range: range,
            expected: "a duration such as \"\(example)\"",
            literal: { $0.configurationText },
            read: { text throws(Expectation) in
                guard let value = Duration(parsing: text) else {
                    throw Expectation("a duration such as \"\(example)\"")
                }
                guard value >= lower, upper.map({ value <= $0 }) ?? true else {
                    throw Expectation("a duration of \(range)")
                }
                return value
            }
        )
    }
}

extension ConfigurationShape where Value == ByteCount {
    static func size(_ range: PartialRangeFrom<ByteCount>, example: String) -> Self {
        size(range.lowerBound, nil, upperText: "", example: example)
    }

    /// `upperText` writes the upper end as people do: `256MB`.
    static func size(_ range: ClosedRange<ByteCount>, upperText: String, example: String) -> Self {
        size(range.lowerBound, range.upperBound, upperText: upperText, example: example)
    }

    private static func size(_ lower: ByteCount, _ upper: ByteCount?, upperText: String, example: String) -> Self {
        let range = "\(lower.configurationText) " + (upper == nil ? "or more" : "to \(upperText)")
        return .text(
            "size",
            range: range,
            expected: "a size such as \"\(example)\"",
            literal: { $0.configurationText },
            read: { text throws(Expectation) in
                guard let value = ByteCount(parsing: text) else { throw Expectation("a size such as \"\(example)\"") }
                guard value >= lower, upper.map({ value <= $0 }) ?? true else {
                    throw Expectation("a size of \(range)")
                }
                return value
            }
        )
    }
}

extension ConfigurationShape where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        let text = "\(range.lowerBound) to \(range.upperBound)"
        return ConfigurationShape(
            type: "integer",
            range: text,
            form: .integer,
            read: { raw throws(Expectation) in
                guard case .integer(let value) = raw, range.contains(value) else {
                    throw Expectation("a whole number of \(text)")
                }
                return value
            },
            literal: { "\($0)" }
        )
    }

    /// The same, where zero stands for nothing.
    func orZero() -> ConfigurationShape<Int?> {
        ConfigurationShape<Int?>(
            type: type,
            range: "0, or \(range)",
            form: form,
            read: { raw throws(Expectation) in
                guard raw != .integer(0) else { return nil }
                do throws(Expectation) { return try read(raw) } catch { throw Expectation("0, or \(error.text)") }
            },
            literal: { "\($0 ?? 0)" }
        )
    }
}

extension ConfigurationShape where Value == Double {
    /// A number above zero and at most `upper`.
    static func number(above zero: Double, upTo upper: Double) -> Self {
        let text = "above \(short(zero)), up to \(short(upper))"
        return ConfigurationShape(
            type: "number",
            range: text,
            form: .number,
            read: { raw throws(Expectation) in
                let value: Double
                switch raw {
                case .integer(let whole): value = Double(whole)
                case .number(let number): value = number
                default: throw Expectation("a number \(text)")
                }
                guard value > zero, value <= upper else { throw Expectation("a number \(text)") }
                return value
            },
            literal: short
        )
    }

    @Sendable private static func short(_ value: Double) -> String {
        Int(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}

extension ConfigurationShape where Value == Bool {
    static var boolean: Self {
        ConfigurationShape(
            type: "boolean",
            range: "true, false",
            form: .boolean,
            read: { raw throws(Expectation) in
                guard case .boolean(let value) = raw else { throw Expectation("true or false, without quotes") }
                return value
            },
            literal: { "\($0)" }
        )
    }
}
