import CCurl
package import FerryCore
import Glibc
package import Threads

/// Sends HTTP requests with libcurl on one thread of its own.
///
/// All of libcurl runs on that thread; tasks only wait. A request is ended within a fraction of a second when its task
/// is cancelled. Connections are kept and used again. When the client goes away, what is under way ends as cancelled.
package final class HTTPClient: Sendable {
    /// Beats with every turn of the thread.
    package let pulse: Pulse
    private let queue: TransferQueue
    private let thread: NamedThread?

    /// Once in the program, before any other call; later clients share it.
    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    /// Starts the thread. If the system gives none, every request fails.
    ///
    /// - Parameter rateLimit: the most bytes a second that each upload sends.
    package init(link: LinkSettings, rateLimit: ByteCount? = nil) {
        let queue = TransferQueue(rateLimit: rateLimit)
        self.queue = queue
        let pulse = Pulse()
        self.pulse = pulse
        thread =
            Self.isLibraryReady ? NamedThread.start(name: "http") { Self.run(queue, link: link, pulse: pulse) } : nil
        if thread == nil { queue.close() }
    }

    /// A client for a cloud's settings.
    package convenience init(settings: CloudSettings) {
        self.init(link: settings.link, rateLimit: settings.rateLimit)
    }

    deinit {
        queue.close()
        // The thread never holds the client, so this is never the thread itself.
        thread?.join()
    }

    /// Changes the limit of uploads under way and of those to come.
    package func limitRate(_ limit: ByteCount?) { queue.limitRate(limit) }

    /// Makes the thread take a turn. From any thread.
    package func nudge() { queue.wake() }

    /// Sends a request and waits for the whole answer, whatever its status.
    package func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let id = queue.nextID
        guard case .stream(let length, let source) = request.body else {
            return try await perform(TransferJob(id: id, request: request, pipe: nil)).get()
        }
        let queue = queue
        let pipe = BodyPipe(length: length, source: source) { queue.post(.resume(id)) }
        // Leaving the scope cancels the producer and waits for it; the finished job has closed the pipe by then.
        async let _ = pipe.fill()
        return try await perform(TransferJob(id: id, request: request, pipe: pipe)).get()
    }

    private func perform(_ job: TransferJob) async -> TransferJob.Outcome {
        let queue = queue
        return await withTaskCancellationHandler {
            if !queue.post(.start(job)) { job.finish(.failure(.closed)) }
            return await job.outcome()
        } onCancel: {
            job.cancel()
            queue.post(.cancel(job.id))
        }
    }

    /// What the thread does.
    private static func run(_ queue: TransferQueue, link: LinkSettings, pulse: Pulse) {
        // Signals are for the main thread, and with CURLOPT_NOSIGNAL nobody else keeps SIGPIPE away.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        guard let loop = TransferLoop(queue, link: link, pulse: pulse) else {
            queue.close()
            for case .start(let job) in queue.take().commands { job.finish(.failure(.closed)) }
            return
        }
        loop.run()
    }
}
