import Agent
import ArgumentParser
import Broker
import FerryCore
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
