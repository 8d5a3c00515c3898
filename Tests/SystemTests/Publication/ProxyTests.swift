import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("Proxies and interfaces")
    struct ProxyTests {
        private let firmware = TestFirmware(300_000)
        private static let login = ForwardProxy.Login(user: "gate", password: "p@ss:word")
        private static let quoted = "gate:p%40ss%3Aword"

        /// The agent reaches the cloud of a test by a name that only a proxy knows, or at its address.
        private func publish(_ gateway: Gateway) async throws {
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test(
            "Ticket, upload and register go through the configured proxy",
            arguments: [
                (ForwardProxy.Kind.http, "http", false), (.http, "http", true), (.socks, "socks5", false),
                (.socks, "socks5h", true),
            ]
        )
        func configured(kind: ForwardProxy.Kind, scheme: String, hasLogin: Bool) async throws {
            let proxy = try ForwardProxy(kind, login: hasLogin ? Self.login : nil)
            let gateway = try await Gateway {
                $0.settings["cloud.proxy"] = "\(scheme)://\(hasLogin ? Self.quoted + "@" : "")127.0.0.1:\(proxy.port)"
            }
            try await publish(gateway)
            let cloud = "127.0.0.1:\(gateway.cloud.port ?? 0)"
            #expect(proxy.targets.count >= 2 && Set(proxy.targets) == [cloud])
            #expect(proxy.refusals == 0)
        }

        @Test("A wrong password at the proxy waits for a person who knows the right one", arguments: [false, true])
        func wrongPassword(isSOCKS: Bool) async throws {
            let proxy = try ForwardProxy(isSOCKS ? .socks : .http, login: Self.login)
            let scheme = isSOCKS ? "socks5h" : "http"
            let gateway = try await Gateway {
                $0.settings["cloud.proxy"] = "\(scheme)://gate:wr0ng@127.0.0.1:\(proxy.port)"
            }
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            // Of SOCKS the library tells no more than that the proxy refused.
            let state = try await gateway.waitForState(isSOCKS ? .stored : .held, of: firmware.oneShotID) {
                $0.reasonCode == "cloud-unreachable"
            }
            #expect(proxy.refusals > 0 && proxy.targets.isEmpty)
            #expect(!state.text.contains("wr0ng"))
            #expect(gateway.cloud.calls.isEmpty)
        }

        @Test("The environment names the proxy where the configuration does not, and no_proxy the exceptions")
        func environment() async throws {
            let proxy = try ForwardProxy(.http)
            let url = "http://127.0.0.1:\(proxy.port)"
            let through = try await Gateway { $0.environment = ["http_proxy": url, "no_proxy": ""] }
            try await publish(through)
            #expect(!proxy.targets.isEmpty)
            let count = proxy.targets.count
            let past = try await Gateway { $0.environment = ["http_proxy": url, "no_proxy": "127.0.0.1"] }
            try await publish(past)
            #expect(proxy.targets.count == count)
            // The exceptions count for a configured proxy too.
            let configured = try await Gateway {
                $0.settings["cloud.proxy"] = url
                $0.environment = ["no_proxy": "127.0.0.1"]
            }
            try await publish(configured)
            #expect(proxy.targets.count == count)
        }

        @Test("Calls and uploads leave by the configured interface or address", arguments: ["lo", "127.0.0.9"])
        func interface(name: String) async throws {
            let gateway = try await Gateway { $0.settings["cloud.interface"] = name }
            try await publish(gateway)
        }

        @Test("An interface that is not there is waited for")
        func noInterface() async throws {
            let gateway = try await Gateway { $0.settings["cloud.interface"] = "wwan7" }
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0.reasonCode == "cloud-unreachable" }
            #expect(gateway.cloud.calls.isEmpty)
        }
    }
}
