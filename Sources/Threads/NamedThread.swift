import CLinux
import Glibc

/// One operating-system thread with a name that `ps -T` and a debugger show.
///
/// The libraries that block (SQLite, libmosquitto, libcurl) each get one, so that none of them ever holds a thread of the
/// cooperative pool.
package struct NamedThread: Sendable {
    // A pthread_t is an opaque number on Linux; it is only compared and joined.
    private let handle: pthread_t

    /// Virtual room for the stack; pages that are not touched cost nothing.
    private static let stackBytes = 1 << 20

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are kept by the kernel.
    ///   - body: runs on the new thread; the thread ends with it.
    /// - Returns: nil when the system has no room for another thread.
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) -> NamedThread? {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return nil }
        defer { pthread_attr_destroy(&attributes) }
        guard pthread_attr_setstacksize(&attributes, stackBytes) == 0 else { return nil }

        let context = Unmanaged.passRetained(Start(name: String(name.prefix(15)), body: body))
        var handle = pthread_t()
        let result = pthread_create(
            &handle,
            &attributes,
            { context in
                guard let context else { return nil }
                let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                pthread_setname_np(pthread_self(), start.name)
                start.body()
                return nil
            },
            context.toOpaque()
        )
        guard result == 0 else {
            context.release()
            return nil
        }
        return NamedThread(handle: handle)
    }

    /// Whether the caller runs on this thread.
    package var isCurrent: Bool { pthread_equal(pthread_self(), handle) != 0 }

    /// Waits for the end of the thread. Call it once, and never from the cooperative pool or from the thread itself.
    package func join() { pthread_join(handle, nil) }

    /// Lets the thread's memory go by itself at its end; it can no longer be joined.
    package func detach() { pthread_detach(handle) }

    /// Lowers the priority of the calling thread, for work that must never delay the intake.
    package static func yieldToOthers() {
        // A refusal leaves the priority as it was.
        _ = otaferry_set_thread_niceness(10)
    }

    /// Raises the priority of the calling thread, for short work that others fill memory for while it waits for a
    /// processor. The system allows it to root, and within RLIMIT_NICE; threads that it starts have it as well.
    package static func goBeforeOthers() {
        // A refusal leaves the priority as it was.
        _ = otaferry_set_thread_niceness(-10)
    }
}
