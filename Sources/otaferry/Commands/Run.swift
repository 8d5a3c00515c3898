import Agent
import ArgumentParser
import FoundationEssentials
import Logging

/// `otaferry run`: the agent, in the foreground.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the agent in the foreground.",
        usage: "otaferry run [<options>]",
        discussion: "Ends cleanly on SIGTERM and SIGINT. A mistake in the configuration ends it with exit code 78."
    )

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Log in JSON; the same as --set log.format=json.")
    var json = false

    func run() async throws {
        var options = options
        if json { options.settings.append("log.format=json") }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try options.load()
        } catch {
            report(error)
            throw ProgramExit.configuration.code
        }
        let environment = ProcessInfo.processInfo.environment
        let style = LogStyle(configuration.log.format, environment: environment)
        let level = configuration.log.level
        // Only where standard error leads to the journal too: what is asked for with log.format elsewhere is lines.
        let journal = environment["JOURNAL_STREAM"] == nil ? nil : JournalSocket()
        LoggingSystem.bootstrap { _ in StandardErrorLog(level: level, style: style, journal: journal) }
        let agent = FerryAgent(
            configuration: configuration,
            environment: environment,
            logger: Logger(label: "otaferry")
        )
        do {
            try await agent.run()
        } catch {
            if style == .json { Logger(label: "otaferry").critical("\(error)") } else { Console.complain("\(error)") }
            let isConfiguration = (error as? AgentError)?.isConfiguration == true
            throw isConfiguration ? ProgramExit.configuration.code : ProgramExit.failed.code
        }
    }

    /// Where the log is to be JSON, what keeps the agent from starting is a part of it.
    private func report(_ error: ConfigurationError) {
        guard json else { return ConfigurationOptions.report(error) }
        LoggingSystem.bootstrap { _ in StandardErrorLog(level: .info, style: .json, journal: nil) }
        let logger = Logger(label: "otaferry")
        for mistake in error.mistakes { logger.critical("\(mistake)") }
    }
}
