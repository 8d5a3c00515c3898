import Glibc

/// A bounded queue from one thread of ours to another; each waits for the other where it has to. Never for the cooperative
/// pool.
///
/// Full: `put` waits until something is taken, or the queue is closed.
// @unchecked because `values` and `isClosed` are guarded by `mutex`, and both primitives are made for sharing.
package final class Handoff<Value: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let limit: Int
    private var values: [Value] = []
    private var isClosed = false

    /// - Parameter limit: so many values wait at most.
    package init(limit: Int) {
        self.limit = limit
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Hands a value over; does nothing once the queue is closed.
    package func put(_ value: Value) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while values.count >= limit && !isClosed { pthread_cond_wait(changed, mutex) }
        guard !isClosed else { return }
        values.append(value)
        pthread_cond_broadcast(changed)
    }

    /// Takes the oldest value; nil once the queue is closed and empty.
    package func take() -> Value? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while values.isEmpty && !isClosed { pthread_cond_wait(changed, mutex) }
        guard !values.isEmpty else { return nil }
        let value = values.removeFirst()
        pthread_cond_broadcast(changed)
        return value
    }

    /// Nothing more is handed over. From either side.
    package func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}
