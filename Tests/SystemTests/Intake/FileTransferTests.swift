import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension SystemTests {
    @Suite("EMQX's file transfer")
    struct FileTransferTests {
        private let firmware = TestFirmware(100_000)

        /// What a client of EMQX puts into `init`.
        private func initialization(_ userData: JSONValue) -> [UInt8] {
            JSONValue.object([
                "name": "pumpctl-1.4.2.bin", "size": .integer(Int64(firmware.bytes.count)),
                "checksum": .string(firmware.sha256), "user_data": userData,
            ]).encoded
        }

        /// Publishes a command and returns the reason code of its result.
        private func ask(_ gateway: Gateway, _ topic: String, _ payload: [UInt8] = []) async throws -> Int64? {
            let before = gateway.probe.messages(on: "answers/file").count
            try await gateway.probe.publish(
                topic,
                payload,
                properties: .init(responseTopic: "answers/file", correlationData: Array(topic.utf8))
            )
            let message = try await gateway.probe.waitFor(topic: "answers/file", skipping: before) {
                $0.json?["topic"]?.string == topic
            }
            #expect(message.correlationData == Array(topic.utf8))
            #expect(message.json?["vsn"]?.string == "0.1")
            return message.json?["reason_code"]?.integer
        }

        @Test("A client of EMQX delivers a file, hears of every command, and the file ends registered")
        func delivered() async throws {
            let gateway = try await Gateway()
            let data: JSONValue = ["product": "pumpctl", "version": "1.4.2"]
            #expect(try await ask(gateway, "$file/f1/init", initialization(data)) == 0)
            for cut in firmware.cuts(40_000).reversed().dropLast() {
                #expect(try await ask(gateway, "$file/f1/\(cut.lowerBound)", firmware.part(cut)) == 0)
            }
            #expect(try await ask(gateway, "$file/f1/fin/100000/\(firmware.sha256)") == 128)
            #expect(try await ask(gateway, "$file/f1/0", firmware.part(0..<40_000)) == 0)
            let state = try await gateway.waitForState(.registered, of: "f1", sender: "emqx")
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(try await ask(gateway, "$file/f1/fin/100000") == 0)
        }

        @Test("Without a Response Topic the result goes to the client that init names; long ids are shortened")
        func clientID() async throws {
            let gateway = try await Gateway()
            let id = "a file id / with spaces".replacing("/", with: "-")
            let data: JSONValue = ["product": "pumpctl", "version": "1.4.2", "client_id": "c7"]
            try await gateway.probe.publish("$file-async/\(id)/init", initialization(data))
            try await gateway.probe.publish("$file-async/\(id)/0", firmware.bytes)
            try await gateway.probe.publish("$file-async/\(id)/fin/100000", [])
            let result = try await gateway.probe.waitFor(topic: "$file-response/c7") {
                $0.json?["topic"]?.string == "$file-async/\(id)/fin/100000"
            }
            #expect(result.json?["reason_code"]?.integer == 0)
            let short = String(TestFirmware(Array(id.utf8)).sha256.prefix(16))
            let state = try await gateway.waitForState(.registered, of: short, sender: "emqx")
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("A client that init names hears of every step after an init that was refused")
        func refusedClient() async throws {
            let gateway = try await Gateway()
            let request = Array(#"{"name":"notes.txt","user_data":{"client_id":"c8"}}"#.utf8)
            try await gateway.probe.publish("$file-async/r1/init", request)
            try await gateway.probe.publish("$file-async/r1/0", firmware.bytes)
            try await gateway.probe.publish("$file-async/r1/fin/100000", [])
            for step in ["init", "0", "fin/100000"] {
                let result = try await gateway.probe.waitFor(topic: "$file-response/c8") {
                    $0.json?["topic"]?.string == "$file-async/r1/\(step)"
                }
                #expect(result.json?["reason_code"]?.integer == 131)
                #expect(result.json?["reason_description"]?.string?.contains("suffix") == true, "\(result.text)")
            }
        }

        @Test("A person sees the name of the file and what its client calls it, also after a restart")
        func names() async throws {
            let gateway = try await Gateway()
            let id = "Firmware für Pumpe 7"
            #expect(try await ask(gateway, "$file/\(id)/init", initialization([:])) == 0)
            #expect(try await ask(gateway, "$file/\(id)/init", initialization([:])) == 0)
            #expect(try await ask(gateway, "$file/\(id)/init", Array(#"{"name":"other.bin"}"#.utf8)) == 131)
            #expect(try await ask(gateway, "$file/\(id)/0", firmware.bytes) == 0)
            #expect(try await ask(gateway, "$file/\(id)/fin/100000") == 0)
            let short = String(TestFirmware(Array(id.utf8)).sha256.prefix(16))
            let held = try await gateway.waitForState(.held, of: short, sender: "emqx")
            #expect(held["file_id"]?.string == id && held["file"]?.string == "pumpctl-1.4.2.bin")
            try await gateway.killAndRestart()
            let person = Person(gateway: gateway)
            let show = try await person.run(["show", id])
            #expect(show.lines().contains("File ID       \(id)"), "\(show.story)")
            #expect(show.lines().contains("File          pumpctl-1.4.2.bin"), "\(show.story)")
            for columns in [60, 80, 200] {
                let list = try person.atTerminal(["list"], columns: columns)
                #expect(try await list.program.waitForExit() == .exited(0))
                #expect(list.screen.text.contains("pumpctl-1.4"), "\(list.screen.text)")
            }
            // Ours have none.
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let other = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            #expect(other.object?["file_id"] == .null)
        }

        @Test("A checksum that does not fit is try again, a conflict and a refusal are give up")
        func codes() async throws {
            let gateway = try await Gateway()
            let data: JSONValue = ["product": "pumpctl", "version": "1.4.2"]
            #expect(try await ask(gateway, "$file/f2/init", Array(#"{"name":"a/b"}"#.utf8)) == 131)
            #expect(try await ask(gateway, "$file/f2/init", initialization(data)) == 0)
            #expect(try await ask(gateway, "$file/f2/0", firmware.bytes) == 0)
            #expect(try await ask(gateway, "$file/f2/0", [firmware.bytes[0] ^ 1]) == 131)
            #expect(try await ask(gateway, "$file/f2/fin/100000/\(TestFirmware(5).sha256)") == 128)
            #expect(try await ask(gateway, "$file/f2/abort") == 0)
            #expect(gateway.cloud.calls.isEmpty)
        }

        @Test("A file without metadata is held until it is described, or a rule knows it by its name")
        func metadata() async throws {
            let gateway = try await Gateway()
            #expect(try await ask(gateway, "$file/f3/init", initialization([:])) == 0)
            #expect(try await ask(gateway, "$file/f3/0", firmware.bytes) == 0)
            #expect(try await ask(gateway, "$file/f3/fin/100000") == 0)
            let held = try await gateway.waitForState(.held, of: "f3", sender: "emqx")
            #expect(held.reasonCode == "needs-metadata")
            try await gateway.command(
                "describe",
                ["sender": "emqx", "transfer": "f3", "firmware": ["product": "pumpctl", "version": "1.4.2"]]
            )
            let state = try await gateway.waitForState(.registered, of: "f3", sender: "emqx")
            try await gateway.expectRegisteredOnce(firmware, state)
        }
    }
}
