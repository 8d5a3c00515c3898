import Foundation
import Synchronization

/// The thread that starts all programs. The kernel kills a program when the *thread* that started it ends (that is what
/// keeps programs from outliving the tests), so it has to be one that lives as long as the process.
final class SpawnThread: Sendable {
    static let shared = SpawnThread()

    private let waiting = Mutex<[@Sendable () -> Void]>([])
    private let signal = DispatchSemaphore(value: 0)

    private init() {
        Thread.detachNewThread { [self] in
            while true {
                signal.wait()
                let next = waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }
                next?()
            }
        }
    }

    /// Runs the work on the thread and waits for its result.
    func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) -> Result {
        let place = Place<Result>()
        waiting.withLock { queue in queue.append { place.put(work()) } }
        signal.signal()
        return place.take()
    }

    private final class Place<Result: Sendable>: Sendable {
        private let result = Mutex<Result?>(nil)
        private let done = DispatchSemaphore(value: 0)

        func put(_ value: Result) {
            result.withLock { $0 = value }
            done.signal()
        }

        func take() -> Result {
            done.wait()
            guard let value = result.withLock({ $0 }) else { preconditionFailure("Work ended without a result") }
            return value
        }
    }
}
