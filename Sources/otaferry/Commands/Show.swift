import ArgumentParser
import FerryCore
import FoundationEssentials

/// `otaferry show`: one transfer with its history.
struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show one transfer with its history.",
        usage: "otaferry show <id> [<options>]",
        discussion: """
            Reason says why it waits or has failed, Hint what to do, with the commands to paste. Attempts that end as the \
            one before them are counted in one line of the history.
            """
    )

    @OptionGroup var transfer: TransferArgument
    @OptionGroup var remote: RemoteOptions

    func run() async throws {
        try await remote.perform { (client) throws(CommandClient.Failure) in
            let address = try await transfer.reference.resolve(client, sender: remote.namedSender)
            let result = try await client.call(
                "get",
                ["sender": .string(address.sender.text), "transfer": .string(address.id.text)]
            )
            if remote.json {
                Console.answer(result)
                return
            }
            var report = TransferReport(state: result["state"] ?? .null, events: result["events"]?.array ?? [])
            report.followUp = client.route.followUp
            report.isPausedForAll = result["paused"]?.bool == true
            let terminal = Terminal.standardOutput(environment: ProcessInfo.processInfo.environment)
            for line in report.lines(terminal: terminal) { Console.say(line) }
        }
    }
}

/// The argument that names a transfer for good: what is done to it cannot be taken back.
struct WholeTransferArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The transfer: <sender>/<id> or <id>, whole.", valueName: "id"))
    var reference: TransferReference
}

/// The argument that names a transfer.
struct TransferArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The transfer: <sender>/<id> or <id>; of a computed id (hexadecimal) its first 6 or more characters will do.",
            valueName: "id"
        )
    )
    var reference: TransferReference
}
