import ArgumentParser
import Broker
import FerryCore
import FoundationEssentials
import Threads

extension PushGoal: ExpressibleByArgument {}

/// `otaferry push`: delivers files and watches them on their way to the cloud.
struct Push: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send firmware to a gateway's agent and watch it on its way to the cloud.",
        usage: "otaferry push <file> ... --product <product> --version <version> [<options>]",
        discussion: """
            Several files become one firmware: a package of up to 20 files, whose names have at most 32 characters.

            The transfer's id comes from the file's content, product and version: the same command again goes on where \
            the last one stopped, and does nothing for a firmware that is registered already. It goes on by itself when \
            the broker or the agent comes back after it was away. Ctrl-C ends the command, never the transfer.

            Ends with 0 when the goal is reached. Ends with 1 when the transfer failed or is held for a person, and says \
            why; with --time-limit it waits for that person as long, and ends with 75 when the time is over or with \
            Ctrl-C. Ends with 69 when no agent can be reached, 77 when the broker or the agent does not allow it.
            """
    )

    @Argument(help: ArgumentHelp("The firmware; several files are a package.", valueName: "file"), completion: .file())
    var files: [String]

    @OptionGroup(title: "Firmware") var firmware: FirmwareOptions

    @Option(
        help: ArgumentHelp(
            "How far to wait: stored (durable on the gateway) to registered (in the cloud, the default).",
            valueName: "state"
        )
    )
    var until: PushGoal?

    @Flag(help: "Return once the gateway has the file; the same as --until stored.")
    var detach = false

    @Flag(help: "Only go on with a transfer that has begun; fail where none has.")
    var resume = false

    @Option(
        name: .customLong("time-limit"),
        help: ArgumentHelp(
            "Wait at most so long (30s, 15m, 2h), also for the broker and the agent.",
            valueName: "time"
        ),
        transform: Push.duration
    )
    var timeLimit: Duration?

    @Option(
        help: ArgumentHelp("Bytes of one message at most; the agent may want less.", valueName: "size"),
        transform: Push.segmentSize
    )
    var segment: Int64?

    @Flag(help: "Print one JSON object for each change.")
    var json = false

    @OptionGroup(title: "Broker") var broker: BrokerOptions

    func validate() throws {
        if detach, let until, until != .stored {
            throw ValidationError("--detach and --until \(until.rawValue) exclude each other")
        }
        try firmware.check(files: files.count)
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let terminal = Terminal.standardOutput(environment: environment)
        let display = PushDisplay(mode: json ? .json : terminal.isInteractive ? .bar(terminal) : .lines)
        let (route, order) = try prepare(terminal)
        let paths = files
        Interruption.watch()
        let result = await withCheckedContinuation { continuation in
            // Reading a file and drawing may block: not on the cooperative pool.
            let thread = NamedThread.start(name: "push") {
                continuation.resume(
                    returning: PushSession.run(paths: paths, order: order, route: route, display: display)
                )
            }
            thread?.detach()
            if thread == nil {
                continuation.resume(returning: PushSession.Result(ending: .init(.failed, "No room for a thread")))
            }
        }
        await result.link?.stop()
        var ending = result.ending
        if ending.isUnanswered { ending = PushHints.unanswered(ending, await AgentPulse.take(route), route) }
        ending.hint = route.followUp.attributed(ending.hint)
        report(ending, terminal)
        guard ending.exit == .done else { throw ending.exit.code }
    }

    /// Where it goes and what it is; what is wrong with that is said, and ends the program.
    private func prepare(_ terminal: Terminal) throws -> (BrokerRoute, PushOrder) {
        do {
            var order = try firmware.order()
            order.goal = until ?? (detach ? .stored : .registered)
            order.timeLimit = timeLimit
            order.mustResume = resume
            if let segment { order.segment = segment }
            return (try broker.resolve(isSending: true), order)
        } catch let error as BrokerRoute.Problem {
            report(PushDriver.Ending(error.exit, error.text, hint: error.hint), terminal)
            throw error.exit.code
        } catch let error as SourceFileError {
            report(PushDriver.Ending(.usage, error.text), terminal)
            throw ProgramExit.usage.code
        }
    }

    /// The last line with `--json`.
    static func report(_ ending: PushDriver.Ending) {
        Console.answer([
            "event": "end", "exit": .integer(Int64(ending.exit.rawValue)),
            "code": .text((ending.code ?? (ending.exit == .notAllowed ? .notAllowed : nil))?.rawValue),
            "text": .string(ending.text), "hint": .string(ending.hint), "transfers": .array(ending.transfers),
        ])
    }

    private func report(_ ending: PushDriver.Ending, _ terminal: Terminal) {
        if json {
            Self.report(ending)
        } else if ending.exit == .done {
            let isForPerson = terminal.isInteractive
            Console.say(isForPerson ? PushDisplay.marked(ending.text, .success, terminal) : ending.text)
            if !ending.hint.isEmpty { Console.complain(ending.hint) }
        } else {
            Console.complain("otaferry: \(ending.text)")
            if !ending.hint.isEmpty { Console.complain("  \(ending.hint)") }
        }
    }

    static func duration(_ text: String) throws -> Duration {
        guard let duration = Duration(parsing: text), duration > .zero else {
            throw ValidationError("expected a duration such as 30s, 15m or 2h")
        }
        return duration
    }

    private static let segmentRange: ClosedRange<Int64> = 1...(16 << 20)

    static func segmentSize(_ text: String) throws -> Int64 {
        guard let size = ByteCount(parsing: text), segmentRange.contains(size.rawValue) else {
            throw ValidationError("expected a size from 1B to 16MiB")
        }
        return size.rawValue
    }
}
