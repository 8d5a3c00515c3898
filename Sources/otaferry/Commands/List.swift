import ArgumentParser
import FerryCore
import FoundationEssentials

extension TransferState: ExpressibleByArgument {}

/// `otaferry list`: the transfers of a gateway as a table.
struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the transfers of a gateway.",
        discussion: """
            A state with a star is paused. On a terminal the table fits its width: what matters least is cut or left \
            out. Elsewhere nothing is cut.
            """
    )

    @Option(help: "Only those in this state.")
    var state: TransferState?

    @Option(name: .customLong("from"), help: ArgumentHelp("Only those of this sender.", valueName: "sender"))
    var origin: Name?

    @Option(help: "Only those of this product.")
    var product: Name?

    @Option(help: ArgumentHelp("At most so many.", valueName: "number"))
    var limit = 50

    @OptionGroup var remote: RemoteOptions

    /// The agent answers with at most so many at once.
    private static let pageLimit = 500

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit is 1 or more") }
    }

    func run() async throws {
        try await remote.perform { (client) throws(CommandClient.Failure) in
            let (states, next) = try await read(client)
            if remote.json {
                Console.say(JSONValue.object(["states": .array(states), "next": next]).text)
                return
            }
            let terminal = Terminal.standardOutput(environment: ProcessInfo.processInfo.environment)
            guard !states.isEmpty else {
                Console.complain("No transfers")
                return
            }
            let table = TransferTable(states: states, now: WallTime.now())
            for line in table.lines(columns: terminal.isInteractive ? terminal.width : nil, terminal: terminal) {
                Console.say(line)
            }
            if next != .null { Console.complain("There are more: --limit shows them") }
        }
    }

    private func read(_ client: CommandClient) async throws(CommandClient.Failure) -> ([JSONValue], JSONValue) {
        var filter: [String: JSONValue] = [:]
        filter["state"] = state.map { .string($0.rawValue) }
        filter["sender"] = origin.map { .string($0.text) }
        filter["product"] = product.map { .string($0.text) }
        var states: [JSONValue] = []
        var next = JSONValue.null
        repeat {
            var question: [String: JSONValue] = ["limit": .integer(Int64(min(limit - states.count, Self.pageLimit)))]
            if !filter.isEmpty { question["filter"] = .object(filter) }
            if next != .null { question["after"] = next }
            let page = try await client.call("list", question)
            let found = page["states"]?.array ?? []
            states += found
            next = found.isEmpty ? .null : page["next"] ?? .null
        } while next != .null && states.count < limit
        return (states, next)
    }
}
