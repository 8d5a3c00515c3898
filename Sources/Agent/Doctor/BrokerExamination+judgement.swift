import Broker
import FerryCore

extension BrokerExamination {
    /// What the answers of the broker mean.
    func findings(_ facts: Facts) -> [Finding] {
        // One sum of all is more than the compiler takes apart on a slow machine.
        let connection: [Finding] =
            [reached(facts)] + unusedCertificate() + version(facts) + spoken(facts) + [inflight(facts)]
        let use: [Finding] = queue(facts) + rights(facts) + senders(facts)
        return connection + use + states(facts) + [agent(facts)] + problems(facts)
    }

    private func reached(_ facts: Facts) -> Finding {
        Finding(.broker, .ok, "\(configuration.broker.url) answered in \(facts.delay.milliseconds) ms")
    }

    /// The agent starts with it, but who wrote it believes the connection to be safe.
    private func unusedCertificate() -> [Finding] {
        if case .tls = configuration.broker.url { return [] }
        guard configuration.broker.certFile != nil else { return [] }
        return [
            Finding(
                .broker,
                .warning,
                "broker.cert-file counts for nothing at \(configuration.broker.url)",
                why: "the connection is not encrypted, and the broker does not see the certificate",
                remedy:
                    "Write broker.url with mqtts:// and the port that speaks TLS, or take cert-file and key-file out"
            )
        ]
    }

    private func version(_ facts: Facts) -> [Finding] {
        if let version = facts.version { return version.findings }
        guard let text = facts.versionText else {
            return [
                Finding(
                    .brokerVersion,
                    .skipped,
                    "The broker does not tell its version",
                    remedy: "Let the agent's user read $SYS/broker/version"
                )
            ]
        }
        return [Finding(.brokerVersion, .note, "The broker is \(text), of which nothing is known here")]
    }

    private func spoken(_ facts: Facts) -> [Finding] {
        guard facts.welcome.protocolVersion == 5 else {
            return [
                Finding(
                    .brokerProtocol,
                    .warning,
                    "The broker speaks MQTT 3.1.1 only",
                    why: "it acknowledges what its rights forbid, and nobody learns of it",
                    remedy: "Use a broker with MQTT 5, such as Mosquitto 2.0"
                )
            ]
        }
        var findings: [Finding] = []
        if !facts.welcome.isRetainAvailable {
            findings.append(
                Finding(
                    .brokerProtocol,
                    .error,
                    "The broker keeps no retained messages",
                    why: "states and the status are lost on whoever listens later",
                    remedy: "Set retain_available true"
                )
            )
        }
        if facts.welcome.maximumQuality < 1 {
            findings.append(
                Finding(
                    .brokerProtocol,
                    .error,
                    "The broker takes QoS 0 only",
                    why: "nothing is acknowledged, so firmware is lost",
                    remedy: "Set max_qos 1 or more"
                )
            )
        }
        return findings.isEmpty ? [Finding(.brokerProtocol, .ok, "MQTT 5, with QoS 1 and retained messages")] : findings
    }

    private func inflight(_ facts: Facts) -> Finding {
        // Absent means 65,535 (MQTT 5, 3.2.2.3.3).
        let count = facts.welcome.receiveMaximum ?? 65_535
        guard count < 10 else { return Finding(.brokerInflight, .ok, "The broker takes \(count) messages at a time") }
        return Finding(
            .brokerInflight,
            .warning,
            "The broker takes only \(count) messages at a time",
            why: "senders and the agent wait for each other most of the time",
            remedy: "Set max_inflight_messages 20 or more"
        )
    }

    private func queue(_ facts: Facts) -> [Finding] {
        guard let kept = facts.kept else { return [] }
        guard kept < Self.probeCount else {
            return [Finding(.brokerQueue, .ok, "The broker kept all of \(kept) messages for a client that was away")]
        }
        return [
            Finding(
                .brokerQueue,
                kept < 500 ? .error : .warning,
                "The broker kept \(kept) of \(Self.probeCount) messages for a client that was away",
                why: "it has acknowledged the others to their sender and dropped them",
                remedy: "Set max_queued_messages 100000 and max_queued_bytes 268435456 in mosquitto.conf, restart it"
            )
        ]
    }

    /// The agent's name at the broker, for sentences.
    private var userName: String {
        configuration.broker.username.isEmpty ? "the agent" : configuration.broker.username
    }

    private func rights(_ facts: Facts) -> [Finding] {
        // It refuses to take what the question is asked with; that has its own finding.
        guard facts.welcome.maximumQuality > 0 else { return [] }
        if let agentName {
            let text =
                "What the agent's user, \(agentName.isEmpty ? "who has no name" : agentName), may do is not seen as \(userName)"
            let remedy = "Leave --username out; a new name for the agent is tried with --set broker.username="
            return [Finding(.brokerRights, .skipped, text, remedy: remedy)]
                + (facts.trips[.file] == nil ? [] : [Finding(.brokerFiles, .skipped, text, remedy: remedy)])
        }
        let user = userName
        var findings: [Finding] = []
        let lost = [(Trip.firmware, "in/#"), (.command, "cmd/#")].filter { facts.trips[$0.0] == .vanished }
        if !lost.isEmpty {
            let names = lost.map { "\($0.1)" }.joined(separator: " and ")
            findings.append(
                Finding(
                    .brokerRights,
                    .error,
                    "What is published below \(names) does not reach \(user)",
                    why: "the broker acknowledges it to its sender and throws it away",
                    remedy: "Give \(user) \"topic readwrite otaferry/v1/#\" in the broker's access list"
                )
            )
        } else if facts.trips[.firmware] == .arrived && facts.trips[.command] == .arrived {
            findings.append(Finding(.brokerRights, .ok, "Firmware and commands reach \(user)"))
        } else {
            findings.append(untried(.brokerRights, "in/# and cmd/#"))
        }
        switch facts.trips[.file] {
        case .vanished:
            findings.append(
                Finding(
                    .brokerFiles,
                    .error,
                    "What is published below $file/# does not reach \(user)",
                    why: "clients of EMQX's file transfer are acknowledged, and their bytes are thrown away",
                    remedy: "Add \"topic read $file/#\" for \(user), or set broker.file-transfer = false"
                )
            )
        case .arrived where facts.fileAgents > 1:
            findings.append(
                Finding(
                    .brokerFiles,
                    .error,
                    "\(facts.fileAgents) agents take what is published below $file/#",
                    why:
                        "these topics name no gateway: each takes every file and answers for it, clients get out of step, and "
                        + "what is no whole file for one stays open there",
                    remedy: "Set broker.file-transfer = false for all agents of this broker but one"
                )
            )
        case .arrived: findings.append(Finding(.brokerFiles, .ok, "What is published below $file/# reaches \(user)"))
        case .refused: findings.append(untried(.brokerFiles, "$file/#"))
        case nil: break
        }
        return findings
    }

    /// Who may not write somewhere cannot see whether what others write there comes in.
    private func untried(_ check: DoctorCheck, _ topics: String) -> Finding {
        Finding(
            check,
            .skipped,
            "Whether \(userName) may read \(topics) cannot be tried: it may not write there",
            remedy: "The broker's access list tells. " + fileRemedy
        )
    }

    private func senders(_ facts: Facts) -> [Finding] {
        guard facts.takesAnybody else { return [Finding(.brokerSenders, .ok, "Clients need a name at the broker")] }
        return [
            Finding(
                .brokerSenders,
                .warning,
                "The broker lets in clients without a name",
                why: "anybody who reaches it can send firmware as any sender, and perhaps give commands",
                remedy: "Set allow_anonymous false, password_file and acl_file in mosquitto.conf"
            )
        ]
    }

    private func agent(_ facts: Facts) -> Finding {
        let gateway = configuration.gateway
        if let version = facts.agentVersion {
            guard version != AgentVersion.text else {
                return Finding(.agent, .ok, "The agent of \(gateway) answers, version \(version)")
            }
            return Finding(
                .agent,
                .note,
                "The agent of \(gateway) has version \(version), this program \(AgentVersion.text)",
                why: "it was not restarted after the upgrade",
                remedy: "sudo systemctl restart otaferry"
            )
        }
        if facts.trips[.command] == .refused {
            return Finding(
                .agent,
                .skipped,
                "The agent cannot be asked: this user may not give commands",
                remedy: "As an operator: otaferry status"
            )
        }
        // A broker keeps messages for a session, which an agent leaves behind.
        guard facts.agentStatus != nil else {
            return Finding(
                .agent,
                .error,
                "No agent answers for \(gateway), and none has left a status here",
                why: "the broker acknowledges firmware for it and throws it away",
                remedy: "sudo systemctl start otaferry, where gateway = \"\(gateway)\""
            )
        }
        return Finding(
            .agent,
            .warning,
            "No agent answers for \(gateway)",
            why: "firmware waits in the broker, as much as that keeps",
            remedy: "sudo systemctl start otaferry"
        )
    }

    /// What the agent itself complains of.
    private func problems(_ facts: Facts) -> [Finding] {
        guard facts.agentVersion != nil, let status = facts.agentStatus else { return [] }
        return (status["problems"]?.array ?? []).map { problem in
            let code = problem["code"]?.string ?? "?"
            let known = StatusBoard.Problem(rawValue: code)
            return Finding(
                .agent,
                known?.degrades == true ? .error : .warning,
                "The agent says \(code): \(problem["text"]?.string ?? "")",
                // Another version of the agent may know more.
                why: known?.consequence ?? "",
                remedy: problem["hint"]?.string ?? ""
            )
        }
    }

    /// The largest message that the broker takes, by CONNACK or by its configuration.
    static func packets(_ settings: MosquittoSettings?, _ facts: Facts?, _ configuration: Configuration) -> [Finding] {
        let needed = configuration.intake.oneShotMax.rawValue + 1_024
        let told = facts?.welcome.maximumPacket?.rawValue
        let configured = (settings?.values["max_packet_size"]).flatMap { Int64($0) }
        let payload = (settings?.values["message_size_limit"]).flatMap { Int64($0) }.map { $0 + 1_024 }
        let limits = [
            told, configured, payload, facts?.version?.defaultMaximumPacket.flatMap { configured == nil ? $0 : nil },
        ]
        guard let limit = limits.compactMap({ $0 }).filter({ $0 > 0 }).min(), limit < needed else {
            return [Finding(.brokerPackets, .ok, "The broker takes messages of intake.one-shot-max")]
        }
        let size = ByteCount(rawValue: limit)
        return [
            Finding(
                .brokerPackets,
                limit < 64 << 10 ? .error : .warning,
                "The broker takes messages of \(size) at most, intake.one-shot-max is \(configuration.intake.oneShotMax)",
                why: "mosquitto_pub of a larger firmware ends well and sends nothing",
                remedy: "Set max_packet_size \(needed) in mosquitto.conf, or intake.one-shot-max = \""
                    + ByteCount(rawValue: max(1 << 10, ((limit - 1_024) >> 10) << 10)).configurationText + "\""
            )
        ]
    }
}
