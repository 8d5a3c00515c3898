import ArgumentParser
import FerryCore

/// `otaferry cancel`: ends a transfer.
struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a transfer; an upload in flight stops at once.",
        usage: "otaferry cancel <id> [<options>]"
    )

    @OptionGroup var transfer: WholeTransferArgument
    @OptionGroup var remote: RemoteOptions

    func run() async throws { try await remote.command("cancel", transfer.reference, done: "is cancelled") }
}

/// `otaferry retry`: tries now.
struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try a failed or waiting transfer again, now.",
        usage: "otaferry retry <id> [<options>]"
    )

    @OptionGroup var transfer: TransferArgument
    @OptionGroup var remote: RemoteOptions

    func run() async throws { try await remote.command("retry", transfer.reference, done: "is tried again") }
}

/// `otaferry purge`: forgets a transfer that has ended.
struct Purge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget a transfer that has ended.",
        usage: "otaferry purge <id> [<options>]"
    )

    @OptionGroup var transfer: WholeTransferArgument
    @OptionGroup var remote: RemoteOptions

    func run() async throws { try await remote.command("purge", transfer.reference, done: "is forgotten") }
}

/// `otaferry priority`: who goes first.
struct Priority: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set the priority of a transfer; higher goes first.",
        // A negative number looks like an option, so all that is left is taken; one number is meant.
        usage: "otaferry priority <id> <number> [<options>]"
    )

    @OptionGroup var transfer: TransferArgument

    @Argument(parsing: .allUnrecognized, help: ArgumentHelp("-100 to 100.", valueName: "number"))
    var values: [String]

    @OptionGroup var remote: RemoteOptions

    func validate() throws { _ = try number }

    private var number: Int64 {
        get throws {
            // What separates a negative number from options.
            let values = values.filter { $0 != "--" }
            guard values.count == 1, let number = Int64(values[0]), (-100...100).contains(number) else {
                throw ValidationError("the priority is one number from -100 to 100")
            }
            return number
        }
    }

    func run() async throws {
        let number = try number
        try await remote.command(
            "priority",
            transfer.reference,
            ["priority": .integer(number)],
            done: "has priority \(number)"
        )
    }
}

/// `otaferry describe`: supplies or corrects metadata.
struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Supply or correct what is known of a firmware before it is published.",
        usage: "otaferry describe <id> [--product <product>] [--version <version>] [<options>]",
        discussion: """
            What is held goes on by itself once nothing is missing; else it is said what still is. While the cloud is \
            asked to register the firmware, or whether it has, it waits for the answer, up to 90 seconds, and ends with 75 \
            when none has come.
            """
    )

    @OptionGroup var transfer: TransferArgument

    @Option(
        help: "Product: an alias of the gateway's configuration, or a ProductKey.",
        transform: Name.argument
    )
    var product: Name?

    @Option(help: "Version that devices will report.", transform: Name.argument)
    var version: Name?

    @OptionGroup(title: "Firmware") var details: FirmwareDetails
    @OptionGroup var remote: RemoteOptions

    func validate() throws {
        try details.check()
        guard product != nil || version != nil || details.areSaid else {
            throw ValidationError("say at least one thing, such as --version 1.4.2")
        }
    }

    func run() async throws {
        var members: [String: JSONValue]
        do throws(SourceFileError) {
            members = try details.members()
        } catch {
            Console.complain("otaferry: \(error.text)")
            throw ProgramExit.usage.code
        }
        members["product"] = product.map { .string($0.text) }
        members["version"] = version.map { .string($0.text) }
        try await remote.command(
            "describe",
            transfer.reference,
            ["firmware": .object(members)],
            done: "is described"
        )
    }
}
