import ArgumentParser
import FerryCore

/// The options of every command that asks an agent.
struct RemoteOptions: ParsableArguments {
    @Flag(help: "Print the answer as one JSON object.")
    var json = false

    @OptionGroup(title: "Broker") var broker: BrokerOptions

    /// Runs `body` with a client; says why when that fails, and ends the program.
    func perform(_ body: (CommandClient) async throws(CommandClient.Failure) -> Void) async throws {
        let client = CommandClient(route: try broker.resolve())
        do throws(CommandClient.Failure) {
            try await body(client)
        } catch {
            if json {
                Console.say(
                    JSONValue.object([
                        "error": [
                            "code": .text(error.code), "text": .string(error.text), "hint": .string(error.hint),
                        ]
                    ]).text
                )
            } else {
                Console.complain("otaferry: \(error.text)")
                if !error.hint.isEmpty { Console.complain("  \(error.hint)") }
            }
            throw error.exit.code
        }
    }

    /// Sends a command about one transfer and says what became of it.
    func command(
        _ verb: String,
        _ reference: TransferReference,
        _ members: [String: JSONValue] = [:],
        done: String
    ) async throws {
        try await perform { (client) throws(CommandClient.Failure) in
            let address = try await reference.resolve(client)
            var members = members
            members["sender"] = .string(address.sender.text)
            members["transfer"] = .string(address.id.text)
            let result = try await client.call(verb, members)
            Console.say(json ? result.text : "\(address) \(done)")
        }
    }

    /// Sends a command about no transfer in particular.
    func command(_ verb: String, done: String) async throws {
        try await perform { (client) throws(CommandClient.Failure) in
            let result = try await client.call(verb)
            Console.say(json ? result.text : done)
        }
    }
}
