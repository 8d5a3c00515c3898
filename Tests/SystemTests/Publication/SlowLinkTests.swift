import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("A link that is slow for its tickets")
    struct SlowLinkTests {
        /// 900 kB at 150 KiB/s take 6 s, twice as long as a ticket lives.
        private let large = TestFirmware(900_000)

        private func gateway(_ check: CloudConfiguration.ExpiryCheck) async throws -> Gateway {
            try await Gateway {
                $0.settings["upload.rate-limit"] = "150KiB/s"
                $0.cloud = {
                    $0.ticketLife = .seconds(3)
                    $0.expiryCheck = check
                    $0.receiveBuffer = 32_768
                }
            }
        }

        @Test("Where an upload only has to begin in time, it is sent at once and goes through")
        func beginning() async throws {
            let gateway = try await gateway(.form)
            try await gateway.send("put/pumpctl/1.4.2", large.bytes)
            let state = try await gateway.waitForState(.registered, of: large.oneShotID)
            try await gateway.expectRegisteredOnce(large, state)
            #expect(gateway.cloud.calls(.postObject).count == 1)
        }

        @Test("Where it has to end in time, one upload is spent on learning that; then it waits, others go on")
        func end() async throws {
            let gateway = try await gateway(.wholeRequest)
            try await gateway.send("put/pumpctl/1.4.2", large.bytes)
            let held = try await gateway.waitForState(.held, of: large.oneShotID) { $0.reasonCode == "link-too-slow" }
            let text = held["reason"]?["text"]?.string ?? ""
            #expect(text.contains("900 kB") && text.contains("3 s") && text.contains("kB/s"), "\(text)")
            #expect(held["reason"]?["class"]?.string == "operator")
            let next = held["cloud"]?["next_attempt"]?.string.flatMap(WallTime.init(iso8601:))
            #expect(try #require(next) - .now() > .seconds(3_500))
            #expect(gateway.cloud.calls(.postObject).count == 1)

            // It survives a restart: the next one is not even begun.
            try await gateway.killAndRestart()
            let other = TestFirmware(1_000_000, version: "1.4.3", seed: 8)
            try await gateway.send("put/pumpctl/1.4.3", other.bytes)
            try await gateway.waitForState(.held, of: other.oneShotID) { $0.reasonCode == "link-too-slow" }
            #expect(gateway.cloud.calls(.postObject).count == 1)

            // Small ones overtake.
            let small = TestFirmware(100_000, version: "1.4.4", seed: 9)
            try await gateway.send("put/pumpctl/1.4.4", small.bytes)
            try await gateway.waitForState(.registered, of: small.oneShotID)

            // A person may insist; it is given up as soon as it is clear.
            let id = JSONValue.string(large.oneShotID)
            #expect(try await gateway.command("retry", ["transfer": id])["ok"]?.bool == true)
            try await eventually("the upload to be given up") {
                gateway.cloud.calls(.postObject).count == 3
                    && gateway.states(large.oneShotID).last?["state"]?.string == "held"
            }
            let bytes = gateway.cloud.calls(.postObject).last?.bodyBytes ?? 0
            #expect(bytes > 0 && bytes < 700_000, "\(bytes) bytes were sent")

            // With a faster link both go on by themselves.
            #expect(try await gateway.command("limits", ["rate-limit": ""])["ok"]?.bool == true)
            try await gateway.waitForState(.registered, of: large.oneShotID)
            try await gateway.waitForState(.registered, of: other.oneShotID)
            #expect(await gateway.cloud.firmware.count == 3)
        }
    }
}
