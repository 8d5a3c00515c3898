import FerryCore
import Testing

@testable import otaferry

@Suite("What a push shows")
struct PushProgressTests {
    private func delivered() -> SendingMachine {
        var machine = SendingMachine(size: 100)
        machine.agentReached()
        _ = machine.next(at: .zero)
        machine.acknowledged(
            Acknowledgement(seq: 1, received: 100, credit: 1, segment: 1, state: .stored),
            at: .zero
        )
        return machine
    }

    private func line(_ status: JSONValue, connected: Bool = true, away: Bool = false, problem: String? = nil)
        -> ProgressLine
    {
        var progress = PushProgress(size: 100)
        progress.note(["state": "uploading", "sent": 40, "rate": 10, "eta": 6], at: .zero)
        return progress.line(
            machine: delivered(),
            status: TransferStatus(json: status),
            isConnected: connected,
            isAgentAway: away,
            agentProblem: problem,
            at: .zero
        )
    }

    @Test("An upload shows what the agent tells of it")
    func uploads() {
        let line = line(["state": "uploading", "seq": 2, "cloud": ["sent": 20]])
        #expect(line.sentence == "uploading 40 % of 100 B, 10 B/s, 0:06 left")
    }

    @Test("A state that waits says why")
    func waits() {
        let reason: JSONValue = ["code": "cloud-busy", "class": "retry", "text": "The cloud is\u{7} busy", "hint": ""]
        #expect(line(["state": "stored", "reason": reason]).note == "The cloud is busy")
        #expect(line(["state": "uploading", "paused": true]).note.contains("otaferry resume"))
        #expect(line(["state": "stored"], problem: "All publication is paused").note == "All publication is paused")
        #expect(line(["state": "stored"], connected: false).note.contains("broker"))
        #expect(line(["state": "stored"], away: true).note.contains("agent"))
    }
}
