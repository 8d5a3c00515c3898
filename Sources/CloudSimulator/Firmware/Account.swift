import Crypto
import Foundation

/// The simulated account: its keys, tickets, objects and firmware. It writes its ledger before it answers.
actor Account {
    /// What the gateway answers to a call that went well, and a few words about it for the record.
    struct Outcome {
        var members: [(name: String, value: AnswerDocument)] = []
        var note = ""
    }

    private nonisolated let executor = DispatchExecutor(label: "simulated-account")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private nonisolated let settings: LiveConfiguration
    private var gatekeeper: Gatekeeper
    private var ledger: Ledger
    private nonisolated let clock: ServerClock
    private let ledgerFile: URL
    /// What tickets name as `Host`, known once the server listens.
    private var host = ""

    init(settings: LiveConfiguration, clock: ServerClock) throws {
        self.settings = settings
        gatekeeper = Gatekeeper(settings: settings)
        self.clock = clock
        ledgerFile = URL(fileURLWithPath: settings.current.folder).appendingPathComponent("cloud.json")
        if FileManager.default.fileExists(atPath: ledgerFile.path) {
            ledger = try JSONDecoder().decode(Ledger.self, from: Data(contentsOf: ledgerFile))
        } else {
            ledger = Ledger()
        }
    }

    private var configuration: CloudConfiguration { settings.current }
    private var now: Date { clock.now }

    var objects: [StoredObject] { ledger.objects.values.sorted { $0.uploaded < $1.uploaded } }
    var firmware: [RegisteredFirmware] { ledger.firmware }

    func setHost(_ host: String) { self.host = host }

    /// Checks the caller.
    func admit(_ request: RPCRequest) throws(GatewayRefusal) { try gatekeeper.admit(request, now: now) }

    /// Does the call.
    func perform(_ call: Call, _ request: RPCRequest) throws -> Outcome {
        let arguments = try ActionArguments(call: call, parameters: request.businessParameters)
        try checkInstance(arguments["IotInstanceId"])
        switch call {
        case .generateUploadURL: return try generateUploadURL(arguments)
        case .createFirmware: return try createFirmware(arguments)
        case .listFirmware: return try listFirmware(arguments)
        case .queryFirmware: return try queryFirmware(arguments)
        case .deleteFirmware: return try deleteFirmware(arguments)
        case .postObject, .unknown:
            throw GatewayRefusal(status: 404, code: "InvalidApi.NotFound", message: "Specified api is not found.")
        }
    }

    /// Takes an object into the bucket, or replaces the one of that name.
    func store(_ object: StoredObject) throws {
        ledger.objects[object.key] = object
        try save()
    }

    /// Adds a package that somebody else registered, past all rules.
    func plant(_ firmware: RegisteredFirmware) throws {
        ledger.firmware.append(firmware)
        try save()
    }

    /// Forgets tickets, objects and packages.
    func forget() throws {
        ledger = Ledger()
        try save()
    }

    private func checkInstance(_ given: String?) throws(ServiceRefusal) {
        guard given != configuration.instanceID else { return }
        if given == nil {
            throw ServiceRefusal("iot.Sre.IotInstanceNotFound", "IotInstanceId is needed for this instance.")
        }
        throw ServiceRefusal("iot.system.InstanceNotFound", "The instance does not exist.")
    }

    private func save() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try encoder.encode(ledger).write(to: ledgerFile, options: .atomic)
    }

    // MARK: Ticket

    private func generateUploadURL(_ arguments: ActionArguments) throws -> Outcome {
        let suffix = arguments["FileSuffix"] ?? "bin"
        guard FirmwareRules.suffixes.contains(suffix) else {
            throw ServiceRefusal("iot.firmware.InvalidGenerateOTAUploadURLParam", "FileSuffix is not supported.")
        }
        let key = "ota/\(Self.randomHex(16))/\(Self.randomHex(12)).\(suffix)"
        let host = configuration.ticketHost ?? host
        let ticket = Ledger.Ticket(key: key, url: "\(host)/\(key)", issued: now)
        // Such a ticket cannot lead to a registration any more.
        let over = now - configuration.ticketLife.interval - configuration.objectLife.interval
        ledger.tickets.removeAll { $0.issued < over }
        ledger.tickets.append(ticket)
        try save()
        let policy = PostPolicy.text(
            expiration: now + configuration.ticketLife.interval,
            sizeMaximum: configuration.sizeMaximum,
            key: key
        )
        let encoded = Data(policy.utf8).base64EncodedString()
        let data: [(String, String)] = [
            ("Key", key), ("Host", host), ("Policy", encoded), ("OSSAccessKeyId", BucketOwner.accessKeyID),
            ("Signature", BucketOwner.sign(policy: encoded)), ("ObjectStorage", "OSS"),
            ("UtcCreate", ServerTime.milliseconds(now)), ("FirmwareUrl", ticket.url),
        ]
        return Outcome(members: [("Data", .members(data.map { ($0.0, .text($0.1)) }))], note: key)
    }

    private static func randomHex(_ count: Int) -> String {
        Hex.encode((0..<count).map { _ in UInt8.random(in: 0...255) })
    }

    // MARK: Register

    private func createFirmware(_ arguments: ActionArguments) throws -> Outcome {
        let draft = try FirmwareDraft(arguments)
        try draft.checkProductAndModule(configuration)
        let files = try draft.files.map { try resolve($0, method: draft.signMethod) }
        guard !ledger.firmware.contains(where: { $0.name == draft.name }) else {
            throw ServiceRefusal("iot.firmware.AlreadyExistedFirmwareName", "The firmware name already exists.")
        }
        let taken = ledger.firmware.contains {
            $0.productKey == draft.productKey && $0.module == draft.module && $0.type == draft.type
                && $0.sourceVersion == draft.sourceVersion && $0.version == draft.version
        }
        guard !taken else {
            throw ServiceRefusal("iot.firmware.AlreadyExistedFirmwareVersion", "The version exists under the product.")
        }
        guard ledger.firmware.count < configuration.packagesMaximum else {
            throw ServiceRefusal("iot.firmware.FirmwareCountExceedMax", "There are too many packages.")
        }
        let firmware = draft.registered(id: Self.randomHex(13), files: files, created: now)
        ledger.firmware.append(firmware)
        try save()
        let data: [(String, AnswerDocument)] = [
            ("FirmwareId", .text(firmware.id)), ("UtcCreate", .text(ServerTime.milliseconds(firmware.created))),
        ]
        return Outcome(members: [("Data", .members(data))], note: "\(firmware.name) \(firmware.version) \(firmware.id)")
    }

    /// Finds the object of a file and compares what the caller says about it.
    private func resolve(
        _ file: FirmwareDraft.File,
        method: FirmwareDraft.SignMethod
    ) throws(ServiceRefusal) -> RegisteredFirmware.File {
        guard let components = URLComponents(string: file.url), let scheme = components.scheme,
            scheme.hasPrefix("http"),
            components.host?.isEmpty == false
        else { throw ServiceRefusal("iot.firmware.MalformedFirmwareUrl", "FirmwareUrl is not a URL.") }
        guard let ticket = ledger.tickets.last(where: { $0.url == file.url }) else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareUrl", "FirmwareUrl is not one of the platform.")
        }
        guard let object = ledger.objects[ticket.key],
            now.timeIntervalSince(object.uploaded) <= configuration.objectLife.interval
        else { throw ServiceRefusal("iot.firmware.InvalidFirmware", "The firmware file does not exist.") }
        guard object.size > 0 else {
            throw ServiceRefusal("iot.firmware.EmptyFirmwareFile", "The firmware file is empty.")
        }
        guard file.size ?? object.size == object.size else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareSize", "FirmwareSize is not the size of the file.")
        }
        let sign = method == .md5 ? object.md5 : object.sha256
        guard file.sign?.lowercased() ?? sign == sign, file.md5?.lowercased() ?? object.md5 == object.md5 else {
            throw ServiceRefusal("iot.firmware.InvalidFirmwareSign", "FirmwareSign is not the digest of the file.")
        }
        return RegisteredFirmware.File(
            name: file.name,
            url: file.url,
            key: ticket.key,
            size: object.size,
            md5: object.md5,
            sign: sign
        )
    }

    // MARK: Look-up and removal

    private func listFirmware(_ arguments: ActionArguments) throws -> Outcome {
        guard let page = Int(arguments["CurrentPage"] ?? ""), page >= 1,
            let size = Int(arguments["PageSize"] ?? ""), (1...100).contains(size)
        else { throw ServiceRefusal("iot.common.InvalidPageParams", "CurrentPage or PageSize is not valid.") }
        let visible = now - configuration.listingDelay.interval
        let product = arguments["ProductKey"]
        let version = arguments["DestVersion"]
        let found = ledger.firmware.reversed().filter {
            $0.created <= visible && (product == nil || $0.productKey == product)
                && (version == nil || $0.version == version)
        }
        let first = min((page - 1).multipliedReportingOverflow(by: size).partialValue, found.count)
        let shown = first < 0 ? [] : found[first..<min(first + size, found.count)].map { $0.summary() }
        return Outcome(
            members: [
                ("CurrentPage", .number(Int64(page))), ("PageSize", .number(Int64(size))),
                ("PageCount", .number(Int64((found.count + size - 1) / size))), ("Total", .number(Int64(found.count))),
                ("FirmwareInfo", .members([("SimpleFirmwareInfo", .list(shown))])),
            ],
            note: "\(found.count) found"
        )
    }

    private func queryFirmware(_ arguments: ActionArguments) throws -> Outcome {
        let firmware = try find(arguments)
        return Outcome(members: [("FirmwareInfo", firmware.details(now: now))], note: firmware.name)
    }

    private func deleteFirmware(_ arguments: ActionArguments) throws -> Outcome {
        let firmware = try find(arguments)
        ledger.firmware.removeAll { $0.id == firmware.id }
        try save()
        return Outcome(note: firmware.name)
    }

    private func find(_ arguments: ActionArguments) throws(ServiceRefusal) -> RegisteredFirmware {
        let id = arguments["FirmwareId"] ?? ""
        guard !id.isEmpty else { throw ServiceRefusal("iot.firmware.NullFirmwareId", "FirmwareId is empty.") }
        guard let firmware = ledger.firmware.first(where: { $0.id == id }) else {
            throw ServiceRefusal("iot.firmware.FirmwareNotFound", "The firmware does not exist.")
        }
        return firmware
    }
}
