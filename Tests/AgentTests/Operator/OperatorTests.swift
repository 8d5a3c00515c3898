import AliyunOTA
import Broker
import FerryCore
import Foundation
import Logging
import Spool
import TestSupport
import Testing

@testable import Agent

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// An operator's side of the agent, without a broker and a cloud.
private struct OperatorBench {
    let intake: IntakeBench
    let commands: Operator
    let publisher: Publisher

    init() throws {
        intake = try IntakeBench(openTransfersMax: 1_000)
        let settings = CloudSettings(region: "cn-shanghai", link: .init(version: "test"))
        let http = HTTPClient(settings: settings)
        let clock = ServerClock()
        publisher = Publisher(
            spool: intake.spool,
            herald: intake.herald,
            cloud: CloudCalls(
                client: OTAClient(
                    settings: settings,
                    credentials: CredentialsFile(path: "/nowhere", profile: "default"),
                    http: http,
                    clock: clock,
                    logger: quiet
                ),
                pacer: CallPacer(callsPerSecond: 1),
                clock: clock,
                board: intake.board
            ),
            policy: PublicationPolicy(),
            limits: UploadLimits(window: nil, rate: nil, limitRate: { _ in }, minuteOfDay: { 0 }),
            concurrent: 1,
            logger: quiet,
            bytesReleased: {}
        )
        let mailbox = intake.mailbox
        commands = Operator(
            spool: intake.spool,
            herald: intake.herald,
            publisher: publisher,
            logger: quiet,
            publish: { mailbox.publish($0) },
            synchronize: { _ = mailbox.publish(OutboundMessage(topic: "synchronized", payload: [])) },
            sayStatus: { done in
                _ = mailbox.publish(OutboundMessage(topic: "status", payload: []))
                done(true)
            }
        )
    }

    /// Gives a command as the control connection does; answers with what was answered on `back`.
    @discardableResult
    func give(_ verb: String, _ arguments: JSONValue, isRetained: Bool = false) async -> JSONValue {
        var properties = MessageProperties()
        properties.responseTopic = "back"
        let message = InboundMessage(
            topic: "otaferry/v1/gw/cmd/\(verb)",
            payload: arguments.encoded,
            isRetained: isRetained,
            properties: properties
        )
        let commands = commands
        // It waits for the spool, which only threads of our own may do.
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                #expect(commands.receive([message]) == .done)
                continuation.resume()
            }
        }
        return intake.mailbox.payloads(on: "back").last ?? .null
    }

    func code(_ verb: String, _ arguments: JSONValue) async -> String {
        let answer = await give(verb, arguments)
        return answer["ok"] == true ? "ok" : answer["error"]?["code"]?.string ?? "?"
    }

    /// `ci/<id>` with all its bytes; held without metadata.
    func held(_ id: String) async throws {
        _ = try await intake.send([
            ("t/\(id)/init", Array("{\"name\":\"x.bin\"}".utf8)), ("t/\(id)/0", [1, 2, 3]), ("t/\(id)/fin/3", []),
        ])
        try await intake.change("ci/\(id)") { transfer in
            transfer.verified(
                .init(sha256: Known.sha256([1, 2, 3]), md5: .init(bytes: [1]), crc64: 0),
                catalog: Known.catalog,
                at: .now()
            )
        }
    }
}

@Suite("What commands do")
struct OperatorTests {
    @Test("ping answers with version and time, and sync says everything again")
    func pingAndSync() async throws {
        let bench = try OperatorBench()
        let answer = await bench.give("ping", ["request": "r1"])
        #expect(answer["ok"] == true && answer["request"] == "r1")
        #expect(
            answer["result"]?["version"]?.string != nil
                && WallTime(iso8601: answer["result"]?["time"]?.string ?? "") != nil
        )
        await bench.give("sync", [:])
        #expect(bench.intake.mailbox.messages.contains { $0.topic == "synchronized" })
    }

    @Test("A ping is answered behind the newest status, which it does not wait for where there is none")
    func statusBeforePong() async throws {
        let bench = try OperatorBench()
        bench.intake.board.touch()
        #expect(await bench.give("ping", ["request": "r1"])["result"]?["status"] == true)
        #expect(bench.intake.mailbox.messages.map(\.topic).suffix(2) == ["status", "back"])
        bench.intake.board.isBeingSaid()
        #expect(await bench.give("ping", ["request": "r2"])["result"]?.object?["status"] == nil)
        #expect(bench.intake.mailbox.messages.map(\.topic).suffix(2) == ["back", "back"])
    }

    @Test("list goes through all pages, and keeps to its filter")
    func list() async throws {
        let bench = try OperatorBench()
        for number in 0..<5 { _ = try await bench.intake.ack("t/t\(number)/init", Array("{\"name\":\"x\"}".utf8)) }
        try await bench.held("held")
        var ids: [String] = []
        var after: JSONValue = nil
        repeat {
            let answer = await bench.give("list", ["filter": ["state": "receiving"], "limit": 2, "after": after])
            let states = try #require(answer["result"]?["states"]?.array)
            #expect(states.count <= 2)
            ids += states.compactMap { $0["id"]?.string }
            after = answer["result"]?["next"] ?? .null
        } while after != .null
        #expect(ids == ["t0", "t1", "t2", "t3", "t4"])
        let newest = await bench.give("list", ["filter": ["state": "receiving"], "order": "newest", "limit": 3])
        #expect(newest["result"]?["states"]?.array?.compactMap { $0["id"]?.string } == ["t4", "t3", "t2"])
        let next = newest["result"]?["next"] ?? .null
        let older = await bench.give(
            "list",
            ["filter": ["state": "receiving"], "order": "newest", "after": next]
        )
        #expect(older["result"]?["states"]?.array?.compactMap { $0["id"]?.string } == ["t1", "t0"])
        let held = await bench.give("list", ["filter": ["sender": "ci", "state": "held"]])
        #expect(held["result"]?["states"]?.array?.count == 1 && held["result"]?.object?["next"] == .null)
        let none = await bench.give("list", ["filter": ["sender": "nobody"]])
        #expect(none["result"]?["states"] == [])
        for wrong in [
            ["filter": ["state": "flying"]], ["limit": 0], ["limit": 501], ["filter": ["sender": "a b"]],
            ["after": "x"], ["order": "up"],
        ] as [JSONValue] {
            #expect(await bench.code("list", wrong) == "bad-request", "\(wrong.text)")
        }
    }

    @Test("list finds a product by its alias and by its key, whichever the sender named", arguments: [0, 1])
    func products(index: Int) async throws {
        let bench = try OperatorBench()
        let names = ["pumpctl", "a1B2c3D4e5F"]
        for (number, product) in (names + [nil]).enumerated() {
            var request: [String: JSONValue] = ["name": "x"]
            if let product { request["firmware"] = ["product": .string(product)] }
            _ = try await bench.intake.ack("t/t\(number)/init", JSONValue.object(request).encoded)
        }
        let found = await bench.give("list", ["filter": ["product": .string(names[index]), "state": "receiving"]])
        #expect(found["result"]?["states"]?.array?.compactMap { $0["id"]?.string } == ["t0", "t1"], "\(found.text)")
        let firmware = found["result"]?["states"]?.array?.map { $0["firmware"] }
        #expect(firmware?.allSatisfy { $0?["alias"] == "pumpctl" && $0?["product_key"] == "a1B2c3D4e5F" } == true)
        let other = await bench.give("list", ["filter": ["product": "other"]])
        #expect(other["result"]?["states"] == [])
    }

    @Test("An answer that the broker would not take is answered by its size instead")
    func largeAnswer() async throws {
        let bench = try OperatorBench()
        for number in 0..<5 { _ = try await bench.intake.ack("t/t\(number)/init", Array("{\"name\":\"x\"}".utf8)) }
        bench.intake.board.dataLink(isUp: true, maximumPacket: ByteCount(3_000))
        let answer = await bench.give("list", ["request": "r1"])
        #expect(answer["error"]?["code"] == "answer-too-large" && answer["request"] == "r1")
        #expect(await bench.code("list", ["limit": 1]) == "ok")
    }

    @Test("get shows the state and the history")
    func get() async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        let answer = await bench.give("get", ["transfer": "one"])
        #expect(answer["result"]?["state"]?["state"] == "held")
        #expect(answer["result"]?["events"]?.array?.isEmpty == false)
        #expect(await bench.code("get", ["transfer": "two"]) == "unknown-transfer")
        #expect(await bench.code("get", ["transfer": "one", "sender": "other"]) == "unknown-transfer")
        #expect(await bench.code("get", [:]) == "bad-request")
        _ = try await bench.intake.send([
            InboundMessage(topic: "otaferry/v1/gw/in/dev/t/one/init", payload: Array("{\"name\":\"x\"}".utf8))
        ])
        #expect(await bench.code("get", ["transfer": "one"]) == "ambiguous")
        #expect(await bench.code("get", ["transfer": "one", "sender": "dev"]) == "ok")
    }

    @Test("describe sets a held one going")
    func describe() async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        #expect(await bench.code("describe", ["request": "r1", "transfer": "one"]) == "bad-request")
        #expect(
            await bench.code("describe", ["request": "r2", "transfer": "one", "firmware": ["product": "other"]])
                == "unknown-product"
        )
        #expect(
            await bench.code("describe", ["request": "r3", "transfer": "one", "firmware": ["version": "a b"]])
                == "bad-metadata"
        )
        #expect(
            await bench.code(
                "describe",
                ["request": "r4", "transfer": "one", "firmware": ["product": "pumpctl", "version": "1"]]
            ) == "ok"
        )
        #expect(try await bench.intake.transfer()?.state == .stored)
        #expect(bench.intake.mailbox.payloads(on: "otaferry/v1/gw/state/ci/one").last?["firmware"]?["version"] == "1")
    }

    @Test("describe corrects what the files of a package share for all of them")
    func describePackage() async throws {
        let bench = try OperatorBench()
        for id in ["one", "two"] {
            try await bench.held(id)
            let package: JSONValue = ["package": ["id": "spring", "files": 2]]
            try await bench.intake.change("ci/\(id)") { transfer in
                transfer.request?.name = id + ".bin"
                guard let firmware = try? transfer.firmware.corrected(by: package) else { return }
                transfer.firmware = firmware
            }
        }
        let changes: JSONValue = ["product": "pumpctl", "version": "2"]
        #expect(await bench.code("describe", ["request": "r1", "transfer": "one", "firmware": changes]) == "ok")
        for id in ["one", "two"] {
            let state = bench.intake.mailbox.payloads(on: "otaferry/v1/gw/state/ci/\(id)").last
            #expect(state?["firmware"]?["version"] == "2" && state?["state"] == "stored", "\(state?.text ?? "")")
        }
    }

    @Test("A repeated request gets the first answer again and does nothing")
    func repeated() async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        let first = await bench.give("cancel", ["request": "r1", "transfer": "one"])
        #expect(first["ok"] == true && first["result"]?["state"] == "cancelled")
        #expect(await bench.give("cancel", ["request": "r1", "transfer": "one"]) == first)
        #expect(await bench.code("cancel", ["request": "r2", "transfer": "one"]) == "final")
        let refused = await bench.give("cancel", ["request": "r3", "transfer": "two"])
        try await bench.held("two")
        #expect(await bench.give("cancel", ["request": "r3", "transfer": "two"]) == refused)
        #expect(try await bench.intake.transfer("ci/two")?.state == .held)
    }

    @Test("cancel, purge, priority, pause, resume and retry do as they say, and say so")
    func changes() async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        #expect(await bench.code("retry", ["request": "a", "transfer": "one"]) == "needs-metadata")
        #expect(await bench.code("priority", ["request": "b", "transfer": "one", "priority": 7]) == "ok")
        #expect(await bench.code("priority", ["request": "c", "transfer": "one", "priority": 101]) == "bad-request")
        #expect(await bench.code("priority", ["request": "d", "transfer": "one"]) == "bad-request")
        #expect(await bench.code("pause", ["request": "e", "transfer": "one"]) == "ok")
        let paused = try await bench.intake.transfer()
        #expect(paused?.isPaused == true && paused?.firmware.priority == 7)
        #expect(await bench.code("resume", ["request": "f", "transfer": "one"]) == "ok")
        #expect(try await bench.intake.transfer()?.isPaused == false)
        #expect(await bench.code("purge", ["request": "g", "transfer": "one"]) == "not-final")
        #expect(await bench.code("cancel", ["request": "h", "transfer": "one"]) == "ok")
        #expect(await bench.code("purge", ["request": "i", "transfer": "one"]) == "ok")
        #expect(try await bench.intake.transfer() == nil)
        let last = bench.intake.mailbox.messages.last { $0.topic == "otaferry/v1/gw/state/ci/one" }
        #expect(last?.payload.isEmpty == true && last?.isRetained == true)
    }

    @Test("pause and resume of everything survive a restart")
    func pauseAll() async throws {
        let bench = try OperatorBench()
        for (verb, kept) in [("pause", "all"), ("resume", nil)] as [(String, String?)] {
            #expect(await bench.code(verb, ["request": .string(verb)]) == "ok")
            let setting = try await bench.intake.spool.read { (ledger) throws(SpoolError) in
                try ledger.setting(OperatorTransaction.pausedSetting)
            }
            #expect(setting == kept)
            #expect(bench.intake.board.has(.paused) == (kept != nil))
        }
    }

    @Test("limits hold until the next restart, or for good, and wrong ones are refused")
    func limits() async throws {
        let bench = try OperatorBench()
        let answer = await bench.give("limits", ["request": "a", "rate-limit": "1MiB/s", "window": "01:00-05:00"])
        #expect(answer["ok"] == true && answer["result"]?["window"] == "01:00-05:00", "\(answer.text)")
        let setting = try await bench.intake.spool.read { (ledger) throws(SpoolError) in try ledger.setting("window") }
        #expect(setting == nil)
        #expect(await bench.code("limits", ["request": "b", "window": "25:00-26:00"]) == "bad-request")
        #expect(await bench.code("limits", ["request": "c", "rate-limit": "fast"]) == "bad-request")
        #expect(await bench.code("limits", ["request": "d", "window": "02:00-05:00", "keep": true]) == "ok")
        let kept = try await bench.intake.spool.read { (ledger) throws(SpoolError) in try ledger.setting("window") }
        #expect(kept == "02:00-05:00")
        let reset = await bench.give("limits", ["request": "e", "reset": true])
        #expect(reset["result"]?["window"] == "" && reset["result"]?["kept"] == false, "\(reset.text)")
    }

    @Test(
        "A member of another kind is refused, and is not taken for one that is missing",
        arguments: [
            ("pause", ["transfer": .null]), ("pause", ["transfer": 5]), ("limits", ["rate-limit": 5]),
            ("limits", ["rate-limit": "1MiB/s", "keep": "yes"]), ("list", ["limit": "1"]), ("list", ["filter": "x"]),
            ("list", ["filter": ["state": 5]]), ("list", ["filter": ["state": ["stored"]]]),
            ("cancel", ["transfer": "one", "sender": 5]), ("priority", ["transfer": "one", "priority": .double(1.5)]),
        ] as [(String, [String: JSONValue])]
    )
    func kinds(verb: String, members: [String: JSONValue]) async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        let members = members.merging(["request": "r"]) { $1 }
        #expect(await bench.code(verb, .object(members)) == "bad-request")
        #expect(!bench.intake.board.has(.paused))
        #expect(try await bench.intake.transfer()?.state == .held)
    }

    @Test("Members that mean nothing are named in the answer, and change nothing")
    func ignoredMembers() async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        for (verb, members, ignored) in [
            ("limits", ["rate_limit": "5MiB/s", "v": 1], ["rate_limit"]),
            ("describe", ["transfer": "one", "firmware": ["versoin": "2"]], ["firmware.versoin"]),
            ("list", ["filter": ["stat": "held", "sender": "ci"], "pages": 2], ["pages", "filter.stat"]),
            ("cancel", ["transfer": "two", "why": 1], ["why"]), ("ping", ["x\u{7}": 1], ["x\\u{7}"]),
        ] as [(String, [String: JSONValue], JSONValue)] {
            let members = members.merging(["request": .string("r-\(verb)")]) { $1 }
            #expect(await bench.give(verb, .object(members))["ignored"] == ignored, "\(verb)")
        }
        #expect(await bench.give("get", ["transfer": "one"]).object?["ignored"] == nil)
        #expect(try await bench.intake.transfer()?.firmware.version == nil)
    }

    @Test("Null is as good as nothing, and a reset that comes with a mistake resets nothing")
    func nulls() async throws {
        let bench = try OperatorBench()
        #expect(await bench.code("list", ["request": "a", "filter": .null, "limit": .null]) == "ok")
        #expect(await bench.code("limits", ["request": "b", "window": "02:00-05:00", "keep": true]) == "ok")
        #expect(await bench.code("limits", ["request": "c", "reset": true, "rate-limit": "oops"]) == "bad-request")
        #expect(await bench.give("limits", ["request": "d"])["result"]?["kept"] == true)
    }

    @Test("Of limits in force, those that end with the next start are named")
    func limitsUntilRestart() async throws {
        let bench = try OperatorBench()
        func expect(_ members: [String: JSONValue], kept: Bool, _ ending: JSONValue) async {
            let answer = await bench.give("limits", .object(members))
            #expect(answer["result"]?["kept"] == .bool(kept), "\(answer.text)")
            #expect(answer["result"]?["until_restart"] == ending, "\(answer.text)")
        }
        await expect(["request": "a"], kept: false, [])
        await expect(["request": "b", "rate-limit": "3MB/s", "keep": true], kept: true, [])
        await expect(["request": "c", "window": "01:00-02:00"], kept: false, ["window"])
        await expect(["request": "d", "rate-limit": "4MB/s"], kept: false, ["rate-limit", "window"])
        await expect(["request": "e", "rate-limit": "3MB/s", "window": ""], kept: true, [])
    }

    @Test("A name that was made goes with the version that it was made for")
    func madeName() async throws {
        let bench = try OperatorBench()
        for (id, version) in [("one", "1.4"), ("two", "1_4")] {
            let request: JSONValue = [
                "name": "x.bin", "firmware": ["product": "pumpctl", "version": .string(version)],
            ]
            _ = try await bench.intake.send([("t/\(id)/init", request.encoded)])
        }
        #expect(try await bench.intake.transfer("ci/one")?.firmware.name == nil)
        #expect(try await bench.intake.transfer("ci/two")?.firmware.name?.hasPrefix("pumpctl-1_4-") == true)
        let changes: JSONValue = ["request": "a", "sender": "ci", "transfer": "two", "firmware": ["version": "1.5"]]
        #expect(await bench.code("describe", changes) == "ok")
        #expect(try await bench.intake.transfer("ci/two")?.firmware.name == nil)
    }

    @Test("A retained command does nothing, and clearing it is not answered")
    func retained() async throws {
        let bench = try OperatorBench()
        try await bench.held("one")
        let answer = await bench.give("cancel", ["request": "r", "transfer": "one"], isRetained: true)
        #expect(answer["error"]?["code"] == "retained")
        #expect(try await bench.intake.transfer()?.state == .held)
    }
}
