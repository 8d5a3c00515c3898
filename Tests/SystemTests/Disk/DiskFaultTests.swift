import FerryCore
import TestSupport
import Testing

extension SystemTests {
    @Suite("The disk below the spool fails")
    struct DiskFaultTests {
        @Test(
            "Killed at the n-th write or sync, it has lost nothing that it acknowledged",
            arguments: [DiskFault.Call.write, .sync],
            [2, 7, 19, 40]
        )
        func killed(call: DiskFault.Call, nth: Int) async throws {
            let outcome = try await DiskTrial(fault: DiskFault(call: call, effect: .kill, nth: nth)).run()
            #expect(outcome.hasStruck && outcome.hasEnded)
        }

        @Test(
            "A write or sync that fails once costs nothing: it goes on, or is started again",
            arguments: [
                DiskFault(call: .write, effect: .error("EIO"), nth: 15),
                DiskFault(call: .sync, effect: .error("EIO"), nth: 9),
                DiskFault(call: .sync, effect: .error("EIO"), nth: 10),
                DiskFault(call: .sync, effect: .error("EIO"), nth: 11),
                DiskFault(call: .sync, effect: .error("EIO"), nth: 12),
                DiskFault(call: .write, effect: .error("ENOSPC"), nth: 21),
                DiskFault(call: .write, effect: .error("EDQUOT"), nth: 33, span: .times(20)),
            ]
        )
        func passing(fault: DiskFault) async throws {
            let outcome = try await DiskTrial(fault: fault).run()
            #expect(outcome.hasStruck)
            #expect(!outcome.hasEnded)
        }

        @Test(
            "A disk that fails for good is told of, and after a start on a good one all is there",
            arguments: [
                DiskFault(call: .write, effect: .error("EIO"), nth: 25, span: .always),
                DiskFault(call: .write, effect: .error("ENOSPC"), nth: 25, span: .always),
                DiskFault(call: .sync, effect: .error("EIO"), nth: 14, span: .always),
            ]
        )
        func lasting(fault: DiskFault) async throws {
            let outcome = try await DiskTrial(fault: fault).run()
            #expect(outcome.hasStruck)
            #expect(outcome.hasSaid || outcome.hasEnded)
        }

        @Test("A commit that fails after its journal was made invalid stands, and the agent knows it")
        func failedAfterTheEnd() async throws {
            var count = 0
            for nth in 8...20 {
                let outcome = try await DiskTrial(fault: DiskFault(call: .sync, effect: .error("EIO"), nth: nth)).run()
                // The trial has shown that nothing was lost or came twice, and that it went on by itself.
                #expect(outcome.hasStruck && !outcome.hasEnded)
                let struck = try #require(outcome.calls.firstIndex { $0.contains("(INJECTED)") })
                // SQLite ends a transaction by zeros over the head of the journal, or by cutting it off, and a sync.
                let former = outcome.calls[..<struck].last ?? ""
                if former.contains("-journal"), former.contains(", 28, 0)") || former.contains("ftruncate(") {
                    count += 1
                }
            }
            // Among them the commits of segments and of `fin`.
            #expect(count >= 2, "Few syncs were the one after the journal's end; the test has to look for another sign")
        }
    }
}
