/// One row of the table of keys: it reads, writes, checks and documents the key.
package struct ConfigurationKey<Root: Sendable>: Sendable {
    /// `retry.max`
    package let path: String
    /// `duration`
    package let type: String
    /// `100ms to 1h`
    package let range: String
    /// The default as TOML writes it, or in words where it depends on the machine.
    package let defaultText: String
    /// What it does: sentences for operators, one a line.
    package let effect: String
    /// How TOML writes it.
    package let form: ConfigurationForm
    /// Puts a raw value into the configuration, or says what it should have been.
    let apply: @Sendable (RawValue, inout Root) throws(Expectation) -> Void
    /// The value in effect as TOML writes it.
    let literal: @Sendable (Root) -> String

    init<Value: Sendable>(
        _ path: String,
        _ target: any WritableKeyPath<Root, Value> & Sendable,
        _ shape: ConfigurationShape<Value>,
        of defaults: Root,
        default defaultText: String? = nil,
        effect: String
    ) {
        self.path = path
        self.effect = effect
        type = shape.type
        range = shape.range
        form = shape.form
        self.defaultText = defaultText ?? shape.literal(defaults[keyPath: target])
        apply = { raw, root throws(Expectation) in root[keyPath: target] = try shape.read(raw) }
        literal = { shape.literal($0[keyPath: target]) }
    }

    /// `retry` of `retry.max`; empty for a key outside of tables.
    package var table: String { path.lastIndex(of: ".").map { String(path[..<$0]) } ?? "" }

    /// `max` of `retry.max`.
    package var name: String { path.lastIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? path }
}
