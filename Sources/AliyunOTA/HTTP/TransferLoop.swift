import CCurl
import FerryCore
import Threads

/// The thread's side of the client: owns the multi handle and every transfer, and does nothing but serve them.
final class TransferLoop {
    private let queue: TransferQueue
    private let link: LinkSettings
    private let pulse: Pulse
    private let multi: UnsafeMutableRawPointer
    private var transfers: [UInt64: Transfer] = [:]

    /// With nothing to do the thread sleeps until it is woken.
    private static let idleWait: Int32 = 3_600_000
    /// Transfers wake the thread by their sockets and timers; this only bounds an oversight.
    private static let busyWait = Duration.seconds(30)

    /// nil when libcurl has no memory.
    init?(_ queue: TransferQueue, link: LinkSettings, pulse: Pulse) {
        guard let multi = curl_multi_init() else { return nil }
        self.queue = queue
        self.link = link
        self.pulse = pulse
        self.multi = multi
        // Four idle connections: two endpoints, and uploads that run beside each other.
        otaferry_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 4)
        queue.attach(TransferQueue.Waker(multi: multi))
    }

    deinit { curl_multi_cleanup(multi) }

    /// Serves until the queue is closed; what is under way then ends as cancelled.
    func run() {
        while true {
            let (commands, isClosed) = queue.take()
            for command in commands { perform(command, isClosed: isClosed) }
            if isClosed { break }
            pulse.beat()
            takeTurns()
            var running: Int32 = 0
            let result = curl_multi_perform(multi, &running)
            if result != CURLM_OK { failAll(.unusable, "libcurl failed (multi \(result.rawValue))") }
            finishDone()
            endStalled()
            curl_multi_poll(multi, nil, 0, waitMilliseconds, nil)
        }
        queue.detach()
        failAll(.cancelled, HTTPFailure.closed.text)
    }

    private func perform(_ command: TransferQueue.Command, isClosed: Bool) {
        switch command {
        case .start(let job):
            if isClosed { return job.finish(.failure(.closed)) }
            if job.isCancelled { return job.finish(.failure(.cancelled)) }
            start(job)
        case .cancel(let id):
            // An unknown one is finished already, or its start follows and sees that it is cancelled.
            guard let transfer = transfers[id] else { return }
            end(transfer, .failure(transfer.failure(.cancelled, HTTPFailure.cancelled.text)))
        case .resume(let id):
            transfers[id]?.resume()
        case .limitRate:
            let limit = queue.rateLimit
            for transfer in transfers.values { transfer.limitRate(limit) }
        }
    }

    private func start(_ job: TransferJob) {
        do throws(HTTPFailure) {
            let transfer = try Transfer(
                job,
                options: TransferOption.table(for: job.request, link: link),
                certificateTime: link.certificateTime(),
                rateLimit: queue.rateLimit
            )
            let result = curl_multi_add_handle(multi, transfer.handle)
            guard result == CURLM_OK else {
                throw HTTPFailure(.unusable, "libcurl took no transfer (multi \(result.rawValue))")
            }
            transfers[job.id] = transfer
        } catch {
            job.finish(.failure(error))
        }
    }

    private func finishDone() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            var context: UnsafeMutableRawPointer?
            // The message is gone once the handle is removed.
            let result = otaferry_curl_message_result(message)
            guard otaferry_curl_get_pointer(handle, CURLINFO_PRIVATE, &context) == CURLE_OK, let context else {
                continue
            }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            end(transfer, transfer.outcome(result))
        }
    }

    private func takeTurns() {
        guard transfers.values.contains(where: { $0.turn != nil }) else { return }
        let now = SuspendingClock.now
        for transfer in transfers.values { transfer.takeTurn(now: now) }
    }

    private func endStalled() {
        guard transfers.values.contains(where: { $0.stallCheckInterval != nil }) else { return }
        let now = SuspendingClock.now
        for transfer in Array(transfers.values) where transfer.isStalled(now: now) {
            let limit = transfer.job.request.stallTimeout?.configurationText ?? ""
            end(transfer, .failure(transfer.failure(.stalled, "nothing moved on the connection for \(limit)")))
        }
    }

    private func failAll(_ kind: HTTPFailure.Kind, _ text: String) {
        for transfer in Array(transfers.values) { end(transfer, .failure(transfer.failure(kind, text))) }
    }

    private func end(_ transfer: Transfer, _ outcome: TransferJob.Outcome) {
        // It fails for a handle that is not in the multi handle only.
        curl_multi_remove_handle(multi, transfer.handle)
        transfers[transfer.job.id] = nil
        transfer.job.finish(outcome)
    }

    private var waitMilliseconds: Int32 {
        guard !transfers.isEmpty else { return Self.idleWait }
        let wait = transfers.values.compactMap(\.stallCheckInterval).min() ?? Self.busyWait
        guard let turn = transfers.values.compactMap(\.turn).min() else { return Int32(max(1, wait.milliseconds)) }
        // Up: a wait that is too short is followed by another.
        return Int32(max(1, min(wait, SuspendingClock.now.duration(to: turn)).milliseconds + 1))
    }
}
