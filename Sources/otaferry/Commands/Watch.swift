import ArgumentParser
import Broker
import FerryCore
import FoundationEssentials
import Threads

/// `otaferry watch`: the transfers of a gateway, live.
struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the transfers of a gateway, or one of them, live.",
        usage: "otaferry watch [<id>] [<options>]",
        discussion: """
            On a terminal it draws the whole window, anew whenever something changes; q or Ctrl-C ends it and leaves the \
            last picture. Elsewhere it writes a line for each change of a state.

            With an id it ends when that transfer has ended: with 0 when it is registered, 1 when it is not, 75 when \
            --time-limit or Ctrl-C came first.
            """
    )

    @Argument(help: ArgumentHelp("Only this transfer, until it ends.", valueName: "id"))
    var reference: TransferReference?

    @OptionGroup var filter: TransferFilter

    @Option(
        name: .customLong("time-limit"),
        help: ArgumentHelp("Watch at most so long (30s, 15m, 2h).", valueName: "time"),
        transform: Push.duration
    )
    var timeLimit: Duration?

    @OptionGroup var remote: RemoteOptions

    func run() async throws {
        try await remote.perform { (client) throws(CommandClient.Failure) in
            let task = try await makeTask(client)
            let terminal = Terminal.standardOutput(environment: ProcessInfo.processInfo.environment)
            let mode: WatchSession.Mode = remote.json ? .json : terminal.isInteractive ? .screen(terminal) : .lines
            let ending = try await watch(task, mode)
            for line in ending.lastLines { Console.say(line) }
            guard ending.exit != .outputFailed else { return }
            guard ending.exit == .done else {
                throw CommandClient.Failure(
                    exit: ending.exit,
                    text: ending.text,
                    hint: task.route.followUp.attributed(ending.hint)
                )
            }
            if !remote.json && !ending.text.isEmpty {
                Console.say(terminal.isInteractive ? PushDisplay.marked(ending.text, .success, terminal) : ending.text)
            }
        }
    }

    private func makeTask(_ client: CommandClient) async throws(CommandClient.Failure) -> WatchSession.Task {
        var task = WatchSession.Task(route: client.route, filter: filter, sender: remote.namedSender)
        task.timeLimit = timeLimit
        guard let reference else { return task }
        do throws(CommandClient.Failure) {
            let address = try await reference.resolve(client, sender: remote.namedSender)
            let result = try await client.call(
                "get",
                ["sender": .string(address.sender.text), "transfer": .string(address.id.text)]
            )
            task.address = address
            task.events = result["events"]?.array ?? []
        } catch {
            guard error.exit == .notAllowed else { throw error }
            // Who may not ask the agent finds it among what the broker keeps for them.
            task.reference = reference
            task.sender = try reference.sender(remote.namedSender)
            task.route.followUp = task.route.followUp.forOperator
        }
        return task
    }

    private func watch(
        _ task: WatchSession.Task,
        _ mode: WatchSession.Mode
    ) async throws(CommandClient.Failure) -> WatchSession.Ending {
        guard let mailbox = Mailbox() else {
            throw CommandClient.Failure(exit: .failed, text: "No file descriptor is left")
        }
        var settings = BrokerLinkSettings(
            name: "watch",
            address: task.route.access,
            clientID: CommandClient.clientID("watch"),
            session: .clean
        )
        settings.subscriptions = WatchSession.topics(task).map { Subscription($0, retained: .send) }
        settings.backoff = Backoff(minimum: .milliseconds(200), maximum: .seconds(5))
        let link: BrokerLink
        do {
            link = try BrokerLink(
                settings: settings,
                receive: { batch, done in
                    for message in batch.messages { mailbox.append(.message(message)) }
                    done(.done)
                },
                observe: { mailbox.append(.event($0)) }
            )
            try link.start()
        } catch {
            throw CommandClient.Failure(exit: .failed, text: "\(error)")
        }
        if case .screen = mode { Interruption.watchOnScreen() } else { Interruption.watch() }
        let ending = await withTaskGroup(of: Void.self) { group in
            group.addTask { await AgentPulse.watch(task.route) { mailbox.append(.pulse($0)) } }
            defer { group.cancelAll() }
            return await show(task, mode, mailbox)
        }
        await link.stop()
        return ending
    }

    private func show(
        _ task: WatchSession.Task,
        _ mode: WatchSession.Mode,
        _ mailbox: Mailbox
    ) async -> WatchSession.Ending {
        await withCheckedContinuation { continuation in
            // Drawing may block: not on the cooperative pool.
            let thread = NamedThread.start(name: "watch") {
                var session = WatchSession(task: task, mode: mode, mailbox: mailbox)
                continuation.resume(returning: session.run())
            }
            thread?.detach()
            if thread == nil {
                continuation.resume(returning: WatchSession.Ending(exit: .failed, text: "No room for a thread"))
            }
        }
    }
}
