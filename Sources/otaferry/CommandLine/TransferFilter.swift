import ArgumentParser
import FerryCore

extension TransferState: ExpressibleByArgument {}

/// Which transfers a command is about. The sender is named by `--sender`, as everywhere.
struct TransferFilter: ParsableArguments, Sendable {
    @Option(help: "Only those in this state.")
    var state: TransferState?

    @Option(help: "Only those of this product.", transform: Name.argument)
    var product: Name?

    /// The member `filter` of the command `list`.
    func members(sender: String?) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        members["state"] = state.map { .string($0.rawValue) }
        members["sender"] = sender.map { .string($0) }
        members["product"] = product.map { .string($0.text) }
        return members
    }

    /// Whether a `state` document is one of them.
    func fits(_ document: JSONValue) -> Bool {
        if let state, document["state"]?.string != state.rawValue { return false }
        guard let product else { return true }
        let firmware = document["firmware"]
        return ["product", "product_key", "alias"].contains { firmware?[$0]?.string == product.text }
    }
}
