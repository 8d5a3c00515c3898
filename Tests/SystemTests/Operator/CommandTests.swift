import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    @Suite("Commands of operators")
    struct CommandTests {
        private let firmware = TestFirmware(30_000)
        private var id: String { firmware.oneShotID }
        private var transfer: [String: JSONValue] { ["sender": "ci", "transfer": .string(id)] }

        @Test("ping answers with version and time, on res/<request> or the Response Topic with its Correlation Data")
        func ping() async throws {
            let gateway = try await Gateway()
            let answer = try await gateway.command("ping", ["request": "p1"])
            #expect(answer["ok"]?.bool == true)
            #expect(answer["request"]?.string == "p1")
            #expect(answer["result"]?["version"]?.string?.isEmpty == false)
            #expect(answer["result"]?["time"]?.string?.hasSuffix("Z") == true)
            try await gateway.probe.publish(
                "\(Gateway.root)/cmd/ping",
                [],
                properties: .init(responseTopic: "answers/me", correlationData: [0, 255, 7])
            )
            let message = try await gateway.probe.waitFor(topic: "answers/me")
            #expect(message.correlationData == [0, 255, 7])
            #expect(message.json?["ok"]?.bool == true)
            // An answer to a topic that cannot be published on must not break the connection.
            try await gateway.probe.publish(
                "\(Gateway.root)/cmd/ping",
                Array(#"{"request":"p2"}"#.utf8),
                properties: .init(responseTopic: "\(Gateway.root)/state/x/y")
            )
            #expect(try await gateway.command("ping")["ok"]?.bool == true)
        }

        @Test("list filters and goes page by page")
        func list() async throws {
            let gateway = try await Gateway()
            await gateway.cloud.stop()
            let files = (0..<5).map { TestFirmware(1_000, version: "3.0.\($0)", seed: UInt64($0 + 40)) }
            for (index, file) in files.enumerated() {
                let sender = index == 4 ? "other" : "ci"
                try await gateway.send("put/pumpctl/\(file.version)", file.bytes, sender: sender)
                try await gateway.waitForState(.stored, of: file.oneShotID, sender: sender)
            }
            var seen: [String] = []
            var after: JSONValue?
            for expected in [2, 2, 1] {
                var members: [String: JSONValue] = ["limit": 2]
                members["after"] = after
                let answer = try await gateway.command("list", members)
                let states = try #require(answer["result"]?["states"]?.array)
                #expect(states.count == expected)
                seen += states.compactMap { $0["id"]?.string }
                after = answer["result"]?["next"]
                #expect((after == nil) == (expected == 1))
            }
            #expect(seen == files.map(\.oneShotID))
            func count(_ filter: JSONValue) async throws -> Int? {
                try await gateway.command("list", ["filter": filter])["result"]?["states"]?.array?.count
            }
            #expect(try await count(["sender": "other"]) == 1)
            #expect(try await count(["sender": "ci", "product": "pumpctl"]) == 4)
            #expect(try await count(["product": "unheard"]) == 0)
            #expect(try await count(["state": "registered"]) == 0)
            #expect(try await gateway.command("list", ["filter": ["state": "odd"]]).errorCode == "bad-request")
            #expect(try await gateway.command("list", ["limit": 501]).errorCode == "bad-request")
        }

        @Test("get shows the state and the history; an unknown transfer is an error")
        func get() async throws {
            let gateway = try await Gateway()
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let state = try await gateway.waitForState(.registered, of: id)
            let answer = try await gateway.command("get", transfer)
            #expect(answer["result"]?["state"] == state)
            #expect(
                answer["result"]?["events"]?.array?.compactMap { $0["state"]?.string }
                    == ["receiving", "stored", "ticketing", "uploading", "registering", "registered"]
            )
            for verb in ["get", "cancel", "retry", "pause", "resume", "purge"] {
                let unknown = try await gateway.command(verb, ["sender": "ci", "transfer": "nobody"])
                #expect(unknown["ok"]?.bool == false)
                #expect(unknown.errorCode == "unknown-transfer")
            }
        }

        @Test("cancel ends a stored one for good")
        func cancelStored() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            #expect(try await gateway.command("cancel", transfer)["ok"]?.bool == true)
            let state = try await gateway.waitForState(.cancelled, of: id)
            #expect(state.reasonCode == "cancelled-by-operator")
            #expect(try await gateway.command("cancel", transfer).errorCode == "final")
            try await gateway.cloud.start()
            let other = TestFirmware(1_000, version: "1.4.3", seed: 9)
            try await gateway.send("put/pumpctl/1.4.3", other.bytes)
            try await gateway.expectRegisteredOnce(
                other,
                gateway.waitForState(.registered, of: other.oneShotID)
            )
            let before = gateway.acknowledgements(id).count
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await eventually("the answer") { gateway.acknowledgements(id).count > before }
            try await gateway.waitForState(.registered, of: id)
        }

        @Test("cancel stops an upload in flight within a second and closes its connection")
        func cancelUpload() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let firmware = TestFirmware(4_000_000)
            gateway.cloud.setFault(.postObject, .slowUpload(bytesPerSecond: 200_000))
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.cloud.waitForUpload(bytes: 90_000)
            let start = ContinuousClock.now
            let answer = try await gateway.command(
                "cancel",
                ["sender": "ci", "transfer": .string(firmware.oneShotID)]
            )
            #expect(answer["ok"]?.bool == true)
            let ended = try await gateway.cloud.waitFor(.postObject, within: .seconds(5))
            let answered = try #require(ended.first?.answered)
            #expect(answered - start < .seconds(1.5))
            #expect(ended.first?.status == nil)
            // What the kernel still sends of it is little.
            #expect(ended.first?.bodyBytes ?? .max < 1_000_000)
            try await gateway.waitForState(.cancelled, of: firmware.oneShotID)
            #expect(await gateway.cloud.objects.isEmpty)
            #expect(try await gateway.retained("state/ci/\(firmware.oneShotID)")?["state"]?.string == "cancelled")
        }

        @Test(
            "cancel and pause during a registration leave the others their turn",
            arguments: ["cancel", "pause", "pause all"]
        )
        func stopRegistration(_ how: String) async throws {
            let gateway = try await Gateway()
            let gate = Gate()
            gateway.cloud.setFault(.createFirmware, .holdAfterwards(gate))
            let (first, second) = (TestFirmware(5_000), TestFirmware(6_000, version: "1.4.3", seed: 9))
            try await gateway.send("put/pumpctl/\(first.version)", first.bytes)
            try await gateway.cloud.waitFor(.createFirmware, .received)
            let verb = how.split(separator: " ").first.map(String.init) ?? how
            let one: [String: JSONValue] = ["sender": "ci", "transfer": .string(first.oneShotID)]
            #expect(try await gateway.command(verb, how == "pause all" ? [:] : one)["ok"]?.bool == true)
            gate.open()
            if how == "pause all" {
                try await gateway.waitForState(.registered, of: first.oneShotID)
                _ = try await gateway.command("resume")
            }
            try await gateway.send("put/pumpctl/\(second.version)", second.bytes)
            try await gateway.waitForState(.registered, of: second.oneShotID)
            #expect(await gateway.cloud.firmware.count == 2)
        }

        @Test("cancel while receiving gives the space back and tells the sender")
        func cancelReceiving() async throws {
            let gateway = try await Gateway()
            try await gateway.ask("x", "init", firmware.initialization())
            try await gateway.ask("x", "0", firmware.part(0..<10_000))
            #expect(try await gateway.command("cancel", ["transfer": "x"])["ok"]?.bool == true)
            try await gateway.waitForState(.cancelled, of: "x")
            let late = try await gateway.ask("x", "10000", firmware.part(10_000..<20_000))
            #expect(late.reasonText == "not-allowed")
            #expect(late["state"]?.string == "cancelled")
            try await eventually("the space") {
                gateway.probe.messages(on: Gateway.root + "/status").last?.json?["spool"]?["used"]?.integer == 0
            }
        }

        @Test("retry makes a failed one begin anew, now")
        func retry() async throws {
            let gateway = try await Gateway { $0.settings["retry.attempts-max"] = "2" }
            gateway.cloud.setFault(.generateUploadURL, .answer(.init(status: 500)), times: nil)
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            let failed = try await gateway.waitForState(.failed, of: id)
            #expect(failed["reason"]?["class"]?.string == "permanent")
            try await gateway.killAndRestart()
            gateway.cloud.clearFaults()
            #expect(try await gateway.command("retry", transfer)["ok"]?.bool == true)
            let state = try await gateway.waitForState(.registered, of: id)
            try await gateway.expectRegisteredOnce(firmware, state)
            try gateway.expectGrowingSequence(id)
            #expect(try await gateway.command("retry", transfer).errorCode == "final")
        }

        @Test("pause rests one transfer or all, also over a restart, until resume", arguments: [false, true])
        func pause(isForAll: Bool) async throws {
            let gateway = try await Gateway()
            if isForAll {
                #expect(try await gateway.command("pause")["ok"]?.bool == true)
            } else {
                await gateway.cloud.stop()
            }
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.waitForState(.stored, of: id)
            if !isForAll {
                #expect(try await gateway.command("pause", transfer)["ok"]?.bool == true)
                try await gateway.waitForState(.stored, of: id) { $0["paused"]?.bool == true }
                try await gateway.cloud.start()
            }
            try await gateway.killAndRestart()
            #expect(try await gateway.retained("status")?["state"]?.string == "online")
            // A full round of everything that could start a publication.
            #expect(try await gateway.command("sync")["ok"]?.bool == true)
            try await gateway.ask("y", "init", firmware.initialization(firmware: ["version": "7"]))
            #expect(gateway.cloud.calls(.createFirmware).isEmpty)
            #expect(gateway.states(id).last?["state"]?.string == "stored")
            #expect(try await gateway.command("resume", isForAll ? [:] : transfer)["ok"]?.bool == true)
            let state = try await gateway.waitForState(.registered, of: id)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("pause stops an upload in flight, which begins anew after resume")
        func pauseUpload() async throws {
            let gateway = try await Gateway { $0.cloud = { $0.receiveBuffer = 32_768 } }
            let firmware = TestFirmware(3_000_000)
            let transfer: [String: JSONValue] = ["sender": "ci", "transfer": .string(firmware.oneShotID)]
            gateway.cloud.setFault(.postObject, .slowUpload(bytesPerSecond: 200_000))
            try await gateway.send("put/pumpctl/1.4.2", firmware.bytes)
            try await gateway.cloud.waitForUpload(bytes: 90_000)
            #expect(try await gateway.command("pause", transfer)["ok"]?.bool == true)
            try await gateway.cloud.waitFor(.postObject, within: .seconds(5))
            try await gateway.waitForState(.stored, of: firmware.oneShotID) { $0["paused"]?.bool == true }
            #expect(try await gateway.command("resume", transfer)["ok"]?.bool == true)
            let state = try await gateway.waitForState(.registered, of: firmware.oneShotID)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("purge forgets a final one and its retained state")
        func purge() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            #expect(try await gateway.command("purge", transfer).errorCode == "not-final")
            try await gateway.cloud.start()
            try await gateway.waitForState(.registered, of: id)
            #expect(try await gateway.command("purge", transfer)["ok"]?.bool == true)
            try await eventually("the state to go") { try await gateway.retained("state/ci/\(id)") == nil }
            #expect(try await gateway.command("get", transfer).errorCode == "unknown-transfer")
            try await gateway.killAndRestart()
            #expect(try await gateway.retained("state/ci/\(id)") == nil)
        }

        @Test("describe supplies the metadata of one that is held for it")
        func describe() async throws {
            let gateway = try await Gateway()
            let bare = JSONValue.object(["name": "blob.bin", "size": .integer(Int64(firmware.bytes.count))])
            try await gateway.ask("x", "init", bare.encoded)
            try await gateway.send("t/x/0", firmware.bytes)
            try await gateway.send("t/x/" + firmware.finish)
            let held = try await gateway.waitForState(.held, of: "x")
            #expect(held.reasonCode == "needs-metadata")
            #expect(try await gateway.command("retry", ["transfer": "x"]).errorCode == "needs-metadata")
            let wrong = try await gateway.command(
                "describe",
                ["transfer": "x", "firmware": ["product": "nobody", "version": "1.4.2"]]
            )
            #expect(wrong.errorCode == "unknown-product")
            let bad = try await gateway.command("describe", ["transfer": "x", "firmware": ["version": "a b"]])
            #expect(bad.errorCode == "bad-metadata")
            let answer = try await gateway.command(
                "describe",
                ["transfer": "x", "firmware": ["product": "pumpctl", "version": "1.4.2", "name": "by-hand"]]
            )
            #expect(answer["ok"]?.bool == true)
            let state = try await gateway.waitForState(.registered, of: "x")
            try await gateway.expectRegisteredOnce(firmware, state)
            #expect(await gateway.cloud.firmware.first?.name == "by-hand")
        }

        @Test("A command that changes nothing is answered, and no event says that something has changed")
        func changesNothing() async throws {
            let gateway = try await Gateway()
            try await gateway.command("pause")
            let file = TestFirmware(1_000, version: "4.1", seed: 80)
            let id = file.oneShotID
            let transfer: [String: JSONValue] = ["transfer": .string(id)]
            try await gateway.send("put/pumpctl/4.1", file.bytes)
            try await gateway.waitForState(.stored, of: id)
            try await eventually("the events so far") { gateway.events(id).count >= 2 }
            let count = gateway.events(id).count
            #expect(try await gateway.command("resume", transfer)["ok"]?.bool == true)
            #expect(try await gateway.command("priority", transfer.merging(["priority": 0]) { $1 })["ok"]?.bool == true)
            #expect(
                try await gateway.command("describe", transfer.merging(["firmware": [:]]) { $1 })["ok"]?.bool == true
            )
            #expect(try await gateway.command("pause", transfer)["ok"]?.bool == true)
            // Events are told in order: nothing came before that of the pause.
            try await eventually("the pause") { gateway.events(id).count > count }
            #expect(gateway.events(id).count == count + 1)
            try await gateway.command("cancel", transfer)
            #expect(try await gateway.command("resume", transfer).errorCode == "final")
        }

        @Test("priority changes which of the stored ones goes first")
        func priority() async throws {
            let gateway = try await Gateway()
            try await gateway.command("pause")
            let files = (0..<3).map { TestFirmware(1_000, version: "4.0.\($0)", seed: UInt64($0 + 60)) }
            for file in files {
                try await gateway.send("put/pumpctl/\(file.version)", file.bytes)
                try await gateway.waitForState(.stored, of: file.oneShotID)
            }
            let last: JSONValue = .string(files[2].oneShotID)
            #expect(try await gateway.command("priority", ["transfer": last, "priority": 101]).errorCode != nil)
            #expect(try await gateway.command("priority", ["transfer": last, "priority": 5])["ok"]?.bool == true)
            try await gateway.command("resume")
            for file in files { try await gateway.waitForState(.registered, of: file.oneShotID) }
            #expect(await gateway.cloud.firmware.map(\.version) == ["4.0.2", "4.0.0", "4.0.1"])
        }

        @Test("sync says every state and the status again")
        func sync() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            try await gateway.command("pause", transfer)
            let states = gateway.states(id).count
            let statuses = gateway.probe.messages(on: Gateway.root + "/status").count
            #expect(try await gateway.command("sync")["ok"]?.bool == true)
            try await eventually("both") {
                gateway.states(id).count > states
                    && gateway.probe.messages(on: Gateway.root + "/status").count > statuses
            }
        }

        @Test("A repeated request gets the first answer and does nothing, also after a restart")
        func repeated() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let first = try await gateway.command("pause", transfer.merging(["request": "same"]) { $1 })
            #expect(first["ok"]?.bool == true)
            try await gateway.command("resume", transfer)
            try await gateway.waitForState(.stored, of: id) {
                $0["paused"]?.bool == false && $0["seq"]?.integer ?? 0 > first["result"]?["seq"]?.integer ?? .max
            }
            let second = try await gateway.command("pause", transfer.merging(["request": "same"]) { $1 })
            #expect(second == first)
            #expect(gateway.states(id).last?["paused"]?.bool == false)
            try await gateway.killAndRestart()
            let third = try await gateway.command("pause", transfer.merging(["request": "same"]) { $1 })
            #expect(third == first)
            try await gateway.cloud.start()
            let state = try await gateway.waitForState(.registered, of: id)
            try await gateway.expectRegisteredOnce(firmware, state)
        }

        @Test("A retained command is refused, at the start and while the agent runs")
        func retained() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            let payload = JSONValue.object(transfer.merging(["request": "kept"]) { $1 }).encoded
            try await gateway.probe.publish("\(Gateway.root)/cmd/cancel", payload, retained: true)
            let refused = try await gateway.probe.waitFor(topic: "\(Gateway.root)/res/kept")
            #expect(refused.json?.errorCode == "retained")
            try await gateway.killAndRestart()
            let again = try await gateway.probe.waitFor(topic: "\(Gateway.root)/res/kept", skipping: 1)
            #expect(again.json?.errorCode == "retained")
            #expect(try await gateway.command("get", transfer)["result"]?["state"]?["state"]?.string != "cancelled")
        }

        @Test("Commands that come with the subscription, before the connection is ready, are answered too")
        func early() async throws {
            let gateway = try await Gateway { $0.isStarted = false }
            let padding = JSONValue.string(String(repeating: "x", count: 500_000))
            let requests = (0..<12).map { "early\($0)" }
            for request in requests {
                let payload: JSONValue = ["request": .string(request), "padding": padding]
                try await gateway.probe.publish("\(Gateway.root)/cmd/v-\(request)", payload.encoded, retained: true)
            }
            for _ in 0..<3 {
                let before = gateway.probe.messages.count
                try await gateway.start()
                for request in requests {
                    try await eventually("the answer to \(request)") {
                        gateway.probe.messages.dropFirst(before).contains { $0.topic.hasSuffix("/res/" + request) }
                    }
                }
                try await gateway.kill()
            }
        }

        @Test("Bad JSON, a missing field and an unknown verb get an answer that says so")
        func mistakes() async throws {
            let gateway = try await Gateway.waiting(with: firmware)
            func answer(_ verb: String, _ payload: String) async throws -> JSONValue? {
                let before = gateway.probe.messages(on: "answers/me").count
                try await gateway.probe.publish(
                    "\(Gateway.root)/cmd/\(verb)",
                    Array(payload.utf8),
                    properties: .init(responseTopic: "answers/me")
                )
                return try await gateway.probe.waitFor(topic: "answers/me", skipping: before).json
            }
            #expect(try await answer("ping", "{")?.errorCode == "bad-json")
            #expect(try await answer("ping", "[1]")?.errorCode == "bad-json")
            #expect(try await answer("ping", String(repeating: "[", count: 10_000))?.errorCode == "bad-json")
            let large = "{\"request\":\"r\",\"x\":\"" + String(repeating: "y", count: 1 << 20) + "\"}"
            #expect(try await answer("ping", large)?.errorCode == "bad-json")
            #expect(try await answer("explode", #"{"request":"m1"}"#)?.errorCode == "unknown-verb")
            #expect(try await answer("cancel", #"{"transfer":"\#(id)"}"#)?.errorCode == "bad-request")
            #expect(try await answer("cancel", #"{"request":"m2"}"#)?.errorCode == "bad-request")
            #expect(try await answer("cancel", #"{"request":"a/b","transfer":"x"}"#)?.errorCode == "bad-request")
            #expect(try await answer("priority", #"{"request":"m3","transfer":"\#(id)"}"#)?.errorCode == "bad-request")
            #expect(try await answer("describe", #"{"request":"m4","transfer":"\#(id)"}"#)?.errorCode == "bad-request")
            #expect(try await gateway.command("explode")["error"]?["text"]?.string?.contains("explode") == true)
            #expect(try await gateway.command("ping")["ok"]?.bool == true)
        }
    }
}
