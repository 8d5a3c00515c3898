import FerryCore
import Testing

@Suite("What a sender does next")
struct SendingMachineTests {
    private func ack(
        _ received: Int64,
        missing: [Range<Int64>] = [],
        credit: Int64 = 1_000,
        segment: Int64 = 100,
        state: TransferState? = .receiving,
        reason: ReasonCode = .ok,
        seq: Int64 = 1
    ) -> Acknowledgement {
        Acknowledgement(
            seq: seq,
            received: received,
            missing: missing,
            credit: credit,
            segment: segment,
            state: state,
            reason: reason,
            text: "because"
        )
    }

    /// A machine whose `init` was answered.
    private func opened(size: Int64, _ first: Acknowledgement? = nil) -> SendingMachine {
        var machine = SendingMachine(size: size)
        machine.agentReached()
        #expect(machine.next(at: .zero) == .initialize)
        machine.acknowledged(first ?? ack(0), at: .zero)
        return machine
    }

    private func drain(_ machine: inout SendingMachine, at now: Duration = .zero) -> [SendingMachine.Action] {
        var actions: [SendingMachine.Action] = []
        while let action = machine.next(at: now) { actions.append(action) }
        return actions
    }

    @Test("Nothing is sent before the agent said what it has")
    func waitsForTheFirstWord() {
        var machine = SendingMachine(size: 10)
        #expect(machine.next(at: .zero) == nil)
        machine.agentReached()
        #expect(drain(&machine) == [.initialize])
        #expect(machine.phase == .opening)
        #expect(drain(&machine, at: .seconds(5)) == [.initialize])
    }

    @Test("All bytes go out in segments, then fin")
    func sendsEverything() {
        var machine = opened(size: 250)
        #expect(
            drain(&machine) == [
                .send(order: 0, range: 0..<100), .send(order: 1, range: 100..<200),
                .send(order: 2, range: 200..<250), .finish,
            ]
        )
        machine.acknowledged(ack(250, state: .stored, seq: 2), at: .zero)
        #expect(machine.phase == .delivered(.stored))
        #expect(machine.received == 250)
    }

    @Test("An empty file needs fin alone")
    func sendsAnEmptyFile() {
        var machine = opened(size: 0)
        #expect(drain(&machine) == [.finish])
    }

    @Test("A sender that lost its memory sends only what is missing")
    func resumes() {
        var machine = opened(size: 400, ack(200, missing: [100..<200]))
        #expect(
            drain(&machine) == [
                .send(order: 0, range: 100..<200), .send(order: 1, range: 300..<400), .finish,
            ]
        )
    }

    @Test("The credit bounds what is on its way, and no credit is a pause")
    func keepsToTheCredit() {
        var machine = opened(size: 1_000, ack(0, credit: 250))
        #expect(drain(&machine).count == 2)
        machine.acknowledged(ack(100, credit: 250), at: .zero)
        #expect(drain(&machine) == [.send(order: 2, range: 200..<300)])
        machine.acknowledged(ack(300, credit: 0), at: .zero)
        #expect(drain(&machine).isEmpty)
        #expect(machine.isPaused)
        #expect(drain(&machine, at: .seconds(5)) == [.query])
        machine.acknowledged(ack(300, credit: 100), at: .seconds(5))
        #expect(drain(&machine, at: .seconds(5)) == [.send(order: 3, range: 300..<400)])
    }

    @Test("A credit smaller than a segment still moves")
    func usesASmallCredit() {
        var machine = opened(size: 100, ack(0, credit: 30))
        #expect(drain(&machine) == [.send(order: 0, range: 0..<30)])
    }

    @Test("No more than the limit of segments is on its way")
    func keepsToTheCount() {
        var machine = opened(size: 10_000, ack(0, credit: 10_000, segment: 1))
        #expect(drain(&machine).count == 500)
    }

    @Test("A gap is filled at once, and once")
    func fillsAGap() {
        var machine = opened(size: 300)
        _ = drain(&machine)
        machine.acknowledged(ack(200, missing: [100..<200], reason: .gap), at: .zero)
        #expect(drain(&machine) == [.send(order: 3, range: 100..<200)])
        machine.acknowledged(ack(200, missing: [100..<200], reason: .incomplete), at: .zero)
        #expect(drain(&machine).isEmpty)
    }

    @Test("A lost end is found out by the answer to fin")
    func fillsTheEnd() {
        var machine = opened(size: 300)
        _ = drain(&machine)
        machine.acknowledged(ack(200, missing: [200..<300], reason: .incomplete), at: .zero)
        #expect(drain(&machine) == [.send(order: 3, range: 200..<300)])
    }

    @Test("Silence is answered with query, and its answer shows what is lost")
    func asksAfterSilence() {
        var machine = opened(size: 300)
        _ = drain(&machine)
        #expect(drain(&machine, at: .milliseconds(4_900)).isEmpty)
        #expect(drain(&machine, at: .seconds(5)) == [.query])
        machine.acknowledged(ack(0), at: .seconds(5))
        #expect(
            drain(&machine, at: .seconds(5)) == [
                .send(order: 3, range: 0..<100), .send(order: 4, range: 100..<200),
                .send(order: 5, range: 200..<300),
            ]
        )
    }

    @Test("When everything has arrived but fin, fin is sent again")
    func repeatsFin() {
        var machine = opened(size: 100)
        _ = drain(&machine)
        machine.acknowledged(ack(100), at: .zero)
        #expect(drain(&machine, at: .seconds(5)) == [.query])
        machine.acknowledged(ack(100), at: .seconds(5))
        #expect(drain(&machine, at: .seconds(5)) == [.finish])
    }

    @Test("An old acknowledgement that comes late changes nothing")
    func ignoresOldWords() {
        var machine = opened(size: 300)
        _ = drain(&machine)
        machine.acknowledged(ack(200, seq: 5), at: .zero)
        machine.acknowledged(ack(100, seq: 4), at: .zero)
        #expect(machine.received == 200)
    }

    @Test(
        "A refusal by name ends the delivery",
        arguments: [
            ReasonCode.noRoom, .tooLarge, .badMetadata, .unknownProduct, .badSuffix, .versionExists, .badSignature,
            .tooManyTransfers, .notAllowed, .conflict,
        ]
    )
    func endsWithARefusal(reason: ReasonCode) {
        var machine = opened(size: 300, ack(0, state: nil, reason: reason))
        #expect(machine.phase == .refused(.init(reason: reason, text: "because")))
        #expect(machine.next(at: .seconds(60)) == nil)
    }

    @Test("No room for the next bytes is a pause, not an end")
    func waitsForRoom() {
        var machine = opened(size: 300, ack(100, credit: 0, reason: .noRoom))
        #expect(machine.phase == .open)
        #expect(drain(&machine).isEmpty)
    }

    @Test("Damaged bytes are given up and sent again, once")
    func restartsAfterDamage() {
        var machine = opened(size: 100)
        _ = drain(&machine)
        machine.acknowledged(ack(100, reason: .checksumMismatch), at: .zero)
        #expect(drain(&machine) == [.abort, .initialize])
        machine.acknowledged(ack(0, state: nil), at: .zero)
        machine.acknowledged(ack(0), at: .zero)
        #expect(drain(&machine) == [.send(order: 1, range: 0..<100), .finish])
        machine.acknowledged(ack(100, reason: .checksumMismatch), at: .zero)
        #expect(machine.phase == .refused(.init(reason: .checksumMismatch, text: "because")))
    }

    @Test("A transfer that the agent lost is begun anew")
    func restartsWhenForgotten() {
        var machine = opened(size: 100)
        _ = drain(&machine)
        machine.acknowledged(ack(0, state: nil, reason: .unknownTransfer, seq: 0), at: .zero)
        #expect(drain(&machine) == [.initialize])
    }

    @Test("An agent with another spool is believed after two questions")
    func believesANewSpool() {
        var machine = opened(size: 100, ack(0, seq: 50))
        _ = drain(&machine)
        machine.acknowledged(ack(60, seq: 2), at: .zero)
        #expect(machine.received == 0)
        #expect(drain(&machine, at: .seconds(5)) == [.query])
        machine.acknowledged(ack(60, seq: 2), at: .seconds(5))
        #expect(drain(&machine, at: .seconds(10)) == [.query])
        machine.acknowledged(ack(60, seq: 2), at: .seconds(10))
        #expect(machine.received == 60)
    }

    @Test("A file that the agent has already is not sent", arguments: [TransferState.stored, .uploading, .registered])
    func sendsNothingTwice(state: TransferState) {
        var machine = opened(size: 100, ack(100, state: state))
        #expect(machine.phase == .delivered(state))
        #expect(machine.next(at: .seconds(60)) == nil)
    }

    @Test("A broker that takes smaller packets gets smaller segments")
    func halvesSegments() {
        var machine = opened(size: 100_000, ack(0, credit: 100_000, segment: 65_536))
        #expect(machine.next(at: .zero) == .send(order: 0, range: 0..<65_536))
        machine.segmentTooLarge(0)
        #expect(machine.next(at: .zero) == .send(order: 1, range: 0..<32_768))
    }

    @Test("Messages that nobody got are sent again after the agent was asked")
    func asksAfterADrop() {
        var machine = opened(size: 100)
        _ = drain(&machine)
        machine.segmentDropped(0, at: .seconds(1))
        #expect(drain(&machine, at: .seconds(2)).isEmpty)
        #expect(drain(&machine, at: .seconds(6)) == [.initialize])
        machine.acknowledged(ack(0), at: .seconds(6))
        #expect(drain(&machine, at: .seconds(6)).first == .send(order: 1, range: 0..<100))
    }

    @Test("The file arrives whole through loss, late words and restarts", arguments: 0..<200)
    func arrivesWhole(seed: Int) {
        var world = SendingWorld(size: 20_000, seed: UInt64(seed))
        world.lossIn = [0, 3, 10][seed % 3]
        world.shufflesAcks = seed % 2 == 1
        world.machine.agentReached()
        var steps = 0
        while world.machine.phase != .delivered(.stored), steps < 20_000 {
            steps += 1
            world.step()
            guard seed % 5 == 4, steps < 600 else { continue }
            if steps % 97 == 0 { world.reconnect() }
            if steps % 211 == 0 { world.restartAgent(forgetting: false) }
            if steps == 300 { world.restartAgent(forgetting: true) }
        }
        #expect(world.isStored)
        #expect(world.durable?.contains(0..<20_000) == true)
        #expect(world.machine.phase == .delivered(.stored))
    }

    @Test("What is on its way never exceeds the credit", arguments: 0..<100)
    func neverExceedsTheCredit(seed: Int) {
        var world = SendingWorld(size: 30_000, seed: UInt64(seed))
        world.lossIn = [0, 4][seed % 2]
        world.shufflesAcks = seed % 3 == 0
        world.credit = [512, 700, 4_096][seed % 3]
        world.machine.agentReached()
        var steps = 0
        while !world.isStored, steps < 20_000 {
            steps += 1
            world.step()
            if steps % 150 == 0 { world.reconnect() }
            // An agent that is busy for longer than the sender's patience.
            world.isAgentUp = steps % 100 > 40 || seed % 4 != 0
        }
        #expect(world.isStored)
        #expect(world.mostInBroker <= world.credit)
    }
}
