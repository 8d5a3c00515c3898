import Agent
import ArgumentParser
import FerryCore

/// `otaferry limits`: when and how fast the gateway uploads.
struct Limits: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show when and how fast the gateway uploads, or set it.",
        usage: "otaferry limits [<options>]",
        discussion: """
            Without options it shows what is in force. What is set holds until the agent starts again, or for good with \
            --keep; it goes over the configuration file and --set, until --reset. "none" lifts a limit.
            """
    )

    @Option(
        name: .customLong("rate-limit"),
        help: ArgumentHelp("Bytes a second of one upload, such as 512KiB/s; none for no limit.", valueName: "rate"),
        transform: Limits.rate
    )
    var rate: String?

    @Option(
        help: ArgumentHelp(
            "Uploads start in this part of the day only, in the gateway's local time, such as 22:00-06:00; none for all day.",
            valueName: "window"
        ),
        transform: Limits.window
    )
    var window: String?

    @Flag(help: "Let what is set here survive restarts.")
    var keep = false

    @Flag(help: "Go back to what the configuration says, also for what was kept.")
    var reset = false

    @OptionGroup var remote: RemoteOptions

    func validate() throws {
        if reset && (keep || rate != nil || window != nil) {
            throw ValidationError("--reset takes back what --rate-limit and --window set: they exclude each other")
        }
        if keep && rate == nil && window == nil {
            throw ValidationError("--keep is about what --rate-limit or --window sets")
        }
    }

    func run() async throws {
        try await remote.perform { (client) throws(CommandClient.Failure) in
            var members: [String: JSONValue] = [:]
            members["rate-limit"] = rate.map { .string($0) }
            members["window"] = window.map { .string($0) }
            if keep { members["keep"] = true }
            if reset { members["reset"] = true }
            let result = try await client.call("limits", members)
            guard !remote.json else { return Console.answer(result) }
            func text(_ member: String) -> String {
                let text = ColumnText.printable(result[member]?.string ?? "")
                return text.isEmpty ? "none" : text
            }
            Console.say("Rate limit  \(text("rate-limit"))")
            Console.say("Window      \(text("window"))")
            let names = ["rate-limit": "the rate limit", "window": "the window"]
            let ending = (result["until_restart"]?.array ?? []).compactMap { $0.string.flatMap { names[$0] } }
            if !ending.isEmpty {
                Console.complain(
                    "Until the agent starts again: \(ending.joined(separator: ", ")); --keep makes it last"
                )
            } else if result["kept"]?.bool == true {
                Console.complain("Kept over restarts; --reset goes back to the configuration")
            }
        }
    }

    private static let none = "none"

    static func rate(_ text: String) throws -> String {
        guard text != none && !text.isEmpty else { return "" }
        do throws(Expectation) {
            return try UploadRate(parsing: text).description
        } catch {
            throw ValidationError("expected \(error.text), or none")
        }
    }

    static func window(_ text: String) throws -> String {
        guard text != none && !text.isEmpty else { return "" }
        do throws(Expectation) {
            return try UploadWindow(parsing: text).description
        } catch {
            throw ValidationError("expected \(error.text), or none")
        }
    }
}
