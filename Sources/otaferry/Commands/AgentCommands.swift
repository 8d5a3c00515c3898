import ArgumentParser
import FerryCore

/// `otaferry pause`: no publication of one transfer, or of all.
struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let the publication of one transfer rest, or of all where none is named; survives a restart.",
        usage: "otaferry pause [<id>] [<options>]"
    )

    @OptionGroup var transfer: OptionalTransferArgument
    @OptionGroup var remote: RemoteOptions

    func validate() throws { try transfer.check(remote) }

    func run() async throws {
        if let reference = transfer.reference {
            try await remote.command("pause", reference, done: "is paused")
        } else {
            try await remote.command("pause", done: "All publication is paused")
        }
    }
}

/// `otaferry resume`: the end of `pause`.
struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let the publication of one transfer go on, or of all where none is named.",
        usage: "otaferry resume [<id>] [<options>]"
    )

    @OptionGroup var transfer: OptionalTransferArgument
    @OptionGroup var remote: RemoteOptions

    func validate() throws { try transfer.check(remote) }

    func run() async throws {
        if let reference = transfer.reference {
            try await remote.command("resume", reference, done: "goes on")
        } else {
            try await remote.command("resume", done: "Publication goes on")
            guard !remote.json else { return }
            try await remote.perform { (client) throws(CommandClient.Failure) in
                if let text = Self.text(ofPaused: try await List.states(client), client.route.followUp) {
                    Console.complain(text)
                }
            }
        }
    }
}

extension Resume {
    /// So many commands are written out.
    private static let commandsLimit = 5

    /// What stays paused after all were resumed, with the commands that let it go on; nil where nothing does.
    static func text(ofPaused states: [JSONValue], _ followUp: FollowUp) -> String? {
        let paused = states.filter { TransferStatus(json: $0).map { $0.isPaused && !$0.state.isFinal } ?? false }
        guard !paused.isEmpty else { return nil }
        let commands = paused.prefix(commandsLimit).map { state in
            followUp.command("resume", "\(state["sender"]?.string ?? "")/\(state["id"]?.string ?? "")")
        }
        let rest = paused.count > commandsLimit ? ["\(followUp.command("list")) shows them all"] : []
        let count =
            paused.count == 1
            ? "1 transfer stays paused by itself" : "\(paused.count) transfers stay paused by themselves"
        return "\(count): " + (commands + rest).joined(separator: "; ")
    }
}

/// The argument that may name a transfer.
struct OptionalTransferArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("One transfer; all where none is named.", valueName: "id"))
    var reference: TransferReference?

    /// Without an id everything is meant; `--sender` looks as if only that sender's were.
    func check(_ remote: RemoteOptions) throws {
        guard reference != nil || remote.broker.sender == nil else {
            throw ValidationError("--sender needs an id; without an id all transfers of all senders are meant")
        }
    }
}

/// `otaferry ping`: whether an agent answers.
struct Ping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask whether the agent answers, and for its version.",
        usage: "otaferry ping [<options>]"
    )

    @OptionGroup var remote: RemoteOptions

    func run() async throws {
        try await remote.perform { (client) throws(CommandClient.Failure) in
            let started = ContinuousClock.now
            let result = try await client.call("ping")
            let took = (ContinuousClock.now - started).milliseconds
            let version = ColumnText.printable(result["version"]?.string ?? "?")
            guard !remote.json else { return Console.answer(result) }
            Console.say("\(client.route.gateway) answered in \(took) ms, version \(version)")
        }
    }
}

/// `otaferry sync`: everything is said again.
struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let the agent publish its status and every transfer's state again.",
        usage: "otaferry sync [<options>]"
    )

    @OptionGroup var remote: RemoteOptions

    func run() async throws { try await remote.command("sync", done: "Everything is said again") }
}
