import ArgumentParser
import FerryCore
import Testing

@testable import otaferry

@Suite("What a person can do when a push does not go on")
struct PushHintTests {
    @Test("Waiting for room is no advice for a file that is larger than the spool")
    func neverFits() throws {
        let address = try #require(TransferAddress(parsing: "ci/x"))
        func hint(_ isForGood: Bool) -> String {
            let refusal = SendingMachine.Refusal(reason: .noRoom, text: "", isForGood: isForGood)
            return PushHints.hint(for: refusal, address: address, isPackage: false)
        }
        #expect(hint(true).contains("raise spool.quota") && !hint(true).contains("--time-limit"), "\(hint(true))")
        #expect(hint(false).contains("--time-limit"))
        let refusal = SendingMachine.Refusal(reason: .noRoom, text: "", isOverDisk: true)
        let disk = PushHints.hint(for: refusal, address: address, isPackage: false)
        #expect(disk.contains("df") && disk.contains("spool.reserve") && !disk.contains("--time-limit"), "\(disk)")
    }

    @Test("Whoever has signed is not told to sign")
    func signed() throws {
        let address = try #require(TransferAddress(parsing: "ci/x"))
        let refusal = SendingMachine.Refusal(reason: .badSignature, text: "")
        func hint(_ isSigned: Bool) -> String {
            PushHints.hint(for: refusal, address: address, isPackage: false, isSigned: isSigned)
        }
        #expect(hint(false).hasPrefix("--sign KEY signs the firmware"))
        #expect(hint(true).hasPrefix("The gateway's intake.allowed-signers"), "\(hint(true))")
    }

    @Test(
        "What the cloud refused is tried again from the gateway, what the gateway refused is sent again",
        arguments: [(1, "otaferry retry ci/x tries again"), (0, "the same push begins anew")]
    )
    func failed(attempts: Int64, words: String) throws {
        let address = try #require(TransferAddress(parsing: "ci/x"))
        var status = TransferStatus(state: .failed, seq: 1)
        status.attempt = attempts
        status.reason = Reason(.badSuffix, .permanent, "The suffix is none that the cloud takes")
        let hint = PushHints.hint(for: status, address: address)
        #expect(hint.contains(words), "\(hint)")
    }

    @Test("A sender under its user name is told the line that the access list lacks, another one that the names differ")
    func senderRemedy() throws {
        func remedy(_ arguments: [String]) throws -> String {
            PushHints.senderRemedy(
                try BrokerRoute(
                    options: try BrokerOptions.parse(arguments),
                    environment: [:],
                    configuration: nil,
                    loginName: "erika",
                    isSending: true
                )
            )
        }
        let right = try remedy(["--username", "ci"])
        #expect(right.hasSuffix("lacks: pattern write otaferry/v1/+/in/%u/#"), "\(right)")
        let other = try remedy(["--username", "ci", "--sender", "lab"])
        #expect(other.hasPrefix("The sender's name has to be the user name"), "\(other)")
        #expect(try remedy([]).contains("--username"))
    }

    @Test("Where no answer comes, that is a question of rights only where something else of the agent does")
    func unanswered() throws {
        let route = try BrokerRoute(
            options: try BrokerOptions.parse(["--username", "ci"]),
            environment: [:],
            configuration: nil,
            loginName: nil
        )
        for (pulse, isAlive, exit) in [
            (.answers(isStatusNew: false), false, .notAllowed), (.forbidden, true, .notAllowed),
            (.forbidden, false, .unreachable),
            (.silent, true, .unreachable), (nil, false, .unreachable), (.absent, false, .unreachable),
        ] as [(AgentPulse?, Bool, ProgramExit)] {
            var ending = PushDriver.Ending(.unreachable, "No agent")
            ending.isAgentAlive = isAlive
            ending.transfers = [["id": "x"]]
            let told = PushHints.unanswered(ending, pulse, route)
            #expect(told.exit == exit && told.transfers == ending.transfers, "\(told)")
            #expect(told.hint.contains("pattern read otaferry/v1/+/out/%u/#") == (pulse != .absent), "\(told)")
        }
    }

    @Test("Damaged bytes are sent again, those that could not be read for a while are tried again")
    func damaged() throws {
        let address = try #require(TransferAddress(parsing: "ci/x"))
        var status = TransferStatus(state: .failed, seq: 1)
        status.attempt = 3
        status.reason = Reason(.spoolDamaged, .permanent, "Wrong")
        let anew = PushHints.hint(for: status, address: address)
        #expect(anew.hasSuffix("send the file again. It begins anew then"), "\(anew)")
        status.reason = Reason(
            .spoolDamaged,
            .operator,
            "No",
            hint: "Tried 3 times; retry begins anew. Look at the disk"
        )
        let again = PushHints.hint(for: status, address: address)
        #expect(again.contains("(otaferry retry ci/x)") && !again.contains("send"), "\(again)")
    }
}
