import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("A firmware in segments")
    struct SegmentTests {
        private let firmware = TestFirmware(200_000)

        @Test("Segments in any order leave a hole; fin names it, and filling it finishes by itself")
        func hole() async throws {
            let gateway = try await Gateway()
            let begun = try await gateway.ask("x", "init", firmware.initialization())
            #expect(begun.reasonText == "ok")
            #expect(begun["state"]?.string == "receiving")
            #expect(begun["received"]?.integer == 0)
            let cuts = firmware.cuts(20_000)
            var order = Array(cuts.indices)
            order.swapAt(0, 9)
            order.swapAt(3, 7)
            for index in order where index != 5 {
                try await gateway.send("t/x/\(cuts[index].lowerBound)", firmware.part(cuts[index]))
            }
            let incomplete = try await gateway.ask("x", firmware.finish) { $0.reasonText == "incomplete" }
            #expect(incomplete.missing == [[100_000, 120_000]])
            #expect(incomplete["received"]?.integer == 180_000)
            #expect(incomplete["durable"]?.integer == 100_000)
            #expect(incomplete["more"]?.bool == false)
            let repeated = try await gateway.ask("x", firmware.finish)
            #expect(repeated.reasonText == "incomplete")
            #expect(repeated.missing == [[100_000, 120_000]])
            try await gateway.send("t/x/100000", firmware.part(cuts[5]))
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
            try gateway.expectGrowingSequence("x")
            let last = try await gateway.ask("x", firmware.finish)
            #expect(last.reasonText == "ok")
            #expect(last["state"]?.string == "registered")
            #expect(last["received"]?.integer == 200_000)
        }

        @Test("Segments may overlap, repeat and be cut differently the second time")
        func overlap() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            for size in [50_000, 33_333, 70_001] {
                for cut in firmware.cuts(size).dropLast() {
                    try await gateway.send("t/x/\(cut.lowerBound)/\(firmware.digest(cut))", firmware.part(cut))
                }
            }
            try await gateway.ask("x", "query") { $0["received"]?.integer == 199_998 }
            try await gateway.send("t/x/199990", firmware.part(199_990..<200_000))
            try await gateway.send("t/x/" + firmware.finish)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("A segment that does not have the checksum of its topic is refused and not stored")
        func segmentChecksum() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            let refused = try await gateway.ask("x", "0/\(firmware.digest(0..<10))", firmware.part(0..<11))
            #expect(refused.reasonText == "checksum-mismatch")
            #expect(refused["received"]?.integer == 0)
            let taken = try await gateway.ask("x", "0/\(firmware.digest(0..<11))", firmware.part(0..<11))
            #expect(taken.reasonText == "ok")
            #expect(taken["received"]?.integer == 11)
        }

        @Test("Overlapping bytes that differ are a conflict, and the stored ones stay")
        func conflictingBytes() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.part(0..<100_000))
            var other = firmware.part(90_000..<200_000)
            other[0] ^= 1
            let refused = try await gateway.ask("x", "90000", other)
            #expect(refused.reasonText == "conflict")
            #expect(refused["received"]?.integer == 100_000)
            try await gateway.ask("x", "90000", firmware.part(90_000..<200_000))
            try await gateway.send("t/x/" + firmware.finish)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("Segments may come before init, up to a limit, and have no state until then")
        func orphans() async throws {
            let gateway = try await Gateway { $0.settings["intake.orphan-max"] = "128KiB" }
            let early = try await gateway.ask("x", "100000", firmware.part(100_000..<200_000))
            #expect(early.reasonText == "ok")
            #expect(early["received"]?.integer == 100_000)
            let tooMany = try await gateway.ask("x", "0", firmware.part(0..<100_000))
            #expect(tooMany.reasonText == "unknown-transfer")
            #expect(tooMany["received"]?.integer == 100_000)
            let early2 = try await gateway.ask("x", "fin/200000")
            #expect(early2.reasonText == "unknown-transfer")
            #expect(gateway.states("x").isEmpty)
            let begun = try await gateway.ask("x", "init", firmware.initialization())
            #expect(begun["received"]?.integer == 100_000)
            #expect(begun.missing == [[0, 100_000]])
            try await gateway.send("t/x/0", firmware.part(0..<100_000))
            try await gateway.send("t/x/" + firmware.finish)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("abort forgets the transfer and its state, and the same id may begin anew with other bytes")
        func abort() async throws {
            let gateway = try await Gateway()
            let other = TestFirmware(150_000, version: "1.4.3", seed: 8)
            try await gateway.ask("x", "init", other.initialization())
            try await gateway.ask("x", "0", other.part(0..<100_000))
            let aborted = try await gateway.ask("x", "abort")
            #expect(aborted["state"] == nil)
            #expect(aborted.reasonText == "ok")
            #expect(aborted["received"]?.integer == 0)
            #expect(try await gateway.retained("state/ci/x") == nil)
            #expect(try await gateway.ask("x", "query").reasonText == "unknown-transfer")
            let begun = try await gateway.ask("x", "init", firmware.initialization())
            #expect(begun["received"]?.integer == 0)
            try await gateway.send("t/x/0", firmware.bytes)
            try await gateway.send("t/x/" + firmware.finish)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(try await gateway.ask("x", "abort").reasonText == "not-allowed")
        }

        @Test("The space of an aborted transfer is given back at once")
        func abortedSpace() async throws {
            let gateway = try await Gateway { $0.settings["spool.quota"] = "1MiB" }
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.bytes)
            try await gateway.ask("x", "abort")
            try await eventually("all of the quota") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["spool"]?["free"]?.integer == 1 << 20
            }
        }

        @Test("A second init that says the same is fine, one that says something else is a conflict")
        func secondInit() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.part(0..<1_000))
            let same = try await gateway.ask("x", "init", firmware.initialization())
            #expect(same.reasonText == "ok")
            #expect(same["received"]?.integer == 1_000)
            let other = try await gateway.ask("x", "init", firmware.initialization(["segments_ttl": 600]))
            #expect(other.reasonText == "conflict")
            #expect(other["received"]?.integer == 1_000)
        }

        @Test("A second fin with another size is a conflict, and the first one holds")
        func secondFin() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.part(0..<1_000))
            try await gateway.ask("x", "fin/200000")
            #expect(try await gateway.ask("x", "fin/199999").reasonText == "conflict")
            #expect(try await gateway.ask("x", "fin/200000").missing == [[1_000, 200_000]])
            let behind = try await gateway.ask("x", "199000", firmware.part(0..<2_000))
            #expect(behind.reasonText == "too-large")
            try await gateway.send("t/x/1000", firmware.part(1_000..<200_000))
            try await gateway.expectRegisteredOnce(firmware, gateway.waitForState(.registered, of: "x"))
        }

        @Test("An offset that jumps ahead of an order is a gap, said at once and as an event")
        func gap() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            for start in [0, 10_000, 20_000] {
                try await gateway.ask("x", "\(start)", firmware.part(start..<start + 10_000))
            }
            let gap = try await gateway.ask("x", "50000", firmware.part(50_000..<60_000))
            #expect(gap.reasonText == "gap")
            #expect(gap.missing == [[30_000, 50_000]])
            #expect(gap["durable"]?.integer == 30_000)
            try await eventually("the event") { gateway.events("x").contains { $0["event"]?.string == "gap" } }
        }

        @Test("A checksum that does not fit at fin publishes nothing, and the id begins anew after abort")
        func wrongChecksum() async throws {
            let gateway = try await Gateway()
            let digest = TestFirmware(10).sha256
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.bytes)
            let refused = try await gateway.ask("x", "fin/200000/\(digest)") { $0.reasonText == "checksum-mismatch" }
            #expect(refused["state"]?.string == "receiving")
            #expect(try await gateway.ask("x", "fin/200000/\(digest)").reasonText == "checksum-mismatch")
            #expect(try await gateway.ask("x", "query").reasonText == "checksum-mismatch")
            try await gateway.killAndRestart()
            let asked = try await gateway.ask("x", "query") { $0.reasonText == "checksum-mismatch" }
            #expect(asked["state"]?.string == "receiving")
            #expect(gateway.states("x").allSatisfy { $0["state"]?.string == "receiving" })
            #expect(gateway.states("x").last?.reasonCode == "checksum-mismatch")
            #expect(gateway.cloud.calls.isEmpty)
            #expect(try await gateway.ask("x", "abort")["state"] == nil)
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.send("t/x/0", firmware.bytes)
            try await gateway.send("t/x/" + firmware.finish)
            try await gateway.expectRegisteredOnce(firmware, gateway.waitForState(.registered, of: "x"))
        }

        @Test("50 MB in segments of 256 KiB from a fast sender arrive whole")
        func large() async throws {
            let gateway = try await Gateway()
            let firmware = TestFirmware(50_000_000)
            try await SegmentSender(client: gateway.probe, firmware: firmware, id: "big").run()
            let state = try await gateway.waitForState(.registered, of: "big", within: .seconds(60))
            try await gateway.expectRegisteredOnce(firmware, state)
            let peak = try #require(gateway.agent?.peakResidentBytes)
            #expect(peak < 150 << 20)
        }
    }
}
