import Broker
import FerryCore
import Glibc

/// The local broker: asked over MQTT as the agent's user, and by its own files where they can be read.
struct BrokerExamination: Sendable {
    var configuration: Configuration
    var host = HostFiles()
    /// Mosquitto's configuration, where the broker is on this machine.
    var brokerFile: String?
    var isQueueProbed = false
    /// The agent's user name at the broker, where another one asks; nil: it is the one that asks.
    var agentName: String?
    /// Who looks; root sees the files of the broker.
    var user: UInt32 = getuid()
    var store = CredentialStore()

    /// What asking the broker showed.
    struct Facts: Sendable {
        var welcome = Welcome()
        var delay = Duration.zero
        var versionText: String?
        /// Whether a message to the agent's own topics comes back to its user, by topic.
        var trips: [Trip: Outcome] = [:]
        /// How many agents answer below $file.
        var fileAgents = 0
        var agentVersion: String?
        var agentStatus: JSONValue?
        var takesAnybody = false
        /// States that the broker keeps, compared with the agent's.
        var keptStates = KeptStates.untold
        /// Messages that the broker kept for a client that was away; nil: not asked.
        var kept: Int?

        var version: MosquittoVersion? { versionText.flatMap(MosquittoVersion.init(status:)) }
    }

    /// A topic that is tried.
    enum Trip: Sendable, Hashable, CaseIterable {
        case firmware
        case command
        case file
    }

    /// What became of the message.
    enum Outcome: Sendable, Hashable {
        case arrived
        /// The broker said that this user may not publish there.
        case refused
        /// The broker took it and did not deliver it.
        case vanished
    }

    private static let defaultFile = "/etc/mosquitto/mosquitto.conf"
    private static let notAllowed: Int32 = 0x87
    private static let versionTopic = "$SYS/broker/version"
    /// More than Mosquitto keeps by default, with those that are under way.
    static let probeCount = 1_500

    var root: String { "otaferry/v1/\(configuration.gateway)" }
    let name = "doctor-" + String(UInt32.random(in: .min ... .max), radix: 16)

    init(
        configuration: Configuration,
        host: HostFiles = HostFiles(),
        brokerFile: String? = nil,
        agentName: String? = nil,
        isQueueProbed: Bool
    ) {
        self.configuration = configuration
        self.host = host
        self.brokerFile = brokerFile
        self.agentName = agentName
        self.isQueueProbed = isQueueProbed
    }

    func findings() async -> [Finding] {
        let rights = RightsExamination(configuration: configuration)
        let secrets = [configuration.passwordFile, configuration.broker.keyFile].compactMap { $0 }
        if let path = secrets.first(where: { rights.isClosed(RightsExamination.facts(file: $0)) }) {
            let text = "The broker cannot be visited as the agent: \(path) is closed to this user"
            return [Finding(.broker, .skipped, text, remedy: "sudo otaferry doctor")] + files(nil)
        }
        do throws(LinkError) {
            let facts = try await facts()
            return findings(facts) + files(facts)
        } catch {
            return [unreachable(error)] + files(nil)
        }
    }

    /// Whether the broker asks for a password that this user does not see.
    func isPasswordHidden(_ error: LinkError) -> Bool {
        error.code == .notAuthorized && error.trouble == nil && agentName == nil && user != 0
            && configuration.passwordFile == nil && store.isHidden("mqtt-password")
    }

    func unreachable(_ error: LinkError) -> Finding {
        if isPasswordHidden(error) {
            let text =
                "The broker cannot be visited as the agent, whose password may be in "
                + "\(CredentialStore.path("mqtt-password")), which only root sees"
            return Finding(.broker, .skipped, text, remedy: "sudo otaferry doctor")
        }
        let remedy =
            if let trouble = error.trouble { trouble.remedy(.configuration) } else { remedy(error) }
        return Finding(.broker, .error, error.text, why: "no firmware and no command comes in", remedy: remedy)
    }

    private func remedy(_ error: LinkError) -> String {
        switch error.code {
        case .tls where error.misfit == .plainPort:
            "The port likely speaks MQTT without TLS: write broker.url with mqtt:// instead of mqtts://, or with the "
                + "port that speaks TLS"
        case .tls where error.misfit == .hungUp:
            "The other end hung up at the first bytes of TLS: look whether the broker runs (systemctl status mosquitto) "
                + "and the port of broker.url is the one that speaks TLS. mqtt:// would send the password unprotected: "
                + "write it only where no TLS is meant"
        case .lost where error.misfit == .securePort:
            "If the port speaks TLS, write broker.url with mqtts:// instead of mqtt://; else look whether the broker "
                + "runs (systemctl status mosquitto)"
        case .unreachable where error.misfit == .closedSocket: LinkFactory.socketRemedy
        case .notAuthorized: configuration.loginRemedy
        case .subscriptionRefused: "Give the agent's user the right to read its topics"
        case .tls: "Look at broker.ca-file, the broker's certificate and its host name"
        case .unreachable, .lost, .silent, .takenOver, .notStored, .refused, .library:
            "Look whether it runs (systemctl status mosquitto) and broker.url is right"
        }
    }

    // MARK: - Asking

    func facts() async throws(LinkError) -> Facts {
        let access = try access()
        var facts = Facts()
        let begun = ContinuousClock.now
        let visit = try BrokerVisit(access, clientID: "otaferry-\(name)", subscriptions: subscriptions)
        do throws(LinkError) {
            facts.welcome = try await visit.arrive()
        } catch {
            await visit.leave()
            throw error
        }
        facts.delay = ContinuousClock.now - begun
        await converse(visit, &facts)
        await visit.leave()
        facts.takesAnybody = await takesAnybody(access)
        if isQueueProbed && facts.welcome.protocolVersion == 5 { facts.kept = await keptMessages(access) }
        return facts
    }

    private var subscriptions: [Subscription] {
        var filters = ["\(root)/in/\(name)/#", "\(root)/cmd/ping", "\(root)/res/\(name)"]
        if configuration.broker.isFileTransferEnabled { filters += ["$file/\(name)/#", fileAnswer] }
        return filters.map { Subscription($0, retained: .withhold, need: .optional) }
            + [Self.versionTopic, "\(root)/status", "\(root)/state/#"].map {
                Subscription($0, retained: .send, need: .optional)
            }
    }

    /// Agents of other gateways answer here too.
    private var fileAnswer: String { "$file-response/otaferry-\(name)" }

    private func topic(_ trip: Trip) -> String {
        switch trip {
        // Asks for the state of a transfer that nobody knows.
        case .firmware: "\(root)/in/\(name)/t/1/query"
        case .command: "\(root)/cmd/ping"
        // No step of EMQX's file transfer: the agent lets it pass.
        case .file: "$file/\(name)/doctor"
        }
    }

    private func converse(_ visit: BrokerVisit, _ facts: inout Facts) async {
        let mark = Array("{\"request\":\"\(name)\"}".utf8)
        let answer = "\(root)/res/\(name)"
        for trip in Trip.allCases where trip != .file || configuration.broker.isFileTransferEnabled {
            let topic = topic(trip)
            let payload = trip == .command ? mark : []
            let receipt = visit.publish(topic, payload, responseTopic: trip == .command ? answer : nil)
            let code = await visit.answer(to: receipt)
            if code == Self.notAllowed {
                facts.trips[trip] = .refused
                continue
            }
            let came = await visit.message { $0.topic == topic && $0.payload == payload }
            facts.trips[trip] = came == nil ? .vanished : .arrived
        }
        if facts.trips[.command] != .refused {
            let reply = await visit.message { $0.topic == answer }
            facts.agentVersion = reply.flatMap { try? JSONValue(parsing: $0.payload) }?["result"]?["version"]?.string
        }
        // What is retained came before the answers.
        let status = visit.lastMessage { $0.topic == "\(root)/status" }
        facts.agentStatus = status.flatMap { try? JSONValue(parsing: $0.payload) }
        if facts.agentVersion != nil { facts.keptStates = await keptStates(visit) }
        // The agent says its status again after this.
        if facts.trips[.file] == .arrived { facts.fileAgents = await fileAgents(visit) }
        let version = await visit.message(within: .milliseconds(300)) { $0.topic == Self.versionTopic }
        facts.versionText = version.map { String(decoding: $0.payload.prefix(80), as: UTF8.self).escaped }
    }

    /// How many agents answer a step of EMQX's file transfer. Nobody knows the transfer, so nothing is given up.
    private func fileAgents(_ visit: BrokerVisit) async -> Int {
        let answer = fileAnswer
        visit.publish("$file/\(name)/abort", responseTopic: answer)
        guard await visit.message(where: { $0.topic == answer }) != nil else { return 0 }
        // Another one may be slower.
        await visit.wait(within: .milliseconds(500)) { state in state.messages.count { $0.topic == answer } > 1 }
        return visit.count { $0.topic == answer }
    }

    /// Whether somebody without a name is let in.
    private func takesAnybody(_ access: BrokerAccess) async -> Bool {
        var access = access
        access.username = nil
        access.password = nil
        access.certificateFile = nil
        access.keyFile = nil
        guard let visit = try? BrokerVisit(access, clientID: "otaferry-\(name)-nobody") else { return false }
        let welcome = try? await visit.arrive(within: .seconds(5))
        await visit.leave()
        return welcome != nil
    }

    /// Leaves a session behind, fills its queue and counts what comes of it. Nil where that cannot be done.
    private func keptMessages(_ access: BrokerAccess) async -> Int? {
        let client = "otaferry-\(name)-queue"
        let topic = "\(root)/progress/\(name)/queue"
        let mark = Array("end".utf8)
        func visit(_ session: BrokerLinkSettings.Session, _ name: String, isListening: Bool) async -> BrokerVisit? {
            let subscriptions = isListening ? [Subscription(topic, retained: .withhold)] : []
            guard let visit = try? BrokerVisit(access, clientID: name, session: session, subscriptions: subscriptions)
            else { return nil }
            guard (try? await visit.arrive()) != nil else {
                await visit.leave()
                return nil
            }
            return visit
        }
        guard let first = await visit(.persistent(expiry: .seconds(60)), client, isListening: true) else { return nil }
        await first.leave()
        var kept: Int?
        if let sender = await visit(.clean, client + "-sender", isListening: false) {
            let receipts = (0..<Self.probeCount).compactMap { _ in sender.publish(topic) }
            _ = await sender.answer(to: receipts.last, within: .seconds(20))
            if let second = await visit(.persistent(expiry: .seconds(60)), client, isListening: true) {
                // The mark is dropped like the rest until the queue has room.
                for _ in 0..<50 where kept == nil {
                    sender.publish(topic, mark)
                    guard await second.message(within: .milliseconds(200), where: { $0.payload == mark }) != nil else {
                        continue
                    }
                    kept = second.count { $0.topic == topic && $0.payload.isEmpty }
                }
                await second.leave()
            }
            await sender.leave()
        }
        // Takes the session away.
        await visit(.clean, client, isListening: false)?.leave()
        return kept == 0 ? nil : kept
    }

    private func access() throws(LinkError) -> BrokerAccess {
        do throws(AgentError) {
            return try configuration.brokerAccess()
        } catch {
            throw LinkError(.notAuthorized, error.description)
        }
    }

    // MARK: - The broker's files

    private var isLocal: Bool {
        switch configuration.broker.url {
        case .unix: true
        case .tcp(let host, _), .tls(let host, _): ["localhost", "::1"].contains(host) || host.hasPrefix("127.")
        }
    }

    /// The TCP port of the broker.
    private var port: Int? {
        switch configuration.broker.url {
        case .unix: nil
        case .tcp(_, let port), .tls(_, let port): Int(port)
        }
    }

    /// What the broker's own files say; `facts` nil where it could not be asked.
    func files(_ facts: Facts?) -> [Finding] {
        let path = brokerFile ?? Self.defaultFile
        guard brokerFile != nil || isLocal else {
            return skipped("The broker is on another machine", facts)
        }
        guard let settings = MosquittoSettings(path: path, host: host) else {
            return skipped("\(path) is not there or cannot be read", facts)
        }
        if brokerFile == nil, let port, !settings.listens(on: port) {
            return skipped("\(path) has no listener on port \(port), so it is another broker's", facts)
        }
        var findings = settings.findings(version: facts?.version)
        if let lists = settings.values["acl_file"] {
            if let text = try? host.read(lists) {
                findings += MosquittoAccessList(text: text).findings(
                    user: user(by: settings),
                    root: root,
                    isFileTransferEnabled: configuration.broker.isFileTransferEnabled
                )
            } else {
                let text = "\(lists), the access list that \(path) names, cannot be read"
                let remedy = user == 0 ? "Look at acl_file in \(path)" : "sudo otaferry doctor"
                findings.append(Finding(.brokerRights, .skipped, text, remedy: remedy))
            }
        }
        return findings + Self.packets(settings, facts, configuration)
    }

    /// Who the agent is for the access list: the name that it says, or what the listener takes from its certificate.
    private func user(by settings: MosquittoSettings) -> String {
        settings.certificateName(on: port).flatMap(configuration.brokerAccessWithoutPassword.certificateName)
            ?? agentName ?? configuration.broker.username
    }

    /// How the broker's files come into view. Root sees all that are where they are looked for.
    var fileRemedy: String {
        let naming = "name Mosquitto's configuration with --broker-file"
        guard user != 0 else { return "Name" + naming.dropFirst(4) }
        return "sudo otaferry doctor; if it says the same: " + naming
    }

    private func skipped(_ text: String, _ facts: Facts?) -> [Finding] {
        let remedy = fileRemedy
        var findings = [Finding(.brokerPersistence, .skipped, text, remedy: remedy)]
        findings += facts == nil ? [] : Self.packets(nil, facts, configuration)
        if facts?.kept == nil {
            findings.append(Finding(.brokerQueue, .skipped, text, remedy: remedy + "; --probe-queue tries it out"))
        }
        return findings
    }
}
