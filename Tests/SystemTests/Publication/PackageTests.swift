import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("Packages, windows and limits")
    struct PackageTests {
        private let files = (0..<3).map { TestFirmware(60_000, version: "2.0", seed: UInt64($0 + 90)) }

        private func deliver(_ gateway: Gateway, _ index: Int, as name: String? = nil) async throws {
            let file = files[index]
            let package: JSONValue = ["id": "p", "files": .integer(Int64(files.count))]
            let id = name ?? "m\(index)"
            try await gateway.ask(
                id,
                "init",
                file.initialization(name: "part\(index).bin", firmware: ["package": package])
            )
            try await gateway.send("t/\(id)/0", file.bytes)
            try await gateway.send("t/\(id)/\(file.finish)")
        }

        private func expectOnePackage(_ gateway: Gateway, named names: [String] = ["m0", "m1", "m2"]) async throws {
            var ids: Set<String?> = []
            for name in names {
                let state = try await gateway.waitForState(.registered, of: name)
                ids.insert(state["cloud"]?["firmware_id"]?.string)
            }
            let list = await gateway.cloud.firmware
            #expect(list.count == 1)
            #expect(ids == [list.first?.id])
            let objects = await gateway.cloud.objects
            let registered = list.first?.files ?? []
            #expect(Set(registered.map(\.name)) == ["part0.bin", "part1.bin", "part2.bin"])
            for (index, file) in files.enumerated() {
                let entry = registered.first { $0.name == "part\(index).bin" }
                #expect(objects.first { $0.key == entry?.key }?.sha256 == file.sha256)
            }
        }

        @Test("Files of a package wait for each other and become one firmware")
        func package() async throws {
            let gateway = try await Gateway()
            try await deliver(gateway, 2)
            try await deliver(gateway, 0)
            try await gateway.waitForState(.stored, of: "m0") { $0.reasonCode == "package-incomplete" }
            #expect(gateway.cloud.calls.isEmpty)
            try await deliver(gateway, 1)
            try await expectOnePackage(gateway)
        }

        @Test("The states of a file that waits for the rest of its package come in their order")
        func order() async throws {
            let gateway = try await Gateway()
            for index in 0..<2 { try await deliver(gateway, index) }
            for name in ["m0", "m1"] {
                try await gateway.waitForState(.stored, of: name) { $0.reasonCode == "package-incomplete" }
                _ = try await gateway.command("priority", ["transfer": .string(name), "priority": 3])
                try await gateway.waitForState(.stored, of: name) { $0["firmware"]?["priority"]?.integer == 3 }
                try gateway.expectGrowingSequence(name)
                #expect(try await gateway.retained("state/ci/\(name)")?.reasonCode == "package-incomplete")
            }
        }

        @Test("A package of the same name whose files the cloud does not show is not taken for ours")
        func unproven() async throws {
            let gateway = try await Gateway()
            try await gateway.cloud.plant(
                RegisteredFirmware(name: "pumpctl-2_0", version: "2.0", productKey: Gateway.productKey)
            )
            gateway.cloud.setFault(
                .queryFirmware,
                .refuse(status: 403, code: "Forbidden.RAM", message: "not allowed"),
                times: nil
            )
            for index in files.indices { try await deliver(gateway, index) }
            // What the cloud shows may be complete in a minute; then a person is asked.
            try await gateway.waitForState(.registering, of: "m0") { $0.reasonCode == "register-unknown" }
            #expect(await gateway.cloud.firmware.count == 1)
            gateway.cloud.clearFaults()
            try await gateway.waitForState(.held, of: "m0") { $0.reasonCode == "version-taken" }
            #expect(await gateway.cloud.firmware.count == 1)
        }

        @Test("Killed when the package was registered and the answer lost, it is still one firmware")
        func killed() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.createFirmware, .holdAfterwards(Gate()))
            for index in files.indices { try await deliver(gateway, index) }
            try await eventually("the firmware") { await gateway.cloud.firmware.count == 1 }
            try await gateway.killAndRestart()
            try await expectOnePackage(gateway)
        }

        @Test("Killed in the middle of a package's uploads, it is still one firmware")
        func killedWhileUploading() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            gateway.cloud.setFault(.postObject, .delay(.zero))
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 10_000, Gate()))
            for index in files.indices { try await deliver(gateway, index) }
            try await gateway.cloud.waitFor(.postObject, count: 2, .received)
            try await gateway.killAndRestart()
            try await expectOnePackage(gateway)
        }

        @Test("With several uploads at a time a package still gets one attempt, and others go beside it")
        func concurrent() async throws {
            let gateway = try await Gateway { $0.settings["upload.concurrent"] = "4" }
            gateway.cloud.setFault(.postObject, .delay(.milliseconds(200)), times: 4)
            for index in files.indices { try await deliver(gateway, index) }
            let other = TestFirmware(50_000, version: "3.0")
            try await gateway.send("put/pumpctl/3.0", other.bytes)
            for index in files.indices { try await gateway.waitForState(.registered, of: "m\(index)") }
            try await gateway.waitForState(.registered, of: other.oneShotID)
            #expect(await gateway.cloud.firmware.count == 2)
            #expect(gateway.cloud.calls(.createFirmware).count == 2)
            // Of the package's uploads none began before the one before it had ended.
            var keys: Set<String> = []
            for firmware in await gateway.cloud.firmware where firmware.files.count == 3 {
                keys = Set(firmware.files.map(\.key))
            }
            let uploads = gateway.cloud.calls(.postObject).filter { keys.contains($0.parameters["key"] ?? "") }
            #expect(uploads.count == 3)
            for (former, next) in zip(uploads, uploads.dropFirst()) {
                #expect(try #require(former.answered) <= next.received)
            }
        }

        @Test("Cancelling a file stops the upload of another, which waits for a new one")
        func cancelWhileUploading() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            gateway.cloud.setFault(.postObject, .holdUpload(afterBytes: 10_000, Gate()))
            for index in files.indices { try await deliver(gateway, index) }
            try await gateway.waitForState(.uploading, of: "m0")
            _ = try await gateway.command("cancel", ["transfer": "m2"])
            try await gateway.waitForState(.stored, of: "m0", within: .seconds(3)) {
                $0.reasonCode == "package-incomplete"
            }
            try await deliver(gateway, 2, as: "n2")
            try await expectOnePackage(gateway, named: ["m0", "m1", "n2"])
        }

        @Test("A cancelled file leaves no other in registering", arguments: [Fault.throttling(), .hangUp])
        func cancelWhileRegistering(fault: Fault) async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.createFirmware, fault, times: nil)
            for index in files.indices { try await deliver(gateway, index) }
            try await gateway.waitForState(.registering, of: "m0") { $0.reasonCode != nil }
            _ = try await gateway.command("cancel", ["transfer": "m1"])
            for name in ["m0", "m2"] {
                try await gateway.waitForState(.stored, of: name) {
                    $0.reasonCode == "package-incomplete" && $0["cloud"]?["attempt"]?.integer ?? 0 > 0
                }
            }
            gateway.cloud.clearFaults()
            try await deliver(gateway, 1, as: "n1")
            try await expectOnePackage(gateway, named: ["m0", "n1", "m2"])
        }

        @Test("A file that is cancelled while the outcome is not known leaves the others what the cloud says")
        func cancelWhileUnknown() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.createFirmware, .hangUpAfterwards)
            gateway.cloud.setFault(.listFirmware, .unavailable, times: nil)
            for index in files.indices { try await deliver(gateway, index) }
            try await gateway.waitForState(.registering, of: "m0") { $0.reasonCode != nil }
            _ = try await gateway.command("cancel", ["transfer": "m1"])
            gateway.cloud.clearFaults()
            let id = await gateway.cloud.firmware.first?.id
            for name in ["m0", "m2"] {
                let state = try await gateway.waitForState(.registered, of: name)
                #expect(state["cloud"]?["firmware_id"]?.string == id)
            }
            try await gateway.waitForState(.cancelled, of: "m1") { $0["cloud"]?["firmware_id"]?.string == id }
            #expect(await gateway.cloud.firmware.count == 1)
        }

        @Test("After a lost answer a package is recognized by its files")
        func recognized() async throws {
            let gateway = try await Gateway()
            gateway.cloud.setFault(.createFirmware, .hangUpAfterwards)
            gateway.cloud.setFault(.listFirmware, .unavailable, times: 1)
            for index in files.indices { try await deliver(gateway, index) }
            try await expectOnePackage(gateway)
            #expect(gateway.cloud.calls(.createFirmware).count == 1)
            #expect(gateway.cloud.calls(.queryFirmware).count >= 1)
        }

        @Test("A firmware of the package's name and version with other files is somebody else's")
        func otherPackage() async throws {
            let gateway = try await Gateway()
            try await gateway.cloud.plant(
                RegisteredFirmware(name: "pumpctl-2_0", version: "2.0", productKey: Gateway.productKey)
            )
            for index in files.indices { try await deliver(gateway, index) }
            try await gateway.waitForState(.held, of: "m0") { $0.reasonCode == "version-taken" }
            #expect(await gateway.cloud.firmware.count == 1)
        }

        @Test("Outside the window nothing is uploaded, and a command opens it")
        func window() async throws {
            let gateway = try await Gateway { $0.settings["upload.window"] = Gateway.windowElsewhere }
            let firmware = TestFirmware(20_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0.reasonCode == "outside-window" }
            #expect(gateway.cloud.calls.isEmpty)
            #expect(try await gateway.command("limits", ["window": ""])["ok"]?.bool == true)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(try await gateway.command("limits", ["window": "noon"]).errorCode == "bad-request")
        }

        @Test("A rate limit set by a command holds the upload to it")
        func rate() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let firmware = TestFirmware(600_000)
            #expect(try await gateway.command("limits", ["rate-limit": "200KiB/s"])["ok"]?.bool == true)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.registered, of: firmware.oneShotID)
            let call = try #require(gateway.cloud.calls(.postObject).first)
            let answered = try #require(call.answered)
            #expect(answered - call.received > .seconds(1.5))
        }
    }
}
