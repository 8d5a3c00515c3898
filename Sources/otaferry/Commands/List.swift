import ArgumentParser
import FerryCore
import FoundationEssentials

/// `otaferry list`: the transfers of a gateway as a table.
struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the transfers of a gateway.",
        usage: "otaferry list [<options>]",
        discussion: """
            All of them, or those of one --sender, --product or --state; the oldest first. A state with a star is paused. \
            AGE is the time since the state changed. On a terminal the table fits its width: what matters least is cut or \
            left out. Elsewhere nothing is cut.
            """
    )

    @OptionGroup var filter: TransferFilter

    @Option(help: ArgumentHelp("The newest, at most so many; else all.", valueName: "number"))
    var limit: Int?

    @OptionGroup var remote: RemoteOptions

    /// The agent answers with at most so many at once.
    private static let pageLimit = 500

    func validate() throws {
        guard limit ?? 1 > 0 else { throw ValidationError("--limit is 1 or more") }
    }

    func run() async throws {
        try await remote.perform { (client) throws(CommandClient.Failure) in
            let filter = filter.members(sender: remote.namedSender?.text)
            let (states, next, isPaused) = try await Self.read(client, filter: filter, limit: limit)
            if remote.json {
                Console.answer(["states": .array(states), "next": next, "paused": .bool(isPaused)])
                return
            }
            defer {
                if isPaused { Console.complain("Everything is paused: \(client.route.followUp.command("resume"))") }
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
            if next != .null { Console.complain("There are older ones; raise --limit") }
        }
    }

    /// Of all transfers that there are.
    static func states(_ client: CommandClient) async throws(CommandClient.Failure) -> [JSONValue] {
        try await read(client, filter: [:], limit: nil).states
    }

    private static func read(
        _ client: CommandClient,
        filter: [String: JSONValue],
        limit: Int?
    ) async throws(CommandClient.Failure) -> (states: [JSONValue], next: JSONValue, isPaused: Bool) {
        // A list that may grow while it is read is read upwards.
        let order = limit == nil ? "oldest" : "newest"
        let limit = limit ?? .max
        var states: [JSONValue] = []
        var next = JSONValue.null
        var isPaused = false
        repeat {
            var question: [String: JSONValue] = [
                "limit": .integer(Int64(min(limit - states.count, Self.pageLimit))), "order": .string(order),
            ]
            if !filter.isEmpty { question["filter"] = .object(filter) }
            if next != .null { question["after"] = next }
            let page = try await client.call("list", question)
            let found = page["states"]?.array ?? []
            states += found
            isPaused = page["paused"]?.bool == true
            next = found.isEmpty ? .null : page["next"] ?? .null
        } while next != .null && states.count < limit
        return (order == "newest" ? states.reversed() : states, next, isPaused)
    }
}
