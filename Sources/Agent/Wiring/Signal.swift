/// Wakes one task: any number of sends before it looks are one.
struct Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        // One is kept, more are the same one.
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func send() { continuation.yield() }

    /// What the one task that listens goes through.
    var sends: AsyncStream<Void> { stream }
}
