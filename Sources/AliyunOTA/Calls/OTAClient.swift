import FerryCore
package import Logging

/// The three calls that publish a firmware, and the list that tells whether one is there.
///
/// Each call is made once; repeating is the caller's business, by the error's disposition. Exceptions: a call that the
/// server found too far from its clock, or with a nonce it had seen, is repeated once at once.
package final class OTAClient: Sendable {
    let settings: CloudSettings
    let http: HTTPClient
    let clock: ServerClock
    let caller: PlatformCaller

    /// - Parameter http: may be shared with credential sources.
    package init(
        settings: CloudSettings,
        credentials: any CredentialSource,
        http: HTTPClient,
        clock: ServerClock,
        logger: Logger = Logger(label: "aliyun-ota")
    ) {
        self.settings = settings
        self.http = http
        self.clock = clock
        caller = PlatformCaller(
            endpointURL: settings.endpointURL,
            region: settings.region,
            signature: settings.signature,
            format: settings.format,
            credentials: credentials,
            http: http,
            clock: clock,
            logger: logger
        )
    }

    /// Whether what the credentials are read from has changed since the last time this was asked; false the first time.
    package func takeCredentialsChange() -> Bool { caller.credentials.takeChange() }

    private func perform(
        _ call: RPCCall,
        _ operation: CloudOperation,
        object: String
    ) async throws(CloudError) -> PlatformAnswer {
        var call = call
        // An old public instance has no id, and an empty one is refused.
        call.parameters.add("IotInstanceId", settings.instanceID.flatMap { $0.isEmpty ? nil : $0 })
        return try await caller.perform(call, operation, object: object)
    }

    /// Asks for the right to upload one file of a suffix (`bin`, `tar.gz`, …). It lives for about a minute.
    package func requestTicket(suffix: String) async throws(CloudError) -> Ticket {
        var call = RPCCall(action: "GenerateOTAUploadURL")
        call.parameters.add("FileSuffix", suffix)
        let answer = try await perform(call, .ticket, object: "")
        do {
            return try Ticket(data: answer.data ?? .null, requestID: answer.requestID, receivedAt: clock.now())
        } catch {
            throw incomplete(.ticket, "", member: "Data.\(error.name)", of: answer)
        }
    }

    /// Registers what was uploaded. The outcome of an error with disposition `.lookUp` is not known.
    package func register(_ registration: Registration) async throws(CloudError) -> RegisteredFirmware {
        let object = "\(registration.name) \(registration.version)"
        let call = RPCCall(action: "CreateOTAFirmware", parameters: registration.parameters)
        let answer = try await perform(call, .register, object: object)
        guard let id = answer.data?["FirmwareId"]?.string, !id.isEmpty else {
            throw incomplete(.register, object, member: "Data.FirmwareId", of: answer)
        }
        return RegisteredFirmware(firmwareID: id, requestID: answer.requestID)
    }

    /// The most that the cloud puts on one page.
    private static let pageSize: Int64 = 100
    /// An account holds 500 packages; more pages than this are a mistake of the server.
    package static let pageLimit: Int64 = 100

    /// Every firmware of the account, or those of a product or a version, all pages.
    package func listFirmware(
        productKey: String? = nil,
        version: String? = nil
    ) async throws(CloudError) -> [ListedFirmware] {
        var found: [ListedFirmware] = []
        for page in 1...Self.pageLimit {
            let listed = try await listFirmware(productKey: productKey, version: version, page: page)
            found += listed.firmware
            if listed.isLast { break }
        }
        return found
    }

    /// One page of the list, counted from 1, and whether it is the last: one call.
    package func listFirmware(
        productKey: String?,
        version: String?,
        page: Int64
    ) async throws(CloudError) -> (firmware: [ListedFirmware], isLast: Bool) {
        var call = RPCCall(action: "ListOTAFirmware")
        call.parameters.add("CurrentPage", String(page))
        call.parameters.add("PageSize", String(Self.pageSize))
        call.parameters.add("ProductKey", productKey)
        call.parameters.add("DestVersion", version)
        let answer = try await perform(call, .list, object: "")
        let rows = Self.rows(of: answer)
        let pageCount = answer.content.number("PageCount")
        let total = answer.content.number("Total")
        // Without counts a short page is the last.
        let isLast = pageCount.map { page >= $0 } ?? total.map { page * Self.pageSize >= $0 }
        return (
            rows.compactMap(ListedFirmware.init(json:)),
            rows.isEmpty || isLast ?? (rows.count < Int(Self.pageSize))
        )
    }

    /// What the list does not tell of a firmware's files.
    package func record(of firmwareID: String) async throws(CloudError) -> FirmwareRecord {
        var call = RPCCall(action: "QueryOTAFirmware")
        call.parameters.add("FirmwareId", firmwareID)
        let answer = try await perform(call, .list, object: firmwareID)
        let firmware = answer.content["FirmwareInfo"]
        var record = FirmwareRecord()
        record.size = firmware?.number("FirmwareSize")
        record.sign = firmware?["FirmwareSign"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        if let list = firmware?["MultiFiles"] {
            // A list, a list one level down as in `FirmwareInfo` of the list call, or one object where there is one only.
            let rows = list["MultiFiles"] ?? list
            record.files = (rows.array ?? [rows]).compactMap(ListedFile.init(json:))
        } else if firmware?["FirmwareUrl"]?.string != nil {
            record.files = []
        }
        return record
    }

    /// An object with the member `SimpleFirmwareInfo`, which is a list, or one object where there is one only.
    private static func rows(of answer: PlatformAnswer) -> [JSONValue] {
        guard let list = answer.content["FirmwareInfo"] else { return [] }
        let rows = list["SimpleFirmwareInfo"] ?? list
        return rows.array ?? (rows["FirmwareId"] != nil ? [rows] : [])
    }

    private func incomplete(
        _ operation: CloudOperation,
        _ object: String,
        member: String,
        of answer: PlatformAnswer
    ) -> CloudError {
        let verdict = Verdict(.retryLater, .cloudRefused, "the cloud's answer lacks \(member) or it is unreadable")
        var error = CloudError(operation, object, operation == .register ? verdict.unknownOutcome() : verdict)
        error.requestID = answer.requestID.map(Untrusted.text)
        return error
    }
}
