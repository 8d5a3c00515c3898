import Glibc
import Synchronization

/// Runs the jobs of an actor on one thread of its own, in order, and lets other threads of ours run a closure there and
/// wait for it.
///
/// The queue has no bound of its own: it holds the jobs of suspended callers, and each caller has at most one.
package final class ThreadExecutor: SerialExecutor, Sendable {
    private enum Job {
        case task(UnownedJob)
        case call(@Sendable () -> Void)
        case end
    }

    // @unchecked because `jobs` is guarded by `mutex`, and both primitives are made for sharing.
    private final class Queue: @unchecked Sendable {
        let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        var jobs: [Job] = []

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        func append(_ job: Job) {
            pthread_mutex_lock(mutex)
            jobs.append(job)
            pthread_cond_signal(condition)
            pthread_mutex_unlock(mutex)
        }

        /// One at a time: what a job holds is gone before the next one runs. They are few.
        func take() -> Job {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            while jobs.isEmpty { pthread_cond_wait(condition, mutex) }
            return jobs.removeFirst()
        }
    }

    private let queue = Queue()
    private let thread = Mutex<NamedThread?>(nil)

    /// Starts the thread.
    ///
    /// - Returns: nil when the system has no room for another thread.
    package init?(name: String) {
        let queue = queue
        let executor = UnownedReference(self)
        guard
            let started = NamedThread.start(
                name: name,
                {
                    while true {
                        switch queue.take() {
                        case .task(let task): task.runSynchronously(on: executor.unownedExecutor)
                        case .call(let body): body()
                        case .end: return
                        }
                    }
                }
            )
        else { return nil }
        thread.withLock { $0 = started }
    }

    // The owner ends the thread with `end()` before it lets the executor go; jobs name the executor without owning it,
    // as `UnownedSerialExecutor` does everywhere.
    // @unchecked because the reference is only read, on the executor's own thread, while a job keeps the actor alive.
    private struct UnownedReference: @unchecked Sendable {
        unowned let executor: ThreadExecutor
        init(_ executor: ThreadExecutor) { self.executor = executor }
        var unownedExecutor: UnownedSerialExecutor { UnownedSerialExecutor(ordinary: executor) }
    }

    package func enqueue(_ job: consuming ExecutorJob) { queue.append(.task(UnownedJob(job))) }

    package func checkIsolated() {
        precondition(isCurrent, "This must run on the executor's own thread")
    }

    /// Whether the caller runs on this executor's thread.
    package var isCurrent: Bool { thread.withLock { $0?.isCurrent ?? false } }

    /// Runs `body` on the executor's thread and waits for it. Only for threads of our own; never from the cooperative pool
    /// or from the executor itself.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result {
        precondition(!isCurrent, "A thread cannot wait for itself")
        let slot = Slot<Result>()
        start { slot.fill(body()) }
        return slot.take()
    }

    /// Runs `body` on the executor's thread, after what is queued already; the caller goes on.
    package func start(_ body: @escaping @Sendable () -> Void) { queue.append(.call(body)) }

    /// Lets the jobs that are queued finish, then ends the thread and waits for it.
    package func end() {
        queue.append(.end)
        thread.withLock { thread in
            let ending = thread
            thread = nil
            return ending
        }?.join()
    }

    // @unchecked because `value` is written before the semaphore is posted and read after it was waited for.
    private final class Slot<Value: Sendable>: @unchecked Sendable {
        private let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        private var value: Value?

        init() { sem_init(done, 0, 0) }
        deinit {
            sem_destroy(done)
            done.deallocate()
        }

        func fill(_ value: Value) {
            self.value = value
            sem_post(done)
        }

        func take() -> Value {
            while sem_wait(done) != 0 {}
            guard let value else { preconditionFailure("The slot was filled before the semaphore was posted") }
            return value
        }
    }
}
