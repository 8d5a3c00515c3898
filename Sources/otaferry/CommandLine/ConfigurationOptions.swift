import Agent
import ArgumentParser
import FoundationEssentials

/// The options of commands that read the whole configuration.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            "Configuration file.",
            discussion: "Files in otaferry.d beside it are read after it.",
            valueName: "file"
        ),
        completion: .file(extensions: ["toml"])
    )
    var path: String?

    @Option(
        name: .customLong("set"),
        parsing: .singleValue,
        help: ArgumentHelp("Set one key, over all files: --set retry.max=15m. Repeatable.", valueName: "key=value")
    )
    var settings: [String] = []

    /// The checked configuration, or all mistakes at once.
    ///
    /// - Parameters:
    ///   - files: what the files that it names have to be.
    ///   - more: what goes over `--set`.
    func load(
        files: ConfigurationLoader.Files = .readable,
        over more: [String] = []
    ) throws(ConfigurationError) -> Configuration {
        var loader = ConfigurationLoader(
            path: path,
            settings: settings + more,
            environment: ProcessInfo.processInfo.environment
        )
        loader.files = files
        return try loader.load()
    }

    /// One line a mistake, and how many there are.
    static func report(_ error: ConfigurationError) { Console.complain(text(of: error)) }

    /// One line a mistake, and how many there are.
    static func text(of error: ConfigurationError) -> String {
        let count = error.mistakes.count
        return "\(error)\n\(count) \(count == 1 ? "mistake" : "mistakes") in the configuration"
    }
}
