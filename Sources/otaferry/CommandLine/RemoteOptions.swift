import ArgumentParser
import FerryCore

extension BrokerOptions {
    /// What the options, the environment and the configuration file add up to, for a command that asks.
    func route() throws(CommandClient.Failure) -> BrokerRoute {
        do throws(BrokerRoute.Problem) {
            return try resolve()
        } catch {
            throw CommandClient.Failure(exit: error.exit, text: error.text, hint: error.hint)
        }
    }
}

extension CommandClient.Failure {
    /// Says what went wrong: to a person on standard error, to a program as an object.
    func report(json: Bool) {
        if json {
            Console.answer(["error": ["code": .text(code), "text": .string(text), "hint": .string(hint)]])
        } else {
            Console.complain("otaferry: \(text)")
            if !hint.isEmpty { Console.complain("  \(hint)") }
        }
    }
}

/// The options of every command that asks an agent.
struct RemoteOptions: ParsableArguments {
    @Flag(help: "Print JSON: the answer as one object; watch: an object a line.")
    var json = false

    @OptionGroup(title: "Broker") var broker: BrokerOptions

    /// The sender that `--sender` names: for these commands, whose transfers are meant. The environment's is for sending.
    var namedSender: Name? { broker.sender.flatMap { Name($0) } }

    /// Runs `body` with a client; says why when that fails, and ends the program.
    func perform(_ body: (CommandClient) async throws(CommandClient.Failure) -> Void) async throws {
        do throws(CommandClient.Failure) {
            try await body(CommandClient(route: try broker.route()))
        } catch {
            error.report(json: json)
            throw error.exit.code
        }
    }

    /// What they do cannot be taken back.
    private static let endingVerbs: Set<String> = ["cancel", "purge"]

    /// Sends a command about one transfer and says what became of it.
    func command(
        _ verb: String,
        _ reference: TransferReference,
        _ members: [String: JSONValue] = [:],
        done: String
    ) async throws {
        try await perform { (client) throws(CommandClient.Failure) in
            let endingVerb = Self.endingVerbs.contains(verb) ? verb : nil
            let address = try await reference.resolve(client, sender: namedSender, endingVerb: endingVerb)
            if let endingVerb, let refusal = reference.refusal(of: endingVerb, address, client.route.followUp) {
                throw refusal
            }
            let members = members.merging(address.members) { $1 }
            let result = try await call(client, verb, members, address)
            guard !json else { return Console.answer(result) }
            Console.say("\(address) \(done)")
            if verb == "describe", result["state"]?.string == TransferState.held.rawValue,
                let status = try? await Self.status(client, address), let reason = status.reason
            {
                Console.complain("It is still held: \(ColumnText.printable(reason.text))\n  \(reason.hint)")
            }
            let isToMove = verb == "resume" || verb == "retry"
            let reason = result["reason"].flatMap { Reason(json: $0) }
            // The window holds for what is tried again, too; and a registration under way cannot be called back.
            let isHalf = verb == "cancel" && reason?.text != Transfer.cancelledText
            if let reason, isHalf || isToMove && reason.code == .outsideWindow {
                Console.complain(
                    ColumnText.printable(reason.text)
                        + (reason.hint.isEmpty ? "" : "\n  \(ColumnText.printable(reason.hint))")
                )
            }
            if isToMove, result["paused"]?.bool == true {
                for pause in try await Self.pauses(client, address) { Console.complain(pause) }
            }
        }
    }

    /// The answer to a command about a transfer. Where that lacks metadata, the hint is the command that supplies them; where
    /// it is to be described and an attempt is under way, its end is waited for.
    private func call(
        _ client: CommandClient,
        _ verb: String,
        _ members: [String: JSONValue],
        _ address: TransferAddress
    ) async throws(CommandClient.Failure) -> JSONValue {
        do throws(CommandClient.Failure) {
            return try await client.call(verb, members)
        } catch {
            switch error.code {
            case ReasonCode.needsMetadata.rawValue:
                throw try await Self.completed(error, client, address)
            case AttemptWait.code where verb == "describe":
                do throws(CommandClient.Failure) {
                    return try await AttemptWait(client: client, address: address, isSilent: json)
                        .call(verb, members, error)
                } catch {
                    guard error.code == ReasonCode.needsMetadata.rawValue else { throw error }
                    throw try await Self.completed(error, client, address)
                }
            case "not-final" where verb == "purge":
                var failure = error
                failure.hint += ": \(client.route.followUp.command("cancel", address))"
                throw failure
            default: throw error
            }
        }
    }

    private static func completed(
        _ failure: CommandClient.Failure,
        _ client: CommandClient,
        _ address: TransferAddress
    ) async throws(CommandClient.Failure) -> CommandClient.Failure {
        guard let state = try? await Self.state(client, address) else { return failure }
        var failure = failure
        failure.hint = DescribeHint.hint(
            for: Reason(.needsMetadata, .operator, failure.text),
            firmware: state["firmware"],
            address: address,
            client.route.followUp
        )
        return failure
    }

    /// What holds a transfer that waits, with the commands that let it go on.
    private static func pauses(
        _ client: CommandClient,
        _ address: TransferAddress
    ) async throws(CommandClient.Failure) -> [String] {
        let answer = try await client.call("get", address.members)
        var texts: [String] = []
        if answer["state"]?["paused"]?.bool == true {
            texts.append("It is paused: \(client.route.followUp.command("resume", address))")
        }
        if answer["paused"]?.bool == true {
            texts.append("Everything is paused: \(client.route.followUp.command("resume"))")
        }
        return texts
    }

    private static func status(
        _ client: CommandClient,
        _ address: TransferAddress
    ) async throws(CommandClient.Failure) -> TransferStatus? {
        TransferStatus(json: try await state(client, address), client.route.followUp)
    }

    private static func state(
        _ client: CommandClient,
        _ address: TransferAddress
    ) async throws(CommandClient.Failure) -> JSONValue {
        try await client.call("get", address.members)["state"] ?? .null
    }

    /// Sends a command about no transfer in particular.
    func command(_ verb: String, done: String) async throws {
        try await perform { (client) throws(CommandClient.Failure) in
            let result = try await client.call(verb)
            if json { Console.answer(result) } else { Console.say(done) }
        }
    }
}
