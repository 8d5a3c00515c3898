import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("The agent is killed")
    struct CrashTests {
        private let firmware = TestFirmware(400_000)

        private func deliver(_ gateway: Gateway) async throws {
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.send("t/x/0", firmware.bytes)
            try await gateway.send("t/x/" + firmware.finish)
        }

        private func expectOnce(_ gateway: Gateway) async throws {
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
            try gateway.expectGrowingSequence("x")
            #expect(try await gateway.retained("state/ci/x") == state)
        }

        /// The history says why there was another attempt.
        private func expectRestart(_ gateway: Gateway) async throws {
            let answer = try await gateway.command("get", ["sender": "ci", "transfer": "x"])
            let changes = answer["result"]?["events"]?.array?.compactMap { $0["change"]?.string }
            #expect(changes == ["restarted"])
        }

        @Test("Killed while it receives, it loses nothing that it acknowledged, and the sender goes on")
        func receiving() async throws {
            let gateway = try await Gateway()
            // More than the credit allows to be under way at each kill, so that the next is come to.
            let firmware = TestFirmware(20_000_000)
            var kills = [1_000_000, 2_500_000, 4_500_000].makeIterator()
            var next = kills.next() ?? .max
            var acknowledged: Int64 = 0
            let sender = SegmentSender(client: gateway.probe, firmware: firmware, id: "x", segment: 64 << 10)
            try await sender.run { received in
                // What was acknowledged once is never taken back.
                guard received >= acknowledged else {
                    throw TestSupportError("\(acknowledged) bytes were acknowledged, later only \(received)")
                }
                acknowledged = received
                guard received >= next else { return }
                next = kills.next() ?? .max
                try await gateway.kill()
                let said = gateway.acknowledgements("x").last
                try gateway.launch()
                try await gateway.online()
                let asked = try await gateway.ask("x", "query")
                for member in ["received", "durable", "seq"] {
                    #expect(asked[member]?.integer ?? -1 >= said?[member]?.integer ?? 0)
                }
                acknowledged = max(acknowledged, said?["received"]?.integer ?? 0)
            }
            #expect(next == .max)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
            try gateway.expectGrowingSequence("x")
            #expect(gateway.acknowledgements("x").allSatisfy { $0.reasonText != "conflict" })
        }

        @Test("Killed while it uploads, it uploads again and registers once")
        func uploading() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 100_000, Gate()))
            try await deliver(gateway)
            try await gateway.cloud.waitForUpload(bytes: 90_000)
            // Said after it was committed.
            try await gateway.waitForState(.uploading, of: "x")
            try await gateway.killAndRestart()
            try await expectOnce(gateway)
            try await expectRestart(gateway)
            #expect(gateway.cloud.calls(.postObject).count == 2)
            #expect(gateway.cloud.calls(.createFirmware).count == 1)
        }

        @Test("Killed after the upload was taken and before it heard so, it uploads again and registers once")
        func uploaded() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.postObject, .holdAfterwards(Gate()))
            try await deliver(gateway)
            try await eventually("the object") { await gateway.cloud.objects.count == 1 }
            try await gateway.killAndRestart()
            try await expectOnce(gateway)
        }

        @Test("Killed between upload and registration, it registers without another upload")
        func registering() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.createFirmware, .hold(Gate()))
            try await deliver(gateway)
            try await gateway.cloud.waitFor(.createFirmware, .received)
            #expect(await gateway.cloud.firmware.isEmpty)
            try await gateway.killAndRestart()
            try await expectOnce(gateway)
            #expect(gateway.cloud.calls(.postObject).count == 1)
            try await expectRestart(gateway)
        }

        @Test("Killed after the cloud registered and before it heard so, it finds the firmware and registers once")
        func registered() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.createFirmware, .holdAfterwards(Gate()))
            try await deliver(gateway)
            try await eventually("the firmware") { await gateway.cloud.firmware.count == 1 }
            try await gateway.killAndRestart()
            try await expectOnce(gateway)
            #expect(gateway.cloud.calls(.createFirmware).count == 1)
            #expect(gateway.cloud.calls(.postObject).count == 1)
        }

        @Test("Killed after the cloud registered, with a list that lags, it still registers once")
        func laggingList() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.listingDelay = .seconds(5) } }
            gateway.cloud.setFault(.createFirmware, .holdAfterwards(Gate()))
            try await deliver(gateway)
            try await eventually("the firmware") { await gateway.cloud.firmware.count == 1 }
            try await gateway.killAndRestart()
            try await expectOnce(gateway)
        }

        @Test("Killed when the ticket is asked for, it asks again")
        func ticketing() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.generateUploadURL, .hold(Gate()))
            try await deliver(gateway)
            try await gateway.cloud.waitFor(.generateUploadURL, .received)
            try await gateway.killAndRestart()
            try await expectOnce(gateway)
        }

        @Test("Killed at any moment, again and again, it registers exactly once", arguments: 0..<2)
        func anyMoment(round: Int) async throws {
            let gateway = try await Gateway()
            var generator = SystemRandomNumberGenerator()
            try await deliver(gateway)
            for _ in 0..<5 {
                // The moment is the point: any of them has to do.
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...250, using: &generator)))
                try await gateway.kill()
                try gateway.launch()
            }
            try await expectOnce(gateway)
        }

        @Test("Every state is said again at the start, with the seq that it had")
        func saidAgain() async throws {
            let gateway = try await Gateway()
            try await deliver(gateway)
            let state = try await gateway.waitForState(.registered, of: "x")
            let count = gateway.states("x").count
            try await gateway.killAndRestart()
            try await eventually("the state again") { gateway.states("x").count > count }
            #expect(gateway.states("x").last == state)
        }
    }
}
