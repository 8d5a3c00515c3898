import CloudSimulator
import FerryCore
import Foundation
import TestSupport

/// A gateway of a test's own: a broker, the simulated cloud and the agent between them, with a spool and a configuration
/// in a temporary folder. Gone with the value that owns it.
final class Gateway {
    /// How it differs from a plain one.
    struct Setup {
        /// `--set key=value` for the agent.
        var settings: [String: String] = [:]
        var environment: [String: String] = [:]
        /// Words before the agent's own command line, such as those of `strace`.
        var wrapper: [String] = []
        var brokerConfiguration = ""
        var persistence = MosquittoBroker.Persistence.off
        var cloud: (inout CloudConfiguration) -> Void = { _ in }
        /// Whether what passes between agent and broker is recorded.
        var isRecorded = false
        /// Whether the way to the cloud goes through a proxy that can break it.
        var hasFaultyWay = false
        /// Whether the agent is started with the rest.
        var isStarted = true
    }

    let folder: TemporaryFolder
    let broker: MosquittoBroker
    let cloud: SimulatedCloud
    /// Between agent and broker, where asked for.
    let proxy: RecordingProxy?
    /// Between agent and cloud, where asked for.
    let way: FaultProxy?
    /// Hears everything that the agent says, and publishes what a test says.
    let probe: MQTTClient
    private(set) var agent: ProgramRunner?
    private let setup: Setup
    private var requests = 0

    static let name = "gw1"
    static let root = "otaferry/v1/gw1"
    static let productKey = "a1AbCdEfGhI"
    /// `upload.window` for an hour that is far from now.
    static var windowElsewhere: String {
        let hour = (Calendar.current.component(.hour, from: Date()) + 6) % 24
        return String(format: "%02d:00-%02d:30", hour, hour)
    }

    init(_ change: (inout Setup) -> Void = { _ in }) async throws {
        var setup = Setup()
        change(&setup)
        self.setup = setup
        folder = try TemporaryFolder("gateway")
        broker = try await MosquittoBroker(
            configuration: setup.brokerConfiguration,
            persistence: setup.persistence
        )
        var cloudSetup = CloudConfiguration(folder: folder.file("cloud"))
        cloudSetup.callsPerSecond = nil
        setup.cloud(&cloudSetup)
        cloud = try SimulatedCloud(configuration: cloudSetup)
        try await cloud.start()
        way = try setup.hasFaultyWay ? cloud.port.map { try FaultProxy(target: $0) } : nil
        if let way { cloud.change { $0.ticketHost = way.url } }
        proxy = setup.isRecorded ? try RecordingProxy(target: broker.port) : nil
        let spoken = ["out/#", "state/#", "event/#", "progress/#", "status", "res/#"].map { Self.root + "/" + $0 }
        probe = try await MQTTClient(port: broker.port, topics: spoken + ["answers/#", "$file-response/#"])
        try folder.write(configuration, to: "otaferry.toml")
        let credentials = try folder.write(
            "[default]\ntype = access_key\naccess_key_id = simulated-key\naccess_key_secret = simulated-secret\n",
            to: "credentials"
        )
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: credentials)
        if setup.isStarted { try await start() }
    }

    deinit {
        // The folder goes with this; nobody may write into it any more.
        agent?.send(SIGKILL)
        let deadline = ContinuousClock.now + .seconds(2)
        while agent?.isRunning == true, ContinuousClock.now < deadline { usleep(1_000) }
    }

    private var configuration: String {
        """
        gateway = "\(Self.name)"

        [broker]
        url = "mqtt://127.0.0.1:\(proxy?.port ?? broker.port)"

        [spool]
        path = "\(folder.file("spool/spool.db"))"
        reserve = "0B"

        [cloud]
        endpoint = "\(way.map { $0.url + "/" } ?? cloud.endpoint)"

        [cloud.credentials]
        file = "\(folder.file("credentials"))"

        [retry]
        min = "100ms"
        max = "1s"

        [quota]
        calls-per-second = 10

        [[product]]
        alias = "pumpctl"
        product-key = "\(Self.productKey)"
        """
    }

    // MARK: - The agent

    /// The command line that runs the agent.
    var arguments: [String] {
        ["run", "--config", folder.file("otaferry.toml")]
            + setup.settings.sorted { $0.key < $1.key }.flatMap { ["--set", "\($0.key)=\($0.value)"] }
    }

    /// Starts the agent; returns when it says that it is online.
    func start() async throws {
        try launch()
        try await online()
    }

    /// Starts the agent without waiting for anything, behind the words of the setup or others.
    func launch(behind wrapper: [String]? = nil) throws {
        let program = try ProgramRunner.locate("otaferry")
        let words = (wrapper ?? setup.wrapper) + [program] + arguments
        agent = try ProgramRunner(words[0], Array(words.dropFirst()), environment: setup.environment)
        statusesBefore = probe.messages(on: Self.root + "/status").count
    }

    private var statusesBefore = 0

    /// Waits until the agent that was started last is online.
    func online(within limit: Duration = .longEnough) async throws {
        do {
            try await waitForStatus("online", skipping: statusesBefore, within: limit)
        } catch {
            throw TestSupportError("\(error)\nThe agent wrote:\n\(agent?.text(.errors).suffix(3_000) ?? "")")
        }
    }

    /// Kills the agent as a power cut would.
    func kill() async throws { try await agent?.kill() }

    /// Kills the agent and starts it again.
    func killAndRestart() async throws {
        try await kill()
        try await start()
    }

    /// Ends the agent in good order.
    @discardableResult
    func stop() async throws -> ProgramEnding? { try await agent?.stop() }

    /// Waits for a status message with that state.
    @discardableResult
    func waitForStatus(
        _ state: String,
        skipping: Int = 0,
        within limit: Duration = .longEnough
    ) async throws -> JSONValue {
        try await json(
            probe.waitFor(topic: Self.root + "/status", skipping: skipping, within: limit) { message in
                message.json?["state"]?.string == state
            }
        )
    }

    private func json(_ message: MQTTClient.Message) throws -> JSONValue {
        guard let json = message.json else { throw TestSupportError("\(message.topic) is no JSON: \(message.text)") }
        return json
    }

    // MARK: - Transfers

    /// Publishes below the sender's part of the topics, such as `t/x/init`.
    func send(_ rest: String, _ payload: [UInt8] = [], sender: String = "ci") async throws {
        try await probe.publish("\(Self.root)/in/\(sender)/\(rest)", payload)
    }

    /// The same with a text.
    func send(_ rest: String, text: String, sender: String = "ci") async throws {
        try await send(rest, Array(text.utf8), sender: sender)
    }

    /// What was said about a transfer's state, oldest first.
    func states(_ id: String, sender: String = "ci") -> [JSONValue] { said("state", sender, id) }

    /// The acknowledgements of a transfer, oldest first.
    func acknowledgements(_ id: String, sender: String = "ci") -> [JSONValue] { said("out", sender, id + "/ack") }

    /// The events of a transfer, oldest first.
    func events(_ id: String, sender: String = "ci") -> [JSONValue] { said("event", sender, id) }

    private func said(_ kind: String, _ sender: String, _ rest: String) -> [JSONValue] {
        probe.messages(on: "\(Self.root)/\(kind)/\(sender)/\(rest)").compactMap(\.json)
    }

    /// Waits until the transfer is, or was, in the state; returns the message that said so first.
    @discardableResult
    func waitForState(
        _ state: TransferState,
        of id: String,
        sender: String = "ci",
        within limit: Duration = .seconds(30),
        where fits: (JSONValue) -> Bool = { _ in true }
    ) async throws -> JSONValue {
        do {
            return try await json(
                probe.waitFor(topic: "\(Self.root)/state/\(sender)/\(id)", within: limit) { message in
                    message.json?["state"]?.string == state.rawValue && message.json.map(fits) ?? false
                }
            )
        } catch {
            let calls = cloud.calls.suffix(10).map(\.line).joined(separator: "\n")
            let log = agent?.text(.errors).suffix(2_000) ?? ""
            throw TestSupportError("\(state.rawValue) did not come: \(error)\nCalls:\n\(calls)\nThe agent:\n\(log)")
        }
    }

    /// Publishes a step of a transfer and returns the first acknowledgement after it that fits.
    @discardableResult
    func ask(
        _ id: String,
        _ step: String,
        _ payload: [UInt8] = [],
        sender: String = "ci",
        within limit: Duration = .longEnough,
        where fits: (JSONValue) -> Bool = { _ in true }
    ) async throws -> JSONValue {
        let topic = "\(Self.root)/out/\(sender)/\(id)/ack"
        let before = probe.messages(on: topic).count
        try await send("t/\(id)/\(step)", payload, sender: sender)
        return try await json(
            probe.waitFor(topic: topic, skipping: before, within: limit) { message in
                message.json.map(fits) ?? false
            }
        )
    }

    /// The same with a text.
    @discardableResult
    func ask(_ id: String, _ step: String, text: String, sender: String = "ci") async throws -> JSONValue {
        try await ask(id, step, Array(text.utf8), sender: sender)
    }

    // MARK: - Commands

    /// Sends a command and returns its answer.
    @discardableResult
    func command(_ verb: String, _ members: [String: JSONValue] = [:]) async throws -> JSONValue {
        requests += 1
        var members = members
        let request = members["request"]?.string ?? "r\(requests)"
        members["request"] = .string(request)
        let topic = "\(Self.root)/res/\(request)"
        let before = probe.messages(on: topic).count
        try await probe.publish("\(Self.root)/cmd/\(verb)", JSONValue.object(members).encoded)
        return try await json(probe.waitFor(topic: topic, skipping: before))
    }

    /// What the broker keeps on a topic now: the payload, or nil.
    func retained(_ topic: String) async throws -> JSONValue? {
        let reader = try await MQTTClient(port: broker.port, topics: ["\(Self.root)/\(topic)", "mark/#"])
        try await reader.publish("mark/\(UUID().uuidString)")
        // What is retained comes before anything that is published after the subscription.
        try await eventually { reader.messages.contains { $0.topic.hasPrefix("mark/") } }
        return reader.messages.first { $0.topic == "\(Self.root)/\(topic)" }?.json
    }

    // MARK: - What has to hold

    /// Throws unless the cloud has exactly one firmware, with these bytes, and the transfer says so.
    func expectRegisteredOnce(_ firmware: TestFirmware, _ state: JSONValue) async throws {
        let list = await cloud.firmware
        guard list.count == 1, let only = list.first, let file = only.files.first else {
            throw TestSupportError("The cloud has \(list.count) firmware: \(list)")
        }
        let objects = await cloud.objects
        guard let object = objects.first(where: { $0.key == file.key }) else {
            throw TestSupportError("The registered file \(file.key) is not in the bucket")
        }
        let problems = [
            object.sha256 == firmware.sha256 ? nil : "the object has the SHA-256 \(object.sha256)",
            object.size == Int64(firmware.bytes.count) ? nil : "the object has \(object.size) bytes",
            file.size == Int64(firmware.bytes.count) ? nil : "registered was the size \(file.size)",
            file.sign == firmware.md5 ? nil : "registered was the digest \(file.sign)",
            only.version == firmware.version ? nil : "registered was the version \(only.version)",
            only.productKey == Self.productKey ? nil : "registered was the product \(only.productKey)",
            state["cloud"]?["firmware_id"]?.string == only.id ? nil : "the state names another id: \(state.text)",
        ].compactMap { $0 }
        guard problems.isEmpty else { throw TestSupportError(problems.joined(separator: "; ")) }
    }

    /// Throws where `seq` of the state messages of a transfer ever went back, or a changed message did not raise it.
    func expectGrowingSequence(_ id: String, sender: String = "ci") throws {
        let states = states(id, sender: sender)
        for (former, next) in zip(states, states.dropFirst()) {
            guard let left = former["seq"]?.integer, let right = next["seq"]?.integer,
                left < right || (left == right && former["state"] == next["state"])
            else { throw TestSupportError("seq went from \(former.text) to \(next.text)") }
        }
    }
}

extension JSONValue {
    /// The member `reason`, of an acknowledgement.
    var reasonText: String? { self["reason"]?.string }
    /// The code in `reason`, of a state.
    var reasonCode: String? { self["reason"]?["code"]?.string }
    /// The code in `error`, of an answer to a command.
    var errorCode: String? { self["error"]?["code"]?.string }
    /// The ranges in `missing`.
    var missing: [[Int64]]? { self["missing"]?.array?.map { $0.array?.compactMap(\.integer) ?? [] } }
}
