import FerryCore
import TestSupport
import Testing

@testable import otaferry

@Suite("What a push shows")
struct PushProgressTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("push-progress") }

    /// A file of 100 bytes that the agent has said this about.
    private func delivery(_ name: String, _ state: TransferState?, _ status: JSONValue? = nil) throws -> Delivery {
        let source = try FirmwareSource(path: folder.write(Array(repeating: 1, count: 100), to: name))
        let file = PushFile(
            source: source,
            digest: try source.digest { _ in },
            address: try #require(TransferAddress(parsing: "ci/\(name)")),
            document: ["name": .string(name)]
        )
        var delivery = Delivery(file, root: "otaferry/v1/gw1", segment: 10)
        delivery.machine.agentReached()
        _ = delivery.machine.next(at: .zero)
        if let state {
            delivery.take(
                Acknowledgement(seq: 1, received: 100, credit: 1, segment: 1, state: state),
                at: .zero
            )
        }
        if let status {
            let document = (status.object ?? [:]).merging(["seq": 2]) { said, _ in said }
            delivery.take(try #require(TransferStatus(json: .object(document))), at: .zero)
        }
        return delivery
    }

    private func line(_ deliveries: [Delivery], _ surroundings: PushProgress.Surroundings = .init()) -> ProgressLine {
        var progress = PushProgress()
        return progress.line(deliveries, surroundings, at: .zero)
    }

    @Test("An upload shows what the agent tells of it")
    func uploads() throws {
        var delivery = try delivery("a.bin", .uploading, ["state": "uploading", "seq": 2, "cloud": ["sent": 20]])
        delivery.take(progress: ["state": "uploading", "sent": 40, "rate": 10, "eta": 6])
        #expect(line([delivery]).sentence == "uploading 40 % of 100 B, 10 B/s, 0:06 left")
    }

    @Test("How long an upload took counts from its beginning, if that was seen, and anew after a pause")
    func uploadTime() throws {
        func state(_ name: String, _ seq: Int64) throws -> TransferStatus {
            try #require(TransferStatus(json: ["state": .string(name), "seq": .integer(seq)]))
        }
        var late = try delivery("a.bin", .uploading)
        late.take(try state("uploading", 3), at: .seconds(5))
        #expect(late.uploadBegunAt == .seconds(5) && !late.isUploadWhole)
        late.take(try state("stored", 4), at: .seconds(6))
        late.take(try state("uploading", 5), at: .seconds(9))
        late.take(try state("uploading", 6), at: .seconds(10))
        #expect(late.uploadBegunAt == .seconds(9) && late.isUploadWhole)
    }

    @Test("A state from before the agent's answer, which comes after it, changes nothing")
    func isNotTakenBack() throws {
        let late = try delivery("a.bin", .stored, ["state": "receiving", "seq": 0])
        #expect(late.state == .stored)
        #expect(line([late]).phase == "stored")
    }

    @Test("A state that waits says why")
    func waits() throws {
        let reason: JSONValue = ["code": "cloud-busy", "class": "retry", "text": "The cloud is\u{7} busy", "hint": ""]
        let busy = try delivery("a.bin", .stored, ["state": "stored", "reason": reason])
        #expect(line([busy]).note == "The cloud is busy")
        let paused = try delivery("a.bin", .stored, ["state": "uploading", "paused": true])
        #expect(line([paused]).note.contains("otaferry resume"))
        let stored = try delivery("a.bin", .stored, ["state": "stored"])
        var rest = AgentOutlook()
        rest.problem = "All publication is paused"
        #expect(line([stored], .init(outlook: rest)).note == "All publication is paused")
        #expect(line([stored], .init(isConnected: false)).note.contains("broker"))
        #expect(line([stored], .init(isAgentAway: true)).note.contains("agent"))
        #expect(line([stored]).isTransient)
    }

    @Test("What the gateway's status says of another firmware is not shown as what this file waits for")
    func waitsBehindOthers() throws {
        let stored = try delivery("a.bin", .stored, ["state": "stored"])
        func waiting(_ code: String, reachable: JSONValue, publishing: JSONValue) -> ProgressLine {
            let text = JSONValue.string("Could not upload other.bin: the connection broke")
            let status: JSONValue = [
                "problems": [["code": .string(code), "text": text]], "cloud": ["reachable": reachable],
                "queue": ["publishing": publishing],
            ]
            return line([stored], .init(outlook: AgentOutlook(status: status)))
        }
        let broken = waiting("cloud", reachable: false, publishing: 1)
        #expect(broken.note == "waiting for its turn; the gateway does not reach the cloud now")
        #expect(!broken.isTransient)
        #expect(waiting("cloud", reachable: true, publishing: 2).note == "waiting for its turn behind 2 others")
        #expect(waiting("spool-full", reachable: true, publishing: 0).note == "waiting for its turn")
        #expect(waiting("spool-failing", reachable: true, publishing: 0).note.contains("other.bin"))
    }

    @Test("A sender that may read no states is told what the agent answers, and nothing that is not known")
    func blind() throws {
        let waiting = try delivery("a.bin", .stored)
        #expect(line([waiting], .init(isBlind: true)).note == "the gateway publishes it by itself")
        var told = try delivery("b.bin", nil)
        told.take(
            Acknowledgement(seq: 1, received: 100, credit: 1, segment: 1, state: .stored, text: "The link is down"),
            at: .zero
        )
        #expect(line([told], .init(isBlind: true)).note == "The link is down")
    }

    @Test("A file for which there is no room waits, and is not said to be sent")
    func waitsForRoom() throws {
        var refused = try delivery("a.bin", nil)
        refused.refusedWords = "The spool has room for 4.0 MB"
        let seen = line([refused])
        #expect((seen.phase, seen.note, seen.percent) == ("waiting", "The spool has room for 4.0 MB", nil))
        refused.take(Acknowledgement(seq: 1, received: 0, credit: 9, segment: 1, state: .receiving), at: .zero)
        #expect(line([refused]).phase == "sending")
        #expect(line([refused], .init(isAgentSilent: true)).note.contains("does not answer"))
    }

    @Test("In a log a reason is said once for each attempt")
    func log() throws {
        let reason: JSONValue = ["code": "cloud-busy", "class": "retry", "text": "The cloud is busy", "hint": ""]
        let next = WallTime.now() + .seconds(5)
        let state: JSONValue = [
            "state": "stored", "seq": 3, "reason": reason, "cloud": ["next_attempt": .string(next.iso8601)],
        ]
        let status = try #require(TransferStatus(json: state))
        let address = try #require(TransferAddress(parsing: "ci/x"))
        let notes = [Duration.zero, .seconds(4), .seconds(9)].map {
            status.waitingNote(of: address, now: WallTime.now() + $0, isLive: false)
        }
        #expect(Set(notes).count == 1 && notes[0].contains("; next attempt at "), "\(notes)")
        #expect(
            status.waitingNote(of: address, now: next + .seconds(1)).hasPrefix("next attempt when its turn comes: The")
        )
    }

    @Test("In a log a failed registration is said once, with the next attempt, and not again while that is under way")
    func registering() throws {
        var progress = PushProgress()
        progress.isLive = false
        func note(_ seq: Int64, _ text: JSONValue, _ next: JSONValue) throws -> String {
            let reason: JSONValue = ["code": "cloud-busy", "class": "retry", "text": text, "hint": ""]
            let state: JSONValue = [
                "state": "registering", "seq": .integer(seq), "reason": reason, "cloud": ["next_attempt": next],
            ]
            return progress.line([try delivery("a.bin", .registering, state)], .init(), at: .seconds(seq)).note
        }
        let busy = try note(2, "The cloud is busy", "2030-01-01T00:00:00.000Z")
        #expect(busy == "The cloud is busy; next attempt at 2030-01-01T00:00:00Z")
        #expect(try note(3, "The cloud is busy", .null) == busy)
        let away = try note(4, "The cloud is away", "2030-01-01T00:00:09.000Z")
        #expect(away == "The cloud is away; next attempt at 2030-01-01T00:00:09Z")
        // One that has failed before this push looked is told.
        progress = PushProgress()
        progress.isLive = false
        #expect(try note(2, "The cloud is busy", .null) == "The cloud is busy")
    }

    @Test("Files of a package are one bar: first to the gateway, then to the cloud")
    func adds() throws {
        let stored = try delivery("a.bin", .stored, ["state": "stored"])
        let away = try delivery("b.bin", nil)
        let sending = line([stored, away])
        #expect((sending.phase, sending.done, sending.total, sending.part) == ("sending", 100, 200, "file 2/2"))
        let registering = try delivery("a.bin", .stored, ["state": "registering"])
        let uploading = try delivery("b.bin", .stored, ["state": "uploading", "cloud": ["sent": 50]])
        let both = line([registering, uploading])
        #expect((both.phase, both.done, both.total, both.part) == ("uploading", 150, 200, "file 2/2"))
        // Between two uploads the bar stays.
        let next = try delivery("b.bin", .stored, ["state": "ticketing"])
        #expect(line([registering, next]).phase == "uploading")
        #expect(line([registering, try delivery("b.bin", .stored, ["state": "registering"])]).phase == "registering")
        let held = try delivery("b.bin", .stored, ["state": "held"])
        #expect(line([registering, held]).phase == "held")
    }
}
