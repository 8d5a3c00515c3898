import Foundation
import TestSupport
import Testing

/// The files of `packaging/mosquitto`, with a real broker.
@Suite("The Mosquitto snippet")
struct MosquittoSnippetTests {
    private static let users = ["otaferry": "o", "ci": "c", "lab": "l", "operator": "p"]
    private static let agent = MQTTProbe.Login("otaferry", "o")
    private static let ci = MQTTProbe.Login("ci", "c")
    private static let lab = MQTTProbe.Login("lab", "l")
    private static let person = MQTTProbe.Login("operator", "p")
    private static let root = "otaferry/v1/gw1"

    /// The shipped files, with the paths and the listener of a test.
    private func broker() async throws -> MosquittoBroker {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../../packaging/mosquitto"
        )
        let shipped = try String(contentsOf: folder.appending(path: "otaferry.conf"), encoding: .utf8)
        let ours = ["listener", "allow_anonymous", "password_file", "acl_file", "persistence"]
        let lines = shipped.split(separator: "\n").filter { line in !ours.contains { line.hasPrefix($0) } }
        let acl = folder.appending(path: "otaferry.acl").standardized.path
        return try await MosquittoBroker(
            configuration: (lines + ["acl_file \(acl)"]).joined(separator: "\n"),
            access: .users(Self.users)
        )
    }

    @Test("It goes into the folder of Debian's own configuration, and the broker starts with both")
    func besideDebiansOwn() async throws {
        let folder = try TemporaryFolder("snippet")
        let shipped = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../../packaging/mosquitto/otaferry.conf"),
            encoding: .utf8
        )
        let port = try LoopbackSocket.freePort()
        try FileManager.default.createDirectory(atPath: folder.file("conf.d"), withIntermediateDirectories: true)
        try folder.write("", to: "passwords")
        try folder.write("", to: "acl")
        try folder.write(
            shipped.replacingOccurrences(of: "listener 1883", with: "listener \(port) 127.0.0.1")
                .replacingOccurrences(of: "/etc/mosquitto/otaferry.passwd", with: folder.file("passwords"))
                .replacingOccurrences(of: "/etc/mosquitto/otaferry.acl", with: folder.file("acl")),
            to: "conf.d/otaferry.conf"
        )
        // Debian's file, with the paths of a test.
        let root = geteuid() == 0 ? "user root\n" : ""
        try folder.write(
            root + "pid_file \(folder.file("pid"))\npersistence true\npersistence_location \(folder.path)/\n"
                + "log_dest stderr\ninclude_dir \(folder.file("conf.d"))\n",
            to: "mosquitto.conf"
        )
        let broker = try ProgramRunner("mosquitto", ["-c", folder.file("mosquitto.conf")])
        try await eventually("mosquitto to listen") {
            guard broker.isRunning else { throw TestSupportError("mosquitto ended:\n\(broker.text(.errors))") }
            return LoopbackSocket.isOpen(port)
        }
    }

    /// Publishes what must not arrive and then what must, and looks at what arrived.
    private func expectOnly(
        _ allowed: (topic: String, by: MQTTProbe.Login),
        notBefore denied: [(topic: String, by: MQTTProbe.Login)],
        seenBy reader: MQTTProbe.Login,
        on filters: [String]
    ) async throws {
        let broker = try await broker()
        let probe = try await MQTTProbe(port: broker.port, topics: filters, login: reader)
        for message in denied {
            try await MQTTProbe.publish(port: broker.port, topic: message.topic, text: "no", login: message.by)
        }
        try await MQTTProbe.publish(port: broker.port, topic: allowed.topic, text: "yes", login: allowed.by)
        try await probe.waitFor(topic: allowed.topic)
        #expect(probe.messages.map(\.topic) == [allowed.topic])
    }

    @Test("The sender ci writes as ci and not as lab")
    func sendersCannotWriteAsOthers() async throws {
        try await expectOnly(
            ("\(Self.root)/in/ci/t/a/0", Self.ci),
            notBefore: [
                ("\(Self.root)/in/lab/t/a/0", Self.ci), ("\(Self.root)/state/ci/a", Self.ci),
                ("\(Self.root)/out/ci/a/ack", Self.ci), ("\(Self.root)/status", Self.ci),
                ("\(Self.root)/event/ci/a", Self.lab),
            ],
            seenBy: Self.agent,
            on: ["otaferry/#"]
        )
    }

    @Test("A sender reads its own acknowledgements and states, and nobody else's")
    func sendersReadTheirOwn() async throws {
        try await expectOnly(
            ("\(Self.root)/out/lab/a/ack", Self.agent),
            notBefore: [
                ("\(Self.root)/out/ci/a/ack", Self.agent), ("\(Self.root)/state/ci/a", Self.agent),
                ("\(Self.root)/in/ci/t/a/0", Self.ci), ("\(Self.root)/res/r1", Self.agent),
            ],
            seenBy: Self.lab,
            on: ["otaferry/#"]
        )
    }

    @Test("Operators alone command")
    func operatorsAloneCommand() async throws {
        try await expectOnly(
            ("\(Self.root)/cmd/ping", Self.person),
            notBefore: [("\(Self.root)/cmd/cancel", Self.ci), ("\(Self.root)/cmd/cancel", Self.lab)],
            seenBy: Self.agent,
            on: ["\(Self.root)/cmd/#"]
        )
    }

    @Test("An operator reads answers, states and the status, and no bytes")
    func operatorsReadNoBytes() async throws {
        try await expectOnly(
            ("\(Self.root)/res/r1", Self.agent),
            notBefore: [("\(Self.root)/in/ci/t/a/0", Self.ci), ("$file/f/0", Self.ci)],
            seenBy: Self.person,
            on: ["otaferry/#", "$file/#"]
        )
    }

    @Test("The agent reads what clients of EMQX's file transfer send", arguments: ["$file/f/init", "$file-async/f/0"])
    func theAgentReadsFiles(topic: String) async throws {
        try await expectOnly((topic, Self.ci), notBefore: [], seenBy: Self.agent, on: ["$file/#", "$file-async/#"])
    }

    @Test("Nobody but the agent reads what clients of EMQX's file transfer send")
    func nobodyElseReadsFiles() async throws {
        try await expectOnly(
            ("\(Self.root)/status", Self.agent),
            notBefore: [("$file/f/0", Self.ci), ("$file-async/f/0", Self.ci)],
            seenBy: Self.lab,
            on: ["$file/#", "$file-async/#", "\(Self.root)/status"]
        )
    }

    @Test("A client of EMQX's file transfer reads the answers to its own client id")
    func clientsReadTheirAnswers() async throws {
        let broker = try await broker()
        let probe = try await MQTTProbe(
            port: broker.port,
            topics: ["$file-response/#"],
            login: Self.ci,
            clientID: "c1"
        )
        for client in ["c2", "c1"] {
            try await MQTTProbe.publish(
                port: broker.port,
                topic: "$file-response/\(client)",
                text: client,
                login: Self.agent
            )
        }
        try await probe.waitFor(topic: "$file-response/c1")
        #expect(probe.messages.map(\.topic) == ["$file-response/c1"])
    }
}
