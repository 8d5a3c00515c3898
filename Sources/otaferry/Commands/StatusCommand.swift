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
            Reads what the broker keeps of the agent's last status, and asks the agent whether it answers. Exits with 0 \
            when the agent is online, and with 1 when it is degraded, stopping or offline, or does not answer.
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
        /// What came of asking an agent that is said to be there.
        let pulse: AgentPulse?
        do throws(CommandClient.Failure) {
            route = try broker.route()
            (status, pulse) = try await Self.read(route)
        } catch {
            error.report(json: json)
            throw error.exit.code
        }
        let isSilent = pulse?.isBroken == true
        if json {
            Console.answer(isSilent ? .object((status.object ?? [:]).merging(["answers": false]) { $1 }) : status)
        } else if metrics {
            // Of one that could not be asked nothing is known. The text has its line's end.
            let answers: JSONValue = pulse?.isAnswering == true ? true : isSilent ? false : .null
            let told = JSONValue.object((status.object ?? [:]).merging(["answers": answers]) { $1 })
            Terminal.write(Metric.text(of: told, gateway: route.gateway.text), for: .program)
        } else {
            let terminal = Terminal.standardOutput(environment: ProcessInfo.processInfo.environment)
            var report = StatusReport(status: status, gateway: route.gateway.text, now: .now())
            report.followUp = route.followUp
            report.isSilent = isSilent
            if let pulse { report.silenceRemedy = pulse.remedy(route) }
            for line in report.lines(terminal: terminal) { Console.say(line) }
        }
        guard status["state"]?.string == "online", !isSilent else { throw ProgramExit.failed.code }
    }

    /// What the broker keeps, and what came of asking the agent where it says there that it is online.
    private static func read(_ route: BrokerRoute) async throws(CommandClient.Failure) -> (JSONValue, AgentPulse?) {
        let reader = StatusReader(route: route)
        guard let status = try await reader.read() else {
            throw AgentPulse.nothingHeard(on: reader.topic, await AgentPulse.take(route), route)
        }
        // An agent that hangs, or a broker that kept this from before it fell.
        let isSaidToBeThere = ["online", "degraded"].contains(status["state"]?.string)
        guard isSaidToBeThere else { return (status, nil) }
        let pulse = await AgentPulse.take(route)
        guard pulse == .answers(isStatusNew: true), let newer = try? await reader.read() else { return (status, pulse) }
        return (newer, pulse)
    }
}
