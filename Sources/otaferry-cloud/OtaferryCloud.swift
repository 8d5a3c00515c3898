import ArgumentParser
import CloudSimulator
import Foundation

/// The simulated cloud as a program: for trying the agent without an account, and for scripts.
@main
struct OtaferryCloud: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "otaferry-cloud",
        abstract: "Simulates the cloud calls that otaferry makes, and their failures.",
        discussion: """
            It answers GenerateOTAUploadURL, PostObject, CreateOTAFirmware, ListOTAFirmware, QueryOTAFirmware and \
            DeleteOTAFirmware on the loopback interface, checks signatures and parameters, and keeps what it was \
            given in a folder.

            Faults, for --fault NAME[=VALUE][@CALL][xTIMES]:

            \(faultTable)

            CALL is a call's name or one of ticket, upload, register, list, query, delete. Without it a fault of \
            uploads hits PostObject and any other CreateOTAFirmware. TIMES is 1 where it is left out; x0 means always.
            Example: --fault lose-answer@register --fault throttle=2@ticketx3

            While it runs, faults and settings can be changed and what it saw can be read below /_control/:

              curl -d throttle=2@ticketx3 http://127.0.0.1:8080/_control/faults
              curl -d '{"list-delay": 30}' http://127.0.0.1:8080/_control/settings
              curl http://127.0.0.1:8080/_control/state
            """
    )

    @Option(help: "TCP port on 127.0.0.1; 0 takes a free one.")
    var port: UInt16 = 8_080

    @Option(
        help: "Folder for objects and the firmware list; they survive a restart. Default: one that is gone at the end."
    )
    var folder: String?

    @Option(
        help: ArgumentHelp(
            "An access key that may call, with :TOKEN for a temporary one. Default: simulated-key:simulated-secret.",
            valueName: "id:secret"
        )
    )
    var accessKey: [String] = []

    @Option(help: "A product key that exists; may be repeated. Default: any that is well-formed.")
    var product: [String] = []

    @Option(help: "The instance id that calls have to name. Default: none, and then none may be named.")
    var instanceID: String?

    @Option(help: "Seconds that a ticket may be used.")
    var ticketLife: Double = 60

    @Option(help: "The largest file, in bytes.")
    var sizeMaximum: Int64 = 1_048_576_000

    @Option(help: "Calls a second of the account, all actions together; 0: no limit.")
    var callsPerSecond: Int = 10

    @Option(help: "Seconds that the server's clock is ahead of the system's.")
    var clockOffset: Double = 0

    @Option(help: "Seconds until a new package shows up in ListOTAFirmware.")
    var listDelay: Double = 0

    @Option(
        name: .customLong("fault"),
        help: ArgumentHelp("A fault to play; may be repeated.", valueName: "name[=value][@call][xtimes]"),
        transform: { try ScriptedFault(parsing: $0) }
    )
    var faults: [ScriptedFault] = []

    @Option(help: "A file to write the port to when calls are taken.")
    var portFile: String?

    @Flag(help: "One JSON object a line, for programs.")
    var json = false

    func run() async throws {
        let printer = Printer(json: json)
        let configuration = try cloudConfiguration()
        defer {
            // Nobody is there to be told of a folder that stays.
            if folder == nil { try? FileManager.default.removeItem(atPath: configuration.folder) }
        }
        let cloud = try SimulatedCloud(configuration: configuration) { printer.call($0) }
        for fault in faults { cloud.setFault(fault.call, fault.fault, times: fault.times) }
        let signals = StopSignals()
        try await cloud.start()
        if let portFile, let port = cloud.port {
            try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: portFile), options: .atomic)
        }
        printer.ready(cloud)
        await signals.wait()
        await cloud.stop()
    }

    private func cloudConfiguration() throws -> CloudConfiguration {
        var result = CloudConfiguration(
            folder: folder ?? NSTemporaryDirectory() + "otaferry-cloud-" + UUID().uuidString
        )
        result.port = port
        if !accessKey.isEmpty {
            result.accessKeys = try accessKey.map { text in
                let parts = text.split(separator: ":", maxSplits: 2).map(String.init)
                guard parts.count >= 2 else { throw ValidationError("--access-key \(text) is not ID:SECRET.") }
                return .init(id: parts[0], secret: parts[1], securityToken: parts.count > 2 ? parts[2] : nil)
            }
        }
        result.products = Set(product)
        result.instanceID = instanceID
        let mistakes = result.set(options: [
            ("ticket-life", ticketLife), ("size-maximum", Double(sizeMaximum)),
            ("calls-per-second", Double(callsPerSecond)), ("clock-offset", clockOffset), ("list-delay", listDelay),
        ])
        guard mistakes.isEmpty else { throw ValidationError(mistakes.joined(separator: "; ")) }
        return result
    }

    /// Wrapped by hand: lines that the help wraps begin at the left.
    private static var faultTable: String {
        let (nameWidth, textWidth) = (22, 52)
        return Fault.words.map { word, value, meaning in
            let name =
                value.isEmpty ? word : value.hasPrefix("[") ? "\(word)[=\(value.dropFirst())" : "\(word)=\(value)"
            var lines = wrapped(meaning, to: textWidth)
            if name.count > nameWidth { lines.insert("", at: 0) }
            return lines.enumerated().map { index, line in
                let left = index == 0 ? name : ""
                let padding = String(repeating: " ", count: line.isEmpty ? 0 : max(0, nameWidth - left.count) + 2)
                return "  " + left + padding + line
            }.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    private static func wrapped(_ text: String, to width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
