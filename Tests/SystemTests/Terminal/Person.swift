import FerryCore
import TestSupport

/// What a person does at a shell on the gateway.
struct Person {
    let gateway: Gateway

    /// What says which gateway is meant.
    var environment: [String: String] {
        [
            "OTAFERRY_BROKER": gateway.broker.url, "OTAFERRY_GATEWAY": Gateway.name, "OTAFERRY_SENDER": "ci",
            "OTAFERRY_USERNAME": "", "OTAFERRY_PASSWORD_FILE": "",
        ]
    }

    /// Runs a command in a window.
    func atTerminal(
        _ words: [String],
        columns: Int,
        rows: Int = 24,
        _ more: [String: String] = [:]
    ) throws -> TerminalProgram {
        try TerminalProgram(
            "otaferry",
            words,
            columns: columns,
            rows: rows,
            environment: environment.merging(more) { $1 }
        )
    }

    /// Starts a command whose output goes into pipes.
    func start(_ words: [String], _ more: [String: String] = [:]) throws -> ProgramRunner {
        try ProgramRunner("otaferry", words, environment: environment.merging(more) { $1 })
    }

    /// Runs a command to its end.
    func run(_ words: [String], _ more: [String: String] = [:]) async throws -> ProgramRunner {
        try await ProgramRunner.run("otaferry", words, environment: environment.merging(more) { $1 })
    }

    /// Writes a firmware file and returns the words that push it.
    func push(_ firmware: TestFirmware, as name: String = "pumpctl.bin", _ more: [String] = []) throws -> [String] {
        let path = try gateway.folder.write(firmware.bytes, to: name)
        return ["push", path, "--product", "pumpctl", "--version", firmware.version] + more
    }
}

extension Gateway {
    /// The last state that said that a transfer is registered.
    func registeredState() throws -> JSONValue {
        let said = probe.messages.last {
            $0.topic.hasPrefix(Gateway.root + "/state/") && $0.json?["state"]?.string == "registered"
        }
        guard let json = said?.json else { throw TestSupportError("Nothing was said to be registered") }
        return json
    }
}

extension ProgramRunner {
    /// How it ended and what it wrote, for messages.
    var story: String { "\(ending.map { "\($0)" } ?? "runs"): \(text()) \(text(.errors))" }
}
