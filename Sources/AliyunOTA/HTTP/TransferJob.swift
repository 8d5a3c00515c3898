import Synchronization

/// One request on its way between the task that waits for it and the thread that performs it.
final class TransferJob: Sendable {
    typealias Outcome = Result<HTTPResponse, HTTPFailure>

    let id: UInt64
    let request: HTTPRequest
    /// Present when the body is a stream.
    let pipe: BodyPipe?

    private struct State {
        var isCancelled = false
        var outcome: Outcome?
        var waiter: CheckedContinuation<Outcome, Never>?
    }
    private let state = Mutex(State())

    init(id: UInt64, request: HTTPRequest, pipe: BodyPipe?) {
        self.id = id
        self.request = request
        self.pipe = pipe
    }

    /// Whether the caller gave up. Set before the thread hears of it, so that a start that comes later sees it.
    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    func cancel() { state.withLock { $0.isCancelled = true } }

    /// Waits for `finish`.
    func outcome() async -> Outcome {
        await withCheckedContinuation { waiter in
            let outcome = state.withLock { state in
                if state.outcome == nil { state.waiter = waiter }
                return state.outcome
            }
            if let outcome { waiter.resume(returning: outcome) }
        }
    }

    /// Ends the job; later calls have no effect.
    func finish(_ outcome: Outcome) {
        pipe?.close()
        let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
            guard state.outcome == nil else { return nil }
            state.outcome = outcome
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: outcome)
    }
}
