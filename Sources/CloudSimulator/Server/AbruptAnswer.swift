import FlyingFox
import FlyingSocks
import Foundation

/// The body of an answer after which the connection is closed, whatever the client still sends.
struct AbruptBody: AsyncBufferedSequence {
    typealias Element = UInt8

    /// What is sent.
    let bytes: Data
    /// What is done between the last byte and the end of the connection.
    let beforeClosing: @Sendable () async -> Void

    func makeAsyncIterator() -> Iterator { Iterator(bytes: bytes, beforeClosing: beforeClosing) }

    struct Iterator: AsyncBufferedIteratorProtocol {
        private var bytes: Data
        private let beforeClosing: @Sendable () async -> Void

        init(bytes: Data, beforeClosing: @escaping @Sendable () async -> Void) {
            self.bytes = bytes
            self.beforeClosing = beforeClosing
        }

        mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

        mutating func nextBuffer(suggested count: Int) async throws -> Data? {
            guard bytes.isEmpty else {
                defer { bytes = bytes.dropFirst(count) }
                return Data(bytes.prefix(count))
            }
            await beforeClosing()
            // FlyingFox closes a connection whose answer cannot be completed.
            throw HungUp()
        }
    }
}

/// The body of an answer that comes no faster than so many bytes a second.
struct SlowBody: AsyncBufferedSequence {
    typealias Element = UInt8

    let bytes: Data
    let bytesPerSecond: Int

    func makeAsyncIterator() -> Iterator { Iterator(bytes: bytes, bytesPerSecond: bytesPerSecond) }

    struct Iterator: AsyncBufferedIteratorProtocol {
        private var bytes: Data
        private let bytesPerSecond: Int

        init(bytes: Data, bytesPerSecond: Int) {
            self.bytes = bytes
            self.bytesPerSecond = bytesPerSecond
        }

        mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

        mutating func nextBuffer(suggested count: Int) async throws -> Data? {
            guard !bytes.isEmpty else { return nil }
            // Ten pieces a second, or one byte at a time where the rate is below that.
            let piece = bytes.prefix(Swift.max(1, Swift.min(count, bytesPerSecond / 10)))
            try await Task.sleep(for: .seconds(Double(piece.count) / Double(bytesPerSecond)))
            bytes = bytes.dropFirst(piece.count)
            return Data(piece)
        }
    }
}

/// Ends a connection.
struct HungUp: Error {}

/// Ends a connection without an answer: FlyingFox asks the handler for frames before it writes a byte.
struct HangUpHandler: WSHandler {
    func makeFrames(for client: AsyncThrowingStream<WSFrame, any Error>) async throws -> AsyncStream<WSFrame> {
        throw HungUp()
    }
}

extension HTTPResponse {
    /// Closes the connection instead of an answer.
    static var hangUp: HTTPResponse { HTTPResponse(webSocket: HangUpHandler()) }

    /// Answers, reads on for a while what the client is still sending, so that the answer is not lost with the
    /// connection, and closes.
    static func refusingRest(
        of body: HTTPBodySequence,
        remaining: Int64?,
        status: HTTPStatusCode,
        headers: HTTPHeaders,
        answer: Data
    ) -> HTTPResponse {
        var headers = headers
        headers[.connection] = "close"
        let abrupt = AbruptBody(bytes: answer) { await drain(body, atMost: remaining ?? .max) }
        return HTTPResponse(
            statusCode: status,
            headers: headers,
            body: HTTPBodySequence(from: abrupt, count: answer.count, suggestedBufferSize: 65_536)
        )
    }

    /// Sends the first half of the answer and closes.
    static func cut(status: HTTPStatusCode, headers: HTTPHeaders, answer: Data) -> HTTPResponse {
        let abrupt = AbruptBody(bytes: answer.prefix(answer.count / 2)) {}
        return HTTPResponse(
            statusCode: status,
            headers: headers,
            body: HTTPBodySequence(from: abrupt, count: answer.count, suggestedBufferSize: 65_536)
        )
    }

    /// Sends a few bytes, waits, sends more.
    static func slow(
        status: HTTPStatusCode,
        headers: HTTPHeaders,
        answer: Data,
        bytesPerSecond: Int
    ) -> HTTPResponse {
        HTTPResponse(
            statusCode: status,
            headers: headers,
            body: HTTPBodySequence(
                from: SlowBody(bytes: answer, bytesPerSecond: max(1, bytesPerSecond)),
                count: answer.count,
                suggestedBufferSize: 65_536
            )
        )
    }

    /// How long a client may go on sending after it was refused.
    private static let lingering = Duration.seconds(10)

    private static func drain(_ body: HTTPBodySequence, atMost remaining: Int64) async {
        guard remaining > 0 else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                var left = remaining
                do {
                    for try await bytes in body {
                        left -= Int64(bytes.count)
                        if left <= 0 { return }
                    }
                } catch {
                    // The client closed, which is what this waits for.
                }
            }
            group.addTask { try? await Task.sleep(for: lingering) }  // ended early by the other side of the race
            await group.next()
            group.cancelAll()
        }
    }
}
