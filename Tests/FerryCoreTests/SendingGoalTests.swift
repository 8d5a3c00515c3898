import FerryCore
import Testing

@Suite("What a sender reads")
struct SendingGoalTests {
    @Test("An ack tells which bytes are durable")
    func readsAnAck() throws {
        let text = """
            {"id":"a","seq":17,"received":786432,"durable":524288,"missing":[[524288,786432]],"more":false,
             "credit":8388608,"segment":262144,"state":"receiving","reason":"gap","text":"t","new":1}
            """
        let ack = try #require(Acknowledgement(payload: Array(text.utf8)))
        #expect(ack.state == .receiving)
        #expect(ack.reason == .gap)
        #expect(ack.durable(of: 2_000_000, before: ByteRanges()).ranges == [0..<524_288, 786_432..<1_048_576])
    }

    @Test("Where more is missing than listed, what was known above the list stays")
    func keepsWhatIsNotListed() {
        let ack = Acknowledgement(
            seq: 1,
            received: 50,
            missing: [10..<20, 30..<40],
            hasMoreMissing: true,
            credit: 1,
            segment: 1,
            state: .receiving
        )
        let before = ByteRanges(35..<60)
        #expect(ack.durable(of: 100, before: before).ranges == [0..<10, 20..<30, 40..<60])
    }

    @Test(
        "What is no ack is not read",
        arguments: ["", "{}", "[]", #"{"received":1,"credit":1,"reason":"ok","missing":[[5,5]]}"#]
    )
    func refusesOthers(text: String) { #expect(Acknowledgement(payload: Array(text.utf8)) == nil) }

    @Test("Every state has a verdict for every goal")
    func judges() {
        let table: [(TransferState, PushGoal.Verdict, PushGoal.Verdict)] = [
            (.receiving, .goesOn, .goesOn), (.stored, .reached, .goesOn), (.ticketing, .reached, .goesOn),
            (.uploading, .reached, .goesOn), (.registering, .reached, .goesOn), (.registered, .reached, .reached),
            (.held, .reached, .needsPerson), (.failed, .failed, .failed), (.cancelled, .failed, .failed),
            (.expired, .failed, .failed),
        ]
        #expect(table.map(\.0) == TransferState.allCases)
        for (state, stored, registered) in table {
            #expect(PushGoal.stored.verdict(on: state, because: nil) == stored)
            #expect(PushGoal.registered.verdict(on: state, because: .credentials) == registered)
        }
        #expect(PushGoal.registered.verdict(on: .held, because: .packageIncomplete) == .goesOn)
    }
}
