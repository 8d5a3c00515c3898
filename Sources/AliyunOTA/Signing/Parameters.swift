import FerryCore

/// The parameters of one RPC call, flat, in the order they were added.
///
/// A list and not a dictionary: Swift's dictionaries merge names that are canonically equal in Unicode, the cloud does
/// not.
struct Parameters: Sendable, Equatable {
    struct Parameter: Sendable, Equatable {
        let name: String
        let value: String
    }

    private(set) var list: [Parameter] = []

    init() {}

    init(_ pairs: some Sequence<(String, String)>) {
        list = pairs.map { Parameter(name: $0.0, value: $0.1) }
    }

    /// Adds a value; an absent one is left out, an empty one is sent as `Name=`.
    mutating func add(_ name: String, _ value: String?) {
        if let value { list.append(Parameter(name: name, value: value)) }
    }

    /// Adds a value that may be nested: members become `Name.Member`, elements `Name.1`, `Name.2`…; nulls are left out
    /// and do not renumber what follows.
    mutating func add(_ name: String, flattening value: JSONValue) {
        let prefix = name.isEmpty ? "" : name + "."
        switch value {
        case .null: break
        case .bool(let flag): add(name, flag ? "true" : "false")
        case .integer(let number): add(name, String(number))
        case .double(let number): add(name, "\(number)")
        case .string(let text): add(name, text)
        case .array(let elements):
            for (index, element) in elements.enumerated() { add("\(prefix)\(index + 1)", flattening: element) }
        case .object(let members):
            for (member, element) in members.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
                add(prefix + member, flattening: element)
            }
        }
    }

    /// `name=value` pairs, encoded, sorted by the bytes of the names and joined by `&`.
    var canonicalQuery: String {
        list.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            .map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }
            .joined(separator: "&")
    }
}
