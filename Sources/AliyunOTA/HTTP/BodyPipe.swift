import Synchronization

/// Carries the bytes of one body to the thread that sends them: at once where the source can, else in chunks from the task
/// that pulls them.
///
/// It holds at most `capacity` chunks, the one being sent included. When it is full, or no more were asked for, the producer
/// waits before it pulls the next; when it is empty, the sender pauses its transfer until a chunk arrives.
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
        /// Chunks that the producer is to pull now; until they are sent, the source is not asked for bytes at once.
        var awaited: Int
        var delivered: Int64 = 0
        var failure: (any Error)?
        var isClosed = false
        var isReaderStarved = false
        var producer: CheckedContinuation<Void, Never>?
    }

    let length: Int64
    private let source: BodySource
    private let state: Mutex<State>
    private let wake: @Sendable () -> Void

    /// - Parameter wake: called, from any thread, when there is something to read again after `starved`.
    init(length: Int64, source: BodySource, wake: @escaping @Sendable () -> Void) {
        self.length = length
        self.source = source
        self.wake = wake
        // Even a source that has bytes at once begins with a chunk: nobody waits for it yet.
        state = Mutex(State(awaited: source.immediate == nil ? .max : 1))
    }

    /// Pulls chunks until the end, an error, or `close`.
    func fill() async {
        while await waitForRoom() {
            do {
                guard let chunk = try await source.next() else {
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
        let (reading, producer) = state.withLock { state -> (Reading?, CheckedContinuation<Void, Never>?) in
            if let failure = state.failure { return (.failed(failure), nil) }
            guard let chunk = state.chunks.first else {
                guard state.awaited == 0 else {
                    state.isReaderStarved = true
                    return (.starved, nil)
                }
                return (nil, nil)
            }
            let count = min(buffer.count, chunk.count - state.offset)
            chunk.withUnsafeBytes { source in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[state.offset..<state.offset + count]))
            }
            state.offset += count
            guard state.offset == chunk.count else { return (.bytes(count), nil) }
            state.chunks.removeFirst()
            state.offset = 0
            return (.bytes(count), state.awaited > 0 ? state.takeProducer() : nil)
        }
        producer?.resume()
        return reading ?? readImmediately(into: buffer)
    }

    /// No chunk is there, and none was asked for: the producer waits.
    private func readImmediately(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(BodySource.immediateBytes))
        let given = source.immediate?(room) ?? .later(chunks: .max)
        let (reading, producer) = state.withLock { state -> (Reading, CheckedContinuation<Void, Never>?) in
            switch given {
            case .bytes(let count):
                state.delivered += Int64(count)
                guard state.delivered > length else { return (.bytes(count), nil) }
                let error = BodyLengthError(promised: length, given: state.delivered)
                state.failure = error
                return (.failed(error), nil)
            case .later(let chunks):
                state.awaited = max(chunks, 1)
                state.isReaderStarved = true
                return (.starved, state.takeProducer())
            }
        }
        producer?.resume()
        return reading
    }

    /// Ends it: a waiting producer returns, chunks are dropped.
    func close() {
        let producer = state.withLock { state in
            state.isClosed = true
            state.chunks = []
            return state.takeProducer()
        }
        producer?.resume()
    }

    /// Waits until a chunk is asked for and fits; false when the pipe is closed.
    private func waitForRoom() async -> Bool {
        await withCheckedContinuation { continuation in
            let hasRoom = state.withLock { state in
                if state.isClosed || state.awaited > 0 && state.chunks.count < Self.capacity { return true }
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
            if state.awaited < .max { state.awaited -= 1 }
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

    fileprivate mutating func takeProducer() -> CheckedContinuation<Void, Never>? {
        defer { producer = nil }
        return producer
    }
}
