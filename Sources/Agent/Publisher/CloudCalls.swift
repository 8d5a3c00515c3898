import AliyunOTA
import FerryCore

/// The cloud as the publisher sees it: calls that wait for their turn, failures in the publication's words.
struct CloudCalls: Sendable {
    let client: OTAClient
    let pacer: CallPacer
    let clock: ServerClock
    let board: StatusBoard
    /// Completes a hint about the access key.
    var nameCredentials: @Sendable (String) -> String = { $0 }

    /// A call that did not succeed.
    enum Failure: Error, Sendable {
        /// We stopped it ourselves.
        case stopped
        case failed(PublicationFailure)
    }

    func ticket(suffix: String) async throws(Failure) -> Ticket {
        try await call { () async throws(CloudError) in try await client.requestTicket(suffix: suffix) }
    }

    /// Waits until a registration may be made. It has a turn of its own, so that a wait can be stopped, and the call not.
    func registerTurn() async throws(Failure) { try await turn() }

    /// After its turn.
    func register(_ registration: Registration) async throws(Failure) -> RegisteredFirmware {
        try await paced { () async throws(CloudError) in try await client.register(registration) }
    }

    /// Every firmware of the account, or those of a product and a version; each page is a call.
    func list(productKey: String?, version: String?) async throws(Failure) -> [ListedFirmware] {
        var found: [ListedFirmware] = []
        for page in 1...OTAClient.pageLimit {
            let listed = try await call { () async throws(CloudError) in
                try await client.listFirmware(productKey: productKey, version: version, page: page)
            }
            found += listed.firmware
            if listed.isLast { break }
        }
        return found
    }

    /// What the cloud's own record tells of a firmware's files.
    func record(of firmwareID: String) async throws(Failure) -> FirmwareRecord {
        try await call { () async throws(CloudError) in try await client.record(of: firmwareID) }
    }

    /// Sends a file; not a call of the account's quota.
    func upload(
        _ transfer: Transfer,
        _ ticket: Ticket,
        body: BodySource,
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
        try await turn()
        return try await paced(body)
    }

    private func turn() async throws(Failure) {
        do { try await pacer.turn() } catch { throw .stopped }
    }

    /// Makes a call that has had its turn; what comes of it tells of the account's quota.
    private func paced<Value>(_ body: () async throws(CloudError) -> Value) async throws(Failure) -> Value {
        let value: Value
        do throws(CloudError) {
            value = try await body()
        } catch {
            guard error.reason.code == .cloudThrottled else { throw failure(error) }
            pacer.refused(retryAfter: error.retryAfter)
            let floor = if case .retry(let floor) = error.disposition { floor } else { Duration.zero }
            throw failure(error, pause: max(pacer.untilNextCall, floor))
        }
        pacer.succeeded()
        board.cloudSucceeded()
        return value
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

    private func failure(_ error: CloudError, pause: Duration? = nil) -> Failure {
        if error.isCancelled || Task.isCancelled { return .stopped }
        switch error.reason.code {
        case .cloudUnreachable, .tls, .uploadBroken, .uploadStalled: board.cloudFailed(isReachable: false)
        // Nothing was sent, unless the cloud itself refused it.
        case .credentials, .hostNotAllowed, .ticketExpired, .ticketUnusable:
            if error.httpStatus != nil { board.cloudFailed(isReachable: true) }
        default: board.cloudFailed(isReachable: true)
        }
        var reason = error.reason
        if reason.code == .credentials { reason.hint = nameCredentials(reason.hint) }
        board.report(.cloud, reason.text, hint: reason.hasOwnHint ? reason.hint : "")
        let remedy: PublicationFailure.Remedy =
            switch error.disposition {
            case .retry(let floor): .retry(floor: floor)
            case .newTicket: .newTicket
            case .lookUp: .lookUp
            case .hold: .hold
            case .fail: .fail
            }
        var failure = PublicationFailure(
            reason: reason,
            remedy: remedy,
            requestID: error.requestID,
            pause: pause
        )
        // A registration is looked up no sooner than the cloud wants to be asked.
        failure.floor = max(error.retryAfter ?? .zero, error.floor)
        return .failed(failure)
    }
}
