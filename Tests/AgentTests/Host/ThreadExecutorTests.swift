import Dispatch
import Synchronization
import Testing
import Threads

@Suite("A thread that runs jobs in order")
struct ThreadExecutorTests {
    private final class Cargo: Sendable {}

    private final class Watch: Sendable {
        private struct Reference {
            weak var cargo: Cargo?
        }
        private let reference: Mutex<Reference>

        init(_ cargo: Cargo) { reference = Mutex(Reference(cargo: cargo)) }

        var isGone: Bool { reference.withLock { $0.cargo == nil } }
    }

    @Test("What a job holds is let go of before the next one runs, though both were queued together")
    func memory() throws {
        let executor = try #require(ThreadExecutor(name: "jobs"))
        defer { executor.end() }
        let gate = DispatchSemaphore(value: 0)
        executor.start { gate.wait() }
        var cargo: Cargo? = Cargo()
        let watch = try Watch(#require(cargo))
        executor.start { [cargo] in _ = cargo }
        cargo = nil
        #expect(!watch.isGone)
        gate.signal()
        #expect(executor.run { watch.isGone })
    }
}
