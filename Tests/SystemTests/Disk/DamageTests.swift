import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("A damaged spool")
    struct DamageTests {
        private static func spool(_ gateway: Gateway) -> String { gateway.folder.file("spool/spool.db") }

        private static func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

        /// Files beside the spool that were set aside.
        private static func setAside(_ gateway: Gateway) throws -> [String] {
            let folder = gateway.folder.file("spool")
            return try FileManager.default.contentsOfDirectory(atPath: folder)
                .filter { $0.hasPrefix("spool.db.damaged-") && !$0.hasSuffix("-journal") }.map { folder + "/" + $0 }
        }

        /// A gateway whose agent is stopped, with firmware that is stored and waits for an operator.
        private func filled(_ firmware: [TestFirmware]) async throws -> Gateway {
            let gateway = try await Gateway()
            #expect(try await gateway.command("pause")["ok"]?.bool == true)
            for file in firmware {
                try await gateway.send("put/pumpctl/\(file.version)", file.bytes)
                try await gateway.waitForState(.stored, of: file.oneShotID)
            }
            try await gateway.stop()
            return gateway
        }

        /// The agent runs, takes a firmware and registers it, and the cloud has no wrong byte of anything.
        private func expectAtWork(_ gateway: Gateway, besides firmware: [TestFirmware]) async throws {
            try await eventually(within: .seconds(30), "the agent to say how it is") {
                let said = gateway.probe.messages(on: Gateway.root + "/status").last?.json?["state"]?.string
                return said == "online" || said == "degraded"
            }
            _ = try await gateway.command("resume")
            let new = TestFirmware(150_000, version: "9.9.9", seed: 99)
            try await gateway.send("put/pumpctl/9.9.9", new.bytes)
            try await gateway.waitForState(.registered, of: new.oneShotID)
            let right = Set((firmware + [new]).map(\.sha256))
            let wrong = await gateway.cloud.objects.map(\.sha256).filter { !right.contains($0) }
            #expect(wrong.isEmpty, "the cloud got bytes that nobody sent")
            for entry in await gateway.cloud.firmware {
                let file = try #require((firmware + [new]).first { $0.version == entry.version })
                #expect(entry.files.first?.sign == file.md5)
            }
        }

        @Test("A bit that flipped in stored bytes is never published, and the transfer says why")
        func flippedSegment() async throws {
            let firmware = [TestFirmware(900_000, version: "1.0.0"), TestFirmware(300_000, version: "1.0.1", seed: 3)]
            let gateway = try await filled(firmware)
            var file = try Self.bytes(Self.spool(gateway))
            let place = try #require(file.range(of: Data(firmware[0].bytes[500_100..<500_164])))
            file[place.lowerBound + 20] ^= 0x04
            try file.write(to: URL(fileURLWithPath: Self.spool(gateway)))

            try await gateway.start()
            try await expectAtWork(gateway, besides: firmware)
            let said = try await firstValue(within: .seconds(20), "the reason") {
                gateway.states(firmware[0].oneShotID).last { $0.reasonCode == ReasonCode.spoolDamaged.rawValue }
            }
            #expect(said["state"]?.string == "failed")
            #expect(await !gateway.cloud.firmware.contains { $0.version == "1.0.0" })
            // Sent again it begins anew.
            try await gateway.send("put/pumpctl/1.0.0", firmware[0].bytes)
            try await gateway.waitForState(.registered, of: firmware[0].oneShotID)
            let registered = await gateway.cloud.firmware.filter { $0.version == "1.0.0" }
            #expect(registered.map { $0.files.first?.sign } == [firmware[0].md5])
            // The other is whole.
            try await gateway.waitForState(.registered, of: firmware[1].oneShotID)
        }

        @Test(
            "Wherever bits flip, the agent starts and publishes no wrong byte",
            arguments: 1...6 as ClosedRange<UInt64>
        )
        func flippedAnywhere(seed: UInt64) async throws {
            let firmware = [TestFirmware(200_000, version: "1.0.0"), TestFirmware(60_000, version: "1.0.1", seed: 3)]
            let gateway = try await filled(firmware)
            var file = try Self.bytes(Self.spool(gateway))
            let places = TemporaryFolder.bytes(24, seed: seed)
            for index in stride(from: 0, to: 24, by: 4) {
                let place = places[index..<index + 3].reduce(0) { $0 << 8 | Int($1) }
                // Every other one within the first pages, where the tables are.
                file[place % (index % 8 == 0 ? 40_000 : file.count)] ^= 1 << (places[index + 3] & 7)
            }
            try file.write(to: URL(fileURLWithPath: Self.spool(gateway)))
            try gateway.launch()
            try await expectAtWork(gateway, besides: firmware)
            #expect(gateway.agent?.isRunning == true)
            // What was set aside is what was there.
            for path in try Self.setAside(gateway) { #expect(try Self.bytes(path).count == file.count) }
        }

        @Test("A spool that was cut off, or is no database, is set aside and told of", arguments: ["cut", "garbage"])
        func unreadable(kind: String) async throws {
            let firmware = [TestFirmware(400_000, version: "1.0.0")]
            let gateway = try await filled(firmware)
            let file = try Self.bytes(Self.spool(gateway))
            let damaged =
                kind == "cut" ? file.prefix(file.count / 3) : Data(TemporaryFolder.bytes(file.count, seed: 77))
            try damaged.write(to: URL(fileURLWithPath: Self.spool(gateway)))
            try gateway.launch()
            try await expectAtWork(gateway, besides: firmware)
            let kept = try #require(try Self.setAside(gateway).first)
            #expect(try Self.bytes(kept) == damaged)
            let status = try #require(gateway.probe.messages(on: Gateway.root + "/status").last?.json)
            #expect(status["problems"]?.array?.contains { $0["code"]?.string == "spool-damaged" } == true)
        }

        @Test("Without its spool the agent begins anew, and says so to whoever asks")
        func missing() async throws {
            let firmware = [TestFirmware(100_000, version: "1.0.0")]
            let gateway = try await filled(firmware)
            let folder = gateway.folder.file("spool")
            try FileManager.default.removeItem(atPath: folder)
            try await gateway.start()
            let answer = try await gateway.ask(firmware[0].oneShotID, "query")
            #expect(answer.reasonText == "unknown-transfer")
            try await expectAtWork(gateway, besides: firmware)
        }

        @Test("On a file system that turned read-only it says so, and goes on when it can be written again")
        func readOnly() async throws {
            let fault = DiskFault(call: .write, effect: .error("EROFS"), nth: 25, span: .times(4))
            let outcome = try await DiskTrial(fault: fault).run()
            #expect(outcome.hasStruck && outcome.hasSaid && !outcome.hasEnded)
        }

        private static let canMount: Bool = {
            guard geteuid() == 0, let folder = try? TemporaryFolder("mount-probe") else { return false }
            let isMounted = mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") == 0
            if isMounted { umount2(folder.path, Int32(MNT_DETACH)) }
            return isMounted
        }()

        @Test(
            "Started on a read-only file system it ends with a sentence; afterwards all is there",
            .enabled(if: canMount)
        )
        func readOnlyStart() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let folder = gateway.folder.file("spool")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try #require(mount("tmpfs", folder, "tmpfs", 0, "size=64m") == 0)
            defer { umount2(folder, Int32(MNT_DETACH)) }
            try await gateway.start()
            _ = try await gateway.command("pause")
            let firmware = TestFirmware(200_000)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: firmware.oneShotID)
            try await gateway.stop()

            try #require(mount("tmpfs", folder, nil, UInt(MS_REMOUNT | MS_RDONLY), nil) == 0)
            try gateway.launch()
            let agent = try #require(gateway.agent)
            #expect(try await agent.waitForExit() == .exited(1))
            let text = agent.text(.errors)
            #expect(text.contains("Read-only file system") && text.contains(folder), "\(text)")

            try #require(mount("tmpfs", folder, nil, UInt(MS_REMOUNT), "size=64m") == 0)
            try await gateway.start()
            _ = try await gateway.command("resume")
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
            try await gateway.stop()
        }
    }
}
