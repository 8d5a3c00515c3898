import ArgumentParser
import FerryCore
import FoundationEssentials

/// `otaferry status`: how the agent is.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how the agent is: links, spool, queue, problems.",
        usage: "otaferry status [<options>]",
        discussion: """
            Reads what the broker keeps of the agent's last status. Exits with 0 when the agent is online, and with 1 when \
            it is degraded, stopping or offline.
            """
    )

    @Flag(help: "Print the status message as one JSON object.")
    var json = false

    @Flag(help: "Print the figures in Prometheus' text format.")
    var metrics = false

    @OptionGroup(title: "Broker") var broker: BrokerOptions

    func validate() throws {
        if json && metrics { throw ValidationError("--json and --metrics exclude each other") }
    }

    func run() async throws {
        let route: BrokerRoute
        let status: JSONValue
        do throws(CommandClient.Failure) {
            route = try broker.route()
            status = try await StatusReader(route: route).read()
        } catch {
            error.report(json: json)
            throw error.exit.code
        }
        if json {
            Console.answer(status)
        } else if metrics {
            // The text has its line's end.
            Terminal.write(Metric.text(of: status, gateway: route.gateway.text), for: .program)
        } else {
            let terminal = Terminal.standardOutput(environment: ProcessInfo.processInfo.environment)
            var report = StatusReport(status: status, gateway: route.gateway.text, now: .now())
            report.followUp = route.followUp
            for line in report.lines(terminal: terminal) { Console.say(line) }
        }
        guard status["state"]?.string == "online" else { throw ProgramExit.failed.code }
    }
}
