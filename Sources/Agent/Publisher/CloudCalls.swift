import AliyunOTA
import FerryCore

/// The cloud as the publisher sees it: calls that wait for their turn, failures in the publication's words.
struct CloudCalls: Sendable {
    let client: OTAClient
    let pacer: CallPacer
    let clock: ServerClock
    let board: StatusBoard

    /// A call that did not succeed.
    enum Failure: Error, Sendable {
        /// We stopped it ourselves.
        case stopped
        case failed(PublicationFailure)
    }

    func ticket(suffix: String) async throws(Failure) -> Ticket {
        try await call { () async throws(CloudError) in try await client.requestTicket(suffix: suffix) }
    }

    func register(_ registration: Registration) async throws(Failure) -> RegisteredFirmware {
        try await call { () async throws(CloudError) in try await client.register(registration) }
    }

    func list(productKey: String?, version: String?) async throws(Failure) -> [ListedFirmware] {
        try await call { () async throws(CloudError) in
            try await client.listFirmware(productKey: productKey, version: version)
        }
    }

    func upload(
        _ transfer: Transfer,
        _ ticket: Ticket,
        body: @escaping @Sendable () async throws -> [UInt8]?,
        progress: @escaping @Sendable (Int64) -> Void
    ) async throws(Failure) -> UploadReceipt {
        try await judge { () async throws(CloudError) in
            try await client.upload(
                fileName: transfer.request?.name ?? "firmware.bin",
                size: transfer.size ?? 0,
                crc64: transfer.digests?.crc64,
                ticket: ticket,
                body: body,
                progress: progress
            )
        }
    }

    private func call<Value>(_ body: () async throws(CloudError) -> Value) async throws(Failure) -> Value {
        do { try await pacer.turn() } catch { throw .stopped }
        return try await judge(body)
    }

    private func judge<Value>(_ body: () async throws(CloudError) -> Value) async throws(Failure) -> Value {
        do throws(CloudError) {
            let value = try await body()
            board.cloudSucceeded()
            return value
        } catch {
            throw failure(error)
        }
    }

    private func failure(_ error: CloudError) -> Failure {
        if error.isCancelled || Task.isCancelled { return .stopped }
        switch error.reason.code {
        case .cloudUnreachable, .tls, .uploadBroken, .uploadStalled: board.cloudFailed(isReachable: false)
        // Nothing was sent.
        case .credentials, .hostNotAllowed, .ticketExpired, .ticketUnusable: break
        default: board.cloudFailed(isReachable: true)
        }
        board.report(.cloud, error.reason.text, hint: error.reason.hint)
        let remedy: PublicationFailure.Remedy =
            switch error.disposition {
            case .retry(let floor): .retry(floor: floor)
            case .newTicket: .newTicket
            case .lookUp: .lookUp
            case .hold: .hold
            case .fail: .fail
            }
        return .failed(PublicationFailure(reason: error.reason, remedy: remedy, requestID: error.requestID))
    }
}
