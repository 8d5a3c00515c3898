import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("Acknowledged means on the device")
    struct AcknowledgementOrderTests {
        private static let delay = Duration.milliseconds(100)

        @Test("The PUBACK of a segment passes only after every sync of the commit that made it durable")
        func afterTheCommit() async throws {
            let notes = try TemporaryFolder("strace")
            let gateway = try await Gateway {
                $0.isRecorded = true
                // Every sync takes at least so long; what acknowledges before one does it at once.
                $0.wrapper = [
                    "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e",
                    "inject=fsync,fdatasync:delay_exit=100000", "-o", notes.file("syncs"),
                    // The agent must not outlive strace, which a test kills.
                    "setpriv", "--pdeathsig", "KILL", "--",
                ]
            }
            func syncs() throws -> Int {
                try String(contentsOfFile: notes.file("syncs"), encoding: .utf8).split(separator: "\n").count {
                    $0.contains("sync(") && !$0.contains("resumed")
                }
            }
            let firmware = TestFirmware(50_000)
            try await gateway.ask("x", "init", firmware.initialization())
            var counts: [Int] = []
            for cut in firmware.cuts(10_000) {
                let before = try syncs()
                try await gateway.ask("x", "\(cut.lowerBound)", firmware.part(cut))
                counts.append(try syncs() - before)
            }
            let proxy = try #require(gateway.proxy)
            let recording = try #require(proxy.recording(clientID: "otaferry-\(Gateway.name)-data"))
            let arrived = recording.packets(.toClient).filter { packet in
                packet.kind == .publish && packet.topic?.contains("/t/x/") == true
                    && packet.topic?.hasSuffix("init") == false
            }
            #expect(arrived.count == counts.count)
            for (publish, count) in zip(arrived, counts) {
                // A commit syncs the journal before the file.
                #expect(count >= 2)
                // The answer to the sender goes over the other connection, and may be seen first.
                func find() -> MQTTPacket? {
                    let packets = proxy.recording(clientID: "otaferry-\(Gateway.name)-data")?.packets(.toServer) ?? []
                    return packets.first {
                        $0.kind == .puback && $0.packetID == publish.packetID && $0.time > publish.time
                    }
                }
                try await eventually("the PUBACK") { find() != nil }
                let acknowledgement = try #require(find())
                #expect(acknowledgement.time - publish.time >= Self.delay * count)
            }
        }
    }
}
