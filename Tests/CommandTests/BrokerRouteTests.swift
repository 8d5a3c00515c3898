import Agent
import ArgumentParser
import Broker
import FerryCore
import TestSupport
import Testing

@testable import otaferry

@Suite("The way to the broker")
struct BrokerRouteTests {
    private func route(
        _ arguments: [String],
        _ environment: [String: String] = [:],
        _ configuration: Configuration? = nil,
        isSending: Bool = true
    )
        throws -> BrokerRoute
    {
        try BrokerRoute(
            options: try BrokerOptions.parse(arguments),
            environment: environment,
            configuration: configuration,
            loginName: "erika",
            isSending: isSending
        )
    }

    @Test("Options beat the environment, that beats the configuration")
    func order() throws {
        var configuration = Configuration()
        configuration.gateway = try #require(Name("gw-file"))
        #expect(try route([], [:], configuration).gateway.text == "gw-file")
        #expect(try route([], ["OTAFERRY_GATEWAY": "gw-env"], configuration).gateway.text == "gw-env")
        let both = try route(["--gateway", "gw-option"], ["OTAFERRY_GATEWAY": "gw-env"], configuration)
        #expect(both.root == "otaferry/v1/gw-option")
        #expect(try route(["--broker", "mqtts://b"]).url == "mqtts://b:8883")
        #expect(try route([]).url == "mqtt://127.0.0.1:1883")
    }

    @Test("Where no agent answers, it is said who named the gateway, but for an option that everybody sees")
    func gatewayOrigin() throws {
        func remedy(_ route: BrokerRoute) -> String { String(route.absenceRemedy.dropFirst(AgentAway.remedy.count)) }
        var configuration = Configuration()
        configuration.origins["gateway"] = try load("[broker]\nurl = \"mqtts://b:1\"")
        #expect(try remedy(route(["--gateway", "a"], ["OTAFERRY_GATEWAY": "b"])) == "; --gateway names another")
        #expect(
            try remedy(route([], ["OTAFERRY_GATEWAY": "b"]))
                == "; the name b comes from OTAFERRY_GATEWAY, --gateway names another"
        )
        #expect(try remedy(route([], [:], configuration)).contains("from gateway in /etc/o.toml:2, --gateway"))
        #expect(try remedy(route([])).contains("from this machine, --gateway names another"))
    }

    @Test("The sender is the user at the broker, else the login name")
    func sender() throws {
        #expect(try route([]).sender.text == "erika")
        #expect(try route(["--username", "ci"]).sender.text == "ci")
        #expect(try route(["--username", "ci", "--sender", "lab"]).sender.text == "lab")
        #expect(try route(["--username", "ci"], ["OTAFERRY_SENDER": "env"]).sender.text == "env")
    }

    @Test("A sender without a name of its own stops a push and nothing else")
    func senderOfOthers() throws {
        #expect(throws: BrokerRoute.Problem.self) { try route([], ["OTAFERRY_SENDER": "site eng"]) }
        #expect(throws: BrokerRoute.Problem.self) { try route(["--username", "site eng"]) }
        #expect(try route([], ["OTAFERRY_SENDER": "site eng"], isSending: false).sender.text == "erika")
        #expect(try route(["--username", "site eng"], isSending: false).access.username == "site eng")
        #expect(try route([], ["OTAFERRY_SENDER": "ci"], isSending: false).sender.text == "ci")
        #expect(throws: BrokerRoute.Problem.self) { try route(["--sender", "a b"], isSending: false) }
    }

    @Test("What is no name or no broker is a mistake of usage")
    func refuses() throws {
        #expect(throws: BrokerRoute.Problem.self) { try route(["--gateway", "a/b"]) }
        #expect(throws: BrokerRoute.Problem.self) { try route(["--broker", "http://x"]) }
        #expect(throws: BrokerRoute.Problem.self) { try route(["--password-file", "/nonexistent"]) }
    }

    private func problem(_ arguments: [String], _ environment: [String: String] = [:]) throws -> BrokerRoute.Problem {
        try #require(throws: BrokerRoute.Problem.self) { try route(arguments, environment) }
    }

    @Test("A URL that is none is told with who said it")
    func origins() throws {
        #expect(try problem(["--broker", "http://x"]).text.hasPrefix("--broker is http://x, but must be mqtt://"))
        #expect(
            try problem([], ["OTAFERRY_BROKER": "x\u{1B}y"]).text.hasPrefix("OTAFERRY_BROKER is x\\u{1b}y, but must")
        )
        #expect(try problem(["--password-file", "/no"]).text.contains("--password-file"))
        #expect(try problem([], ["OTAFERRY_PASSWORD_FILE": "/no"]).text.contains("OTAFERRY_PASSWORD_FILE"))
    }

    @Test(
        "Where a URL holds a password, options and variables take its place, and it is not said again",
        arguments: ["mqtt://u:geheim@host", "mqtts://geheim@host:1", "u:geheim@host", "mqtt://u:geheim/x@host"]
    )
    func userInURL(url: String) throws {
        for (arguments, environment, origin) in [
            (["--broker", url], [:], "--broker"), ([], ["OTAFERRY_BROKER": url], "OTAFERRY_BROKER"),
        ] as [([String], [String: String], String)] {
            let problem = try problem(arguments, environment)
            #expect(problem.text.hasPrefix("\(origin) must be mqtt://"), "\(problem)")
            for word in ["--username", "OTAFERRY_USERNAME", "--password-file", "OTAFERRY_PASSWORD_FILE"] {
                #expect(problem.hint.contains(word), "\(problem)")
            }
            #expect(!"\(problem)".contains("geheim") && !"\(problem)".contains("broker.username"), "\(problem)")
        }
    }

    @Test("An @ in the path of a socket is no user name, also beside another mistake")
    func socketPath() throws {
        let problem = try problem(["--broker", "mqtt+unix:///run/a@b" + String(repeating: "x", count: 108)])
        #expect(problem.text.contains("at most 107 bytes") && problem.hint.isEmpty, "\(problem)")
    }

    @Test("A broker that is not there is told with who said where it is, and what to write there")
    func hints() throws {
        var configuration = Configuration()
        configuration.broker.url = .tls(host: "b", port: 1)
        configuration.origins["broker.url"] = try load("[broker]\nurl = \"mqtts://b:1\"")
        let lost = LinkError(.unreachable, "x")
        var plain = LinkError(.tls, "x")
        plain.misfit = .plainPort
        var gone = LinkError(.tls, "x")
        gone.misfit = .hungUp
        var closed = LinkError(.unreachable, "x", number: 14)
        closed.misfit = .closedSocket
        var wanted = LinkError(.tls, "x", number: 7)
        wanted.trouble = .certificateWanted
        var expired = LinkError(.tls, "x", number: 8)
        expired.trouble = .expired
        var stranger = LinkError(.tls, "x", number: 8)
        stranger.trouble = .anotherHost
        var secure = LinkError(.lost, "x")
        secure.misfit = .securePort
        let table: [(BrokerRoute, LinkError, String)] = [
            (try route([]), lost, "running at mqtt://127.0.0.1:1883 (the default)?"),
            (try route(["--broker", "mqtt://h"]), lost, "running at mqtt://h:1883 (from --broker)?"),
            (try route([], ["OTAFERRY_BROKER": "mqtt://h"]), lost, "mqtt://h:1883 (from OTAFERRY_BROKER)?"),
            (try route([], [:], configuration), lost, "mqtts://b:1 (from broker.url in /etc/o.toml:2)?"),
            (try route(["--broker", "mqtts://h"]), plain, ": --broker mqtt://h:8883,"),
            (try route([], ["OTAFERRY_BROKER": "mqtts://h"]), plain, ": OTAFERRY_BROKER=mqtt://h:8883,"),
            (try route([], [:], configuration), plain, ": broker.url = \"mqtt://b:1\" in /etc/o.toml:2,"),
            (try route(["--broker", "mqtts://h"]), gone, "hung up at the first bytes of TLS: perhaps"),
            (
                try route(["--broker", "mqtts://h"]), gone,
                ": --broker mqtt://h:8883, which sends the password unprotected"
            ),
            (try route([]), secure, ": --broker mqtts://127.0.0.1:1883."),
            (
                try route(["--broker", "mqtts://h"]), LinkError(.tls, "x", number: 8),
                "--ca-file names the certificates"
            ),
            (try route(["--broker", "mqtt+unix:///run/b.sock"]), closed, "only others in: ls -l /run/b.sock"),
            (try route(["--broker", "mqtts://h"]), wanted, "--cert-file and --key-file name"),
            (try route(["--broker", "mqtts://h"]), expired, "the clock of this machine"),
            (try route([], ["OTAFERRY_BROKER": "mqtts://h"]), stranger, "OTAFERRY_BROKER has to name the broker"),
        ]
        for (route, error, words) in table { #expect(route.hint(for: error).contains(words), "\(words)") }
    }

    @Test("A file for TLS that is of no use is a mistake of who named it, told before anybody is spoken to")
    func tlsFiles() throws {
        let folder = try TemporaryFolder("route")
        let text = try folder.write("no certificate", to: "text.pem")
        let tls = ["--broker", "mqtts://h"]
        let option = try problem(tls + ["--ca-file", text])
        #expect(option.exit == .usage && option.text == "--ca-file is \(text): it holds no certificate in PEM")
        #expect(option.hint == "--ca-file has to name a file with certificates in PEM")
        let pair = try problem(tls + ["--cert-file", "nope", "--key-file", "nope"])
        #expect(pair.exit == .usage && pair.text == "--cert-file is nope: No such file or directory")
        let variable = try problem(tls, ["OTAFERRY_CA_FILE": folder.file("none")])
        #expect(variable.exit == .usage && variable.text.hasPrefix("OTAFERRY_CA_FILE is"), "\(variable)")
        var configuration = Configuration()
        configuration.broker.url = .tls(host: "h", port: 1)
        configuration.broker.caFile = folder.file("none")
        let configured = try #require(throws: BrokerRoute.Problem.self) { try route([], [:], configuration) }
        #expect(configured.exit == .configuration && configured.text.hasPrefix("broker.ca-file is"), "\(configured)")
    }

    @Test("A client certificate for a broker without TLS is a mistake where an option names it")
    func certificateWithoutTLS() throws {
        for broker in ["mqtt://h", "mqtt+unix:///run/b.sock"] {
            let problem = try problem(["--broker", broker, "--cert-file", "c", "--key-file", "k"])
            #expect(problem.exit == .usage && problem.text.hasPrefix("--cert-file counts for nothing at mqtt"))
        }
        // The environment holds for every broker that this person speaks to.
        let variables = ["OTAFERRY_CERT_FILE": "c", "OTAFERRY_KEY_FILE": "k"]
        #expect(try route(["--broker", "mqtt://h"], variables).access.certificateFile == "c")
    }

    /// Where the URL of a configuration stands.
    private func load(_ text: String) throws -> ConfigurationOrigin {
        let folder = try TemporaryFolder("route")
        let path = try folder.write(text, to: "o.toml")
        let loaded = try ConfigurationLoader(path: path, environment: [:]).load()
        var origin = try #require(loaded.origins["broker.url"])
        #expect(origin.description == "\(path):2")
        origin.source = .file("/etc/o.toml")
        return origin
    }

    @Test("The transfer's id depends on content and identity alone")
    func identifies() throws {
        let product = try #require(Name("pumpctl"))
        let version = try #require(Name("1.4.2"))
        let digest = Digest(bytes: [UInt8](repeating: 7, count: 32))
        var order = PushOrder(product: product, version: version)
        let id = order.transferID(of: ("a.bin", digest))
        #expect(id.text.count == 16)
        order.firmware = ["priority": 3]
        order.goal = .stored
        #expect(order.transferID(of: ("a.bin", digest)) == id)
        order.module = Name("mcu")
        #expect(order.transferID(of: ("a.bin", digest)) != id)
    }
}
