import Foundation
import TestSupport
import Testing

/// What `make soak` runs: the trials of the suites beside this, in the numbers that prove something.
private enum Soak {
    private static let environment = ProcessInfo.processInfo.environment
    static let isOn = environment["OTAFERRY_SOAK"] != nil
    /// Random kills in all, and on one spool.
    static let kills = environment["OTAFERRY_SOAK_KILLS"].flatMap { Int($0) } ?? 1_000
    static let killsOnOneSpool = 20
    /// Faults strike at each call up to this one.
    static let calls = environment["OTAFERRY_SOAK_CALLS"].flatMap { Int($0) } ?? 200

    static func say(_ text: String) {
        // Not print, which keeps lines back when nobody sits at the terminal.
        FileHandle.standardOutput.write(Data("soak: \(text)\n".utf8))
    }
}

@Suite("Soak", .serialized, .enabled(if: Soak.isOn))
struct SoakTests {
    @Test("Killed at random with three senders sending, it loses nothing")
    func kills() async throws {
        var survived = 0
        var firmware = 0
        var bytes = 0
        while survived < Soak.kills {
            let count = min(Soak.killsOnOneSpool, Soak.kills - survived)
            let outcome = try await KillTrial(kills: count).run()
            survived += outcome.survived
            firmware += outcome.firmware
            bytes += outcome.bytes
            Soak.say(
                "\(survived) random kills survived; \(firmware) firmware, \(bytes / 1_000_000) MB, each registered once"
            )
        }
    }

    @Test("Killed at each write, sync, truncate and unlink, it loses nothing", arguments: DiskFault.Call.allCases)
    func killedAtEach(call: DiskFault.Call) async throws {
        await sweep { DiskFault(call: call, effect: .kill, nth: $0) }
    }

    @Test(
        "Whichever write, sync, truncate or unlink fails once, nothing is lost",
        arguments: DiskFault.Call.allCases,
        ["EIO", "ENOSPC"]
    )
    func failedOnce(call: DiskFault.Call, error: String) async throws {
        await sweep { DiskFault(call: call, effect: .error(error), nth: $0) }
    }

    @Test("A disk that fails for good from any call on is told of", arguments: ["EIO", "ENOSPC", "EDQUOT"])
    func failedForGood(error: String) async throws {
        await sweep(by: 10) { DiskFault(call: .write, effect: .error(error), nth: $0, span: .always) }
    }

    /// A trial for each call up to the last; ends early where the agent makes fewer.
    private func sweep(by step: Int = 1, _ fault: (Int) -> DiskFault) async {
        var survived = 0
        var failed = 0
        var said = 0
        var ended = 0
        for nth in stride(from: 1, through: Soak.calls, by: step) {
            let fault = fault(nth)
            do {
                let outcome = try await DiskTrial(fault: fault).run()
                guard outcome.hasStruck else {
                    Soak.say("\(fault.testDescription): the agent does not come so far")
                    break
                }
                survived += 1
                if outcome.hasSaid { said += 1 }
                if outcome.hasEnded { ended += 1 }
                #expect(fault.span != .always || outcome.hasSaid || outcome.hasEnded, "\(fault.testDescription)")
            } catch {
                failed += 1
                Issue.record(error, "\(fault.testDescription)")
            }
            if nth % 10 < step {
                Soak.say(
                    "\(fault.testDescription): \(survived) survived, \(failed) not; \(said) said so, \(ended) ended"
                )
            }
        }
        Soak.say("\(fault(1).testDescription) and so on: \(survived) survived, \(failed) not")
    }
}
