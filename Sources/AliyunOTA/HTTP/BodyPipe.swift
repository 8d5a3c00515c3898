import Synchronization

/// Carries the chunks of one body from the task that produces them to the thread that sends them.
///
/// It holds at most `capacity` chunks, the one being sent included. When it is full, the producer waits before it pulls
/// the next; when it is empty, the sender pauses its transfer until a chunk arrives.
final class BodyPipe: Sendable {
    /// What the sender finds.
    enum Reading {
        case bytes(Int)
        /// Nothing now; the pipe calls `wake` when there is.
        case starved
        case failed(any Error)
    }

    static let capacity = 3

    fileprivate struct State {
        var chunks: [[UInt8]] = []
        /// How much of the first chunk is read.
        var offset = 0
        var delivered: Int64 = 0
        var failure: (any Error)?
        var isClosed = false
        var isReaderStarved = false
        var producer: CheckedContinuation<Void, Never>?
    }

    let length: Int64
    private let state = Mutex(State())
    private let wake: @Sendable () -> Void

    /// - Parameter wake: called, from any thread, when there is something to read again after `starved`.
    init(length: Int64, wake: @escaping @Sendable () -> Void) {
        self.length = length
        self.wake = wake
    }

    /// Pulls chunks until the end, an error, or `close`.
    func fill(from next: @Sendable () async throws -> [UInt8]?) async {
        while await waitForRoom() {
            do {
                guard let chunk = try await next() else {
                    finish()
                    return
                }
                if !chunk.isEmpty { deliver(chunk) }
            } catch {
                fail(error)
                return
            }
        }
    }

    /// Copies bytes out. Called on the sending thread only.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
        let (reading, producer) = state.withLock { state -> (Reading, CheckedContinuation<Void, Never>?) in
            if let failure = state.failure { return (.failed(failure), nil) }
            guard let chunk = state.chunks.first else {
                state.isReaderStarved = true
                return (.starved, nil)
            }
            let count = min(buffer.count, chunk.count - state.offset)
            chunk.withUnsafeBytes { source in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[state.offset..<state.offset + count]))
            }
            state.offset += count
            guard state.offset == chunk.count else { return (.bytes(count), nil) }
            state.chunks.removeFirst()
            state.offset = 0
            let producer = state.producer
            state.producer = nil
            return (.bytes(count), producer)
        }
        producer?.resume()
        return reading
    }

    /// Ends it: a waiting producer returns, chunks are dropped.
    func close() {
        let producer = state.withLock { state in
            state.isClosed = true
            state.chunks = []
            defer { state.producer = nil }
            return state.producer
        }
        producer?.resume()
    }

    /// Waits until a chunk fits; false when the pipe is closed.
    private func waitForRoom() async -> Bool {
        await withCheckedContinuation { continuation in
            let hasRoom = state.withLock { state in
                if state.isClosed || state.chunks.count < Self.capacity { return true }
                state.producer = continuation
                return false
            }
            if hasRoom { continuation.resume() }
        }
        return state.withLock { !$0.isClosed }
    }

    private func deliver(_ chunk: [UInt8]) {
        let isAwaited = state.withLock { state in
            guard !state.isClosed else { return false }
            state.delivered += Int64(chunk.count)
            if state.delivered > length {
                state.failure = BodyLengthError(promised: length, given: state.delivered)
            } else {
                state.chunks.append(chunk)
            }
            return state.takeStarved()
        }
        if isAwaited { wake() }
    }

    private func finish() {
        let isShort = state.withLock { $0.delivered < length ? $0.delivered : nil }
        if let given = isShort { fail(BodyLengthError(promised: length, given: given)) }
    }

    private func fail(_ error: any Error) {
        let isAwaited = state.withLock { state in
            state.failure = error
            return state.takeStarved()
        }
        if isAwaited { wake() }
    }
}

extension BodyPipe.State {
    fileprivate mutating func takeStarved() -> Bool {
        defer { isReaderStarved = false }
        return isReaderStarved
    }
}
