import CCurl
import FerryCore
import Synchronization

/// What tasks ask of the thread that owns libcurl.
///
/// The queue is never full: every request puts in at most one start, one cancellation and, while its transfer is
/// paused, one resumption, and whoever makes requests bounds their number.
final class TransferQueue: Sendable {
    enum Command: Sendable {
        case start(TransferJob)
        case cancel(UInt64)
        case resume(UInt64)
        case limitRate
    }

    /// The multi handle, for waking its thread.
    struct Waker: @unchecked Sendable {
        // @unchecked because curl_multi_wakeup may be called from any thread; the queue's lock keeps the handle alive.
        let multi: UnsafeMutableRawPointer

        func wake() { curl_multi_wakeup(multi) }
    }

    private struct State {
        var commands: [Command] = []
        var waker: Waker?
        var isClosed = false
        var rateLimit: ByteCount?
        var lastID: UInt64 = 0
    }
    private let state: Mutex<State>

    init(rateLimit: ByteCount?) { state = Mutex(State(rateLimit: rateLimit)) }

    var nextID: UInt64 {
        state.withLock {
            $0.lastID += 1
            return $0.lastID
        }
    }

    var rateLimit: ByteCount? { state.withLock { $0.rateLimit } }

    func limitRate(_ limit: ByteCount?) {
        state.withLock { $0.rateLimit = limit }
        post(.limitRate)
    }

    /// Hands a command over and wakes the thread; false when the thread takes no more.
    @discardableResult
    func post(_ command: Command) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.commands.append(command)
            state.waker?.wake()
            return true
        }
    }

    /// Wakes the thread.
    func wake() { state.withLock { $0.waker?.wake() } }

    /// Refuses further commands and makes the thread end.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.waker?.wake()
        }
    }

    // For the thread.

    func attach(_ waker: Waker) { state.withLock { $0.waker = waker } }
    func detach() { state.withLock { $0.waker = nil } }

    /// The commands since the last time, and whether to end.
    func take() -> (commands: [Command], isClosed: Bool) {
        state.withLock { state in
            defer { state.commands = [] }
            return (state.commands, state.isClosed)
        }
    }
}
