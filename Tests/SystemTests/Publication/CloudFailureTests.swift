import FerryCore
import Foundation
import TestSupport
import Testing

@testable import CloudSimulator

extension SystemTests {
    @Suite("The cloud fails")
    struct CloudFailureTests {
        private static func faults(of call: Call) -> [Fault] {
            let faults: [Fault] = [
                .hangUp, .hangUpAfterwards, .cutAnswer, .answer(.init(status: 500)), .answer(.init(status: 502)),
                .refuse(status: 503, code: "ServiceUnavailable", message: "later"),
            ]
            guard call != .postObject else {
                return faults + [.hangUpUpload(afterBytes: 50_000), .policyExpired, .wrongChecksum, .noChecksum]
            }
            return faults + [
                .throttling(), .throttling(retryAfter: .milliseconds(300)),
                .refuseAfterwards(status: 500, code: "InternalError", message: "done all the same"),
                .fail(code: "iot.system.SystemException", message: "later"),
            ]
        }

        /// Most of the time goes into waiting between attempts.
        private static let atOnce = 5

        @Test(
            "It heals by itself, with exactly one firmware",
            arguments: [Call.generateUploadURL, .postObject, .createFirmware]
        )
        func heals(call: Call) async throws {
            var faults = Self.faults(of: call).makeIterator()
            await withTaskGroup(of: Void.self) { group in
                var running = 0
                while let fault = faults.next() {
                    if running == Self.atOnce { await group.next() } else { running += 1 }
                    group.addTask {
                        do { try await Self.heal(call, fault) } catch { Issue.record("\(fault.name): \(error)") }
                    }
                }
            }
        }

        @concurrent
        private static func heal(_ call: Call, _ fault: Fault) async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(200_000)
            gateway.cloud.setFault(call, fault)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            #expect(gateway.cloud.calls(call).first?.fault == fault.name)
            try await gateway.expectRegisteredOnce(firmware, state)
            try gateway.expectGrowingSequence(firmware.oneShotID)
        }

        @Test("While the cloud is away the transfer says why and when, and goes on when the cloud is back")
        func away() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(200_000)
            await gateway.cloud.stop()
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let waiting = try await gateway.waitForState(.stored, of: firmware.oneShotID) { state in
                state.reasonCode == "cloud-unreachable" && state["cloud"]?["next_attempt"]?.string != nil
            }
            #expect(waiting["reason"]?["class"]?.string == "retry")
            try await eventually("the status to say so") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["cloud"]?["reachable"]?.bool == false
            }
            try await gateway.cloud.start()
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(gateway.events(firmware.oneShotID).contains { $0["event"]?.string == "retry" })
        }

        private static func credentials(_ gateway: Gateway, secret: String) throws {
            let text = "[default]\ntype = access_key\naccess_key_id = simulated-key\naccess_key_secret = \(secret)\n"
            let file = try gateway.folder.write(text, to: "credentials")
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        }

        @Test(
            "What is held for its credentials goes on when their file is mended, or at the next start",
            arguments: [true, false]
        )
        func mendedCredentials(isRunning: Bool) async throws {
            let gateway = try await Gateway {
                $0.isStarted = false
                $0.settings["retry.max"] = "1h"
            }
            try Self.credentials(gateway, secret: "wrong")
            try await gateway.start()
            let firmware = TestFirmware(10_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.held, of: firmware.oneShotID) { $0.reasonCode == "credentials" }
            if !isRunning { try await gateway.stop() }
            try Self.credentials(gateway, secret: "simulated-secret")
            if !isRunning { try await gateway.start() }
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("What the cloud refused last is a problem for as long as a firmware waits for the cloud")
        func problemEnds() async throws {
            let gateway = try await Gateway { $0.settings["retry.max"] = "1h" }
            func problems() -> [String] {
                let status = gateway.probe.messages(on: Gateway.root + "/status").last?.json
                return status?["problems"]?.array?.compactMap { $0["code"]?.string } ?? []
            }
            gateway.cloud.setFault(.createFirmware, .fail(code: "iot.firmware.FirmwareCountExceedMax", message: "No."))
            let firmware = TestFirmware(10_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.held, of: firmware.oneShotID)
            try await eventually("the problem") { problems() == ["cloud"] }
            let cancelled = try await gateway.command("cancel", ["transfer": .string(firmware.oneShotID)])
            #expect(cancelled["ok"]?.bool == true, "\(cancelled)")
            try await eventually("no problem") { problems().isEmpty }
        }

        @Test("A version that the cloud has with other bytes is told as such, and what is described anew goes on")
        func otherBytes() async throws {
            let gateway = try await Gateway()
            #expect(try await gateway.command("pause")["ok"]?.bool == true)
            let (first, second) = (TestFirmware(10_000, seed: 1), TestFirmware(10_000, seed: 2))
            for firmware in [first, second] {
                try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
                try await gateway.waitForState(.stored, of: firmware.oneShotID)
            }
            #expect(try await gateway.command("resume")["ok"]?.bool == true)
            try await gateway.waitForState(.registered, of: first.oneShotID)
            let held = try await gateway.waitForState(.held, of: second.oneShotID)
            #expect(held.reasonCode == "version-taken", "\(held)")
            #expect(held["reason"]?["text"]?.string?.contains("with other bytes") == true, "\(held)")
            let described = try await gateway.command(
                "describe",
                ["transfer": .string(second.oneShotID), "firmware": ["version": "1.4.3"]]
            )
            #expect(described["ok"]?.bool == true, "\(described)")
            try await gateway.waitForState(.registered, of: second.oneShotID)
        }

        @Test("An upload that stalls ends with a reason and is tried again")
        func stalled() async throws {
            let gateway = try await Gateway {
                $0.settings["upload.stall-timeout"] = "1s"
                $0.cloud = { $0.receiveBuffer = 32_768 }
            }
            let firmware = TestFirmware(4_000_000)
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 100_000, Gate()))
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0.reasonCode == "upload-stalled" }
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("While the list does not answer, a registration whose answer was lost is not asked for again")
        func unknownOutcomeStaysUnknown() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(20_000)
            gateway.cloud.setFault(.createFirmware, .hangUpAfterwards)
            gateway.cloud.setFault(.listFirmware, .unavailable, times: 2)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(gateway.cloud.calls(.createFirmware).count == 1)
            #expect(gateway.cloud.calls(.listFirmware).count >= 3)
        }

        @Test("A name that somebody else has taken holds the transfer until it is described anew")
        func nameTaken() async throws {
            let gateway = try await Gateway()
            try await gateway.cloud.plant(
                RegisteredFirmware(
                    id: "theirs",
                    name: "pumpctl-1_4_2",
                    version: "0.1",
                    productKey: "b1AbCdEfGhI",
                    module: "default",
                    type: 0,
                    sourceVersion: "",
                    description: "",
                    signMethod: "MD5",
                    custom: "",
                    needsVerification: true,
                    files: [],
                    created: Date()
                )
            )
            let firmware = TestFirmware(20_000)
            let id = firmware.oneShotID
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let held = try await gateway.waitForState(.held, of: id)
            #expect(held.reasonCode == "name-taken")
            #expect(held["reason"]?["class"]?.string == "operator")
            let answer = try await gateway.command(
                "describe",
                ["sender": "ci", "transfer": .string(id), "firmware": ["name": "pumpctl-ours"]]
            )
            #expect(answer["ok"]?.bool == true, "\(answer.text)")
            let state = try await gateway.waitForState(.registered, of: id)
            #expect(state["firmware"]?["name"]?.string == "pumpctl-ours")
            #expect(await gateway.cloud.firmware.map(\.name) == ["pumpctl-1_4_2", "pumpctl-ours"])
        }
    }
}
