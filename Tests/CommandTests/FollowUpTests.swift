import Agent
import ArgumentParser
import FerryCore
import TestSupport
import Testing

@testable import otaferry

@Suite("Commands that hints name")
struct FollowUpTests {
    private static let given = ["--broker", "mqtt://b", "--gateway", "gw2"]

    private func followUp(_ arguments: [String], _ environment: [String: String] = [:]) throws -> FollowUp {
        try BrokerRoute(
            options: try BrokerOptions.parse(arguments),
            environment: environment,
            configuration: nil,
            loginName: "erika",
            isSending: false
        ).followUp
    }

    private func address(_ text: String) throws -> TransferAddress { try #require(TransferAddress(parsing: text)) }

    @Test("They have the options that were given, and none that the environment says")
    func options() throws {
        let environment = ["OTAFERRY_BROKER": "mqtt://e", "OTAFERRY_USERNAME": "ci"]
        #expect(try followUp([], environment).command("show", address("ci/x")) == "otaferry show ci/x")
        #expect(
            try followUp(Self.given, environment).command("show", address("ci/x"))
                == "otaferry show ci/x --broker mqtt://b --gateway gw2"
        )
        #expect(try followUp(["--sender", "ci"]).command("list") == "otaferry list")
    }

    @Test("What a shell would take apart is quoted, and a password never said")
    func quotes() throws {
        let folder = try TemporaryFolder("follow up")
        let file = try folder.write("geheim", to: "it's")
        let options = ["--username", "site eng", "--password-file", file, "--ca-file", "/a b;c", "--gateway=-x"]
        let command = try followUp(options).command("resume")
        #expect(!command.contains("geheim"))
        #expect(command.hasPrefix("otaferry resume --gateway=-x --username 'site eng' --password-file '"))
        #expect(command.hasSuffix("it'\\''s' --ca-file '/a b;c'"))
    }

    @Test(
        "They are taken as they are said, also of a sender whose name looks like an option",
        arguments: ["ci/x", "-x/7f3c", "--help/7f3c"]
    )
    func parsed(text: String) throws {
        let command = try followUp(Self.given).command("describe", address(text), ["--version 1"])
        let words = command.split(separator: " ").map(String.init)
        let describe = try Describe.parse(Array(words.dropFirst(2)))
        #expect(describe.transfer.reference.text == text)
        #expect(describe.version?.text == "1" && describe.remote.broker.gateway == "gw2", "\(command)")
    }

    @Test("Commands that a sender may not give come without its credentials, and are said to be an operator's once")
    func ofOperator() throws {
        let login = ["--username", "ci", "--password-file", "/p", "--cert-file", "/c", "--key-file", "/k"]
        let all = FollowUp(try BrokerOptions.parse(Self.given + ["--ca-file", "/a"] + login)).forOperator
        let places = " --broker mqtt://b --gateway gw2 --ca-file /a"
        let address = try address("ci/x")
        for verb in ["show", "retry", "cancel", "resume", "list", "describe", "limits"] {
            #expect(all.command(verb, address) == "otaferry \(verb) ci/x\(places)")
        }
        #expect(all.command("watch", address).contains("--username ci --password-file /p"))
        let (retry, show) = (all.command("retry", address), all.command("show", address))
        for (hint, words) in [
            ("\(retry) tries again", "An operator: \(retry) tries again"),
            ("Mend it (\(retry))", "Mend it (an operator: \(retry))"),
            ("It waits: \(show), \(retry)", "It waits; an operator: \(show), \(retry)"),
            ("A. \(show) tells", "A. An operator: \(show) tells"), ("otaferry push again", "otaferry push again"),
            ("otaferry watch ci/x; \(show) tells", "otaferry watch ci/x; an operator: \(show) tells"),
            (
                "Give it another name with \(retry); or delete the other one",
                "An operator can give it another name with \(retry); or delete the other one"
            ),
            ("Wait. Correct it with \(retry)", "Wait. An operator can correct it with \(retry)"),
            ("its operator sees \(show)", "its operator sees \(show)"),
        ] {
            #expect(all.attributed(hint) == words)
            let anonymous = FollowUp(try BrokerOptions.parse(Self.given)).forOperator
            #expect(anonymous.attributed(hint) == hint)
        }
    }

    @Test("The agent's own words about list and resume get them too")
    func completed() throws {
        let hint = "otaferry resume lets publication go on"
        #expect(FollowUp.plain.completed(hint) == hint)
        #expect(
            try followUp(Self.given).completed(hint)
                == "otaferry resume --broker mqtt://b --gateway gw2 lets publication go on"
        )
    }

    @Test("The command limits, which hints for programs name, is one to type")
    func onWire() throws {
        let hint = Reason(.outsideWindow, .retry, "").hint
        #expect(FollowUp.plain.completed(hint).contains("opens; otaferry limits changes"))
        #expect(try followUp(Self.given).completed(hint).contains("otaferry limits --broker mqtt://b --gateway gw2 ch"))
        for (code, words) in [(ReasonCode.paused, "otaferry resume lets"), (.outsideWindow, "otaferry limits changes")]
        {
            #expect(FollowUp.plain.completed(Reason(code, .operator, "").hint).hasPrefix(words))
        }
    }

    private func document(_ state: String, _ reason: Reason?) -> JSONValue {
        [
            "sender": "ci", "id": "x", "state": .string(state), "seq": 1, "paused": true,
            "firmware": ["product": "p"], "reason": reason?.json ?? .null,
        ]
    }

    @Test("show, watch, push and status say them so")
    func screens() throws {
        let followUp = try followUp(Self.given)
        let options = " --broker mqtt://b --gateway gw2"
        let address = try address("ci/x")
        let held = document("held", Reason(.needsMetadata, .operator, "x"))
        var report = TransferReport(state: held, events: [], isPausedForAll: true)
        report.followUp = followUp
        let terminal = Terminal(isInteractive: false, isUnicode: true, hasColor: false)
        let shown = report.head(terminal: terminal).joined(separator: "\n")
        for command in ["describe ci/x --version VERSION", "resume ci/x", "resume"] {
            #expect(shown.contains("otaferry \(command)\(options)"), "\(shown)")
        }

        var status = try #require(TransferStatus(json: held, followUp))
        #expect(status.waitingNote(of: address, now: .now(), followUp).contains("resume ci/x\(options)"))
        #expect(
            PushHints.hint(for: status, address: address, followUp).contains(
                "describe ci/x --version VERSION\(options)"
            )
        )
        status.state = .failed
        #expect(PushHints.hint(for: status, address: address, followUp).contains("retry ci/x\(options)"))
        let full = PushHints.hint(
            for: SendingMachine.Refusal(reason: .noRoom, text: ""),
            address: address,
            isPackage: false,
            followUp
        )
        #expect(full.contains("otaferry list\(options)"), "\(full)")

        let problem: JSONValue = ["code": "paused", "text": "Paused", "hint": "otaferry resume"]
        let message: JSONValue = ["state": "degraded", "problems": [problem]]
        var agent = StatusReport(status: message, gateway: "gw2", now: .now())
        agent.followUp = followUp
        #expect(agent.lines(terminal: terminal).contains { $0.hasSuffix("otaferry resume\(options)") })
        var board = WatchBoard(root: "r", followUp: followUp)
        _ = board.take(topic: "r/status", payload: message.encoded)
        _ = board.take(topic: "r/state/ci/x", payload: held.encoded)
        var frame = WatchFrame(
            gateway: try #require(Name("gw2")),
            terminal: Terminal(isInteractive: true, isUnicode: true, hasColor: false),
            size: Terminal.Size(columns: 200, rows: 40)
        )
        frame.followUp = followUp
        let lines = (frame.lines(board, board.sorted(), now: .now())).joined(separator: "\n")
        #expect(lines.contains("otaferry show ID\(options)") && lines.contains("otaferry resume\(options)"), "\(lines)")
    }

    @Test("A command that ends something takes no part of an id, and names the whole one")
    func cutIDs() throws {
        let followUp = try followUp(Self.given)
        let address = try address("ci/pumpctl-controller")
        for text in ["ci/pumpctl…", "pumpctl-con~", "c…/pumpctl-controller"] {
            let refusal = try #require(TransferReference(argument: text)).refusal(of: "cancel", address, followUp)
            #expect(refusal?.exit == .usage)
            #expect(
                refusal?.hint.hasSuffix("otaferry cancel ci/pumpctl-controller --broker mqtt://b --gateway gw2") == true
            )
        }
        let computed = try self.address("ci/7f3c0123456789ab")
        for text in ["7f3c01", "ci/7f3c0123456789a"] {
            let refusal = try #require(TransferReference(argument: text)).refusal(of: "purge", computed, followUp)
            #expect(refusal?.hint.contains("otaferry purge ci/7f3c0123456789ab") == true, "\(text)")
        }
        for text in ["7f3c0123456789ab", "ci/7f3c0123456789ab"] {
            #expect(TransferReference(argument: text)?.refusal(of: "purge", computed, followUp) == nil)
        }
        for verb in [nil, "purge"] {
            let short = try #require(TransferReference(argument: "ci/7f3c"))
            let failure = #expect(throws: CommandClient.Failure.self) {
                try short.address(among: [computed], remedy: "list shows them all", endingVerb: verb)
            }
            let words =
                verb == nil ? "The beginning of an id has 6 characters at least; " : "purge wants the whole id; "
            #expect(failure?.hint == words + "list shows them all")
        }
        #expect(TransferReference(argument: "ci/pumpctl-controller")?.refusal(of: "cancel", address, followUp) == nil)
        // A file that its client calls so is whole.
        let file = try #require(TransferAddress(ofFile: "backup.bin~"))
        #expect(TransferReference(argument: "backup.bin~")?.refusal(of: "purge", file, followUp) == nil)
    }
}
