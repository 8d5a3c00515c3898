import CLinux
import Glibc

/// A file descriptor that wakes a thread out of `poll`.
package final class WakeSignal: Sendable {
    /// Readable while a wake-up is waiting.
    package let descriptor: Int32

    /// - Returns: nil when the process has no descriptor left.
    package init?() {
        descriptor = otaferry_eventfd()
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// Makes the descriptor readable. From any thread; cheap when it is readable already.
    package func signal() {
        var one: UInt64 = 1
        // EAGAIN means that the counter is full, so the sleeper is awake already.
        _ = write(descriptor, &one, 8)
    }

    /// Makes the descriptor quiet again.
    package func clear() {
        var count: UInt64 = 0
        // EAGAIN means that it was quiet.
        _ = read(descriptor, &count, 8)
    }
}
