import Broker
import Crypto
import FerryCore

/// A message of a sender, parsed.
struct Delivery: Sendable {
    var content: Content
    /// Set where it came through the door of EMQX's file transfer, whose client wants an answer.
    var fileCommand: FileCommand?

    init(_ content: Content, fileCommand: FileCommand? = nil) {
        self.content = content
        self.fileCommand = fileCommand
    }
}

extension Delivery {
    /// What the transaction has to do with it.
    enum Content: Sendable {
        case initialize(TransferAddress, Result<TransferRequest, FirmwareMetadata.Problem>)
        case segment(TransferAddress, offset: Int64, bytes: [UInt8], isJump: Bool)
        case finish(TransferAddress, Transfer.FileEnd)
        case abort(TransferAddress)
        case query(TransferAddress)
        case oneShot(TransferAddress, OneShot)
        /// Nothing is stored; the sender is told where it can be.
        case refused(TransferAddress?, ReasonCode, String)
    }

    /// A firmware in one message.
    struct OneShot: Sendable {
        var request: Result<TransferRequest, FirmwareMetadata.Problem>
        /// What speaks against it besides the request.
        var problem: FirmwareMetadata.Problem?
        var bytes: [UInt8]
        var sha256: FerryCore.Digest
    }
}

extension Delivery.Content {
    /// The size of the whole file, where it says one.
    var fileSize: Int64? {
        switch self {
        case .initialize(_, .success(let request)): request.size
        case .finish(_, let end): end.size
        case .initialize, .segment, .abort, .query, .oneShot, .refused: nil
        }
    }

    /// Which transfer it concerns, where that is known.
    var address: TransferAddress? {
        switch self {
        case .initialize(let address, _), .segment(let address, _, _, _), .finish(let address, _), .abort(let address),
            .query(let address), .oneShot(let address, _):
            address
        case .refused(let address, _, _): address
        }
    }
}

extension TransferAddress {
    /// Of a client of EMQX's file transfer. A file id that is no name is called by the beginning of its SHA-256.
    package init?(ofFile id: String) {
        let name = Name(id) ?? Name(FerryCore.Digest(bytes: SHA256.hash(data: Array(id.utf8))).hex.prefix(16))
        guard let name, let sender = Name(FileTransferTopic.sender) else { return nil }
        self.init(sender: sender, id: name)
    }
}

/// Makes deliveries of messages.
struct DeliveryParser: Sendable {
    let topics: GatewayTopics
    let oneShotMax: ByteCount

    func parse(_ message: InboundMessage) -> Delivery {
        FileTransferTopic.isOne(message.topic) ? fileTransfer(message) : Delivery(own(message))
    }

    private func own(_ message: InboundMessage) -> Delivery.Content {
        guard let levels = topics.intakeLevels(message.topic) else {
            return .refused(nil, .badTopic, "The topic is none of this gateway's")
        }
        do {
            switch try IntakeTopic(levels: levels) {
            case .oneShot(let sender, let product, let version, let fileName):
                return oneShot(message, sender: sender, product: product, version: version, fileName: fileName)
            case .step(let address, let step):
                return self.step(
                    step,
                    of: address,
                    message,
                    Result { () throws(FirmwareMetadata.Problem) in try TransferRequest(payload: message.payload) }
                )
            }
        } catch {
            guard let sender = error.oneShotSender else { return .refused(error.address, .badTopic, error.text) }
            return refusedOneShot(message, sender: sender, FirmwareMetadata.Problem(error.text, code: .badTopic))
        }
    }

    private func refusedOneShot(
        _ message: InboundMessage,
        sender: Name,
        _ problem: FirmwareMetadata.Problem
    ) -> Delivery.Content {
        let digest = FerryCore.Digest(bytes: SHA256.hash(data: message.payload))
        let oneShot = Delivery.OneShot(request: .failure(problem), bytes: [], sha256: digest)
        return .oneShot(Self.address(sender, digest), oneShot)
    }

    private static func address(_ sender: Name, _ digest: FerryCore.Digest) -> TransferAddress {
        guard let id = Name(digest.hex.prefix(16)) else { preconditionFailure("Hexadecimal digits are a name") }
        return TransferAddress(sender: sender, id: id)
    }

    private func fileTransfer(_ message: InboundMessage) -> Delivery {
        let command = FileCommand(message, topics)
        do throws(FileTransferTopic.Refusal) {
            let topic = try FileTransferTopic(topic: message.topic)
            guard let address = TransferAddress(ofFile: topic.fileID) else {
                return Delivery(.refused(nil, .badTopic, "The file id cannot be used"), fileCommand: command)
            }
            let content = step(
                topic.step,
                of: address,
                message,
                Result { () throws(FirmwareMetadata.Problem) in
                    try TransferRequest(fileTransferPayload: message.payload, fileID: topic.fileID)
                }
            )
            return Delivery(content, fileCommand: command)
        } catch {
            let address = error.fileID.flatMap(TransferAddress.init(ofFile:))
            return Delivery(.refused(address, .badTopic, error.text), fileCommand: command)
        }
    }

    private func step(
        _ step: IntakeTopic.Step,
        of address: TransferAddress,
        _ message: InboundMessage,
        _ request: @autoclosure () -> Result<TransferRequest, FirmwareMetadata.Problem>
    ) -> Delivery.Content {
        switch step {
        case .initialize: return .initialize(address, request())
        case .segment(let offset, let checksum):
            let end = offset + Int64(message.payload.count)
            guard end <= CloudLimits.fileBytes else {
                return .refused(
                    address,
                    .tooLarge,
                    "The segment ends at byte \(end), the cloud takes files of \(CloudLimits.fileBytes)"
                )
            }
            if let checksum, FerryCore.Digest(bytes: SHA256.hash(data: message.payload)) != checksum {
                return .refused(
                    address,
                    .checksumMismatch,
                    "The segment at \(offset) does not have the SHA-256 of its topic; send it again"
                )
            }
            return .segment(address, offset: offset, bytes: message.payload, isJump: false)
        case .finish(let size, let checksum):
            return .finish(address, Transfer.FileEnd(size: size, checksum: checksum))
        case .abort: return .abort(address)
        case .query: return .query(address)
        }
    }

    /// User properties that add to the metadata of a one-shot delivery, in the names of `init`.
    private static let textMembers = [
        "name", "module", "type", "source_version", "description", "sign_method", "signature", "custom",
    ]

    private func oneShot(
        _ message: InboundMessage,
        sender: Name,
        product: Name,
        version: Name,
        fileName: String?
    ) -> Delivery.Content {
        let digest = FerryCore.Digest(bytes: SHA256.hash(data: message.payload))
        // Without a name of its own it has no suffix, whatever stands behind the last dot of the version.
        let plain = "\(product)-\(version)"
        let name = fileName ?? (FileName.suffix(of: plain) == "bin" ? plain : plain + ".bin")
        var firmware: [String: JSONValue] = ["product": .string(product.text), "version": .string(version.text)]
        for property in message.properties.userProperties {
            if Self.textMembers.contains(property.name) {
                firmware[property.name] = .string(property.value)
            } else if property.name == "verify" {
                // Another word is refused by name with the rest of the metadata.
                firmware[property.name] = ["true": true, "false": false][property.value] ?? .string(property.value)
            } else if property.name == "priority" {
                firmware[property.name] = Int64(property.value).map(JSONValue.integer) ?? .string(property.value)
            } else if property.name == "package" {
                firmware[property.name] = (try? JSONValue(parsing: property.value)) ?? .string(property.value)
            }
        }
        let document: JSONValue = [
            "name": .string(name), "size": .integer(Int64(message.payload.count)), "checksum": .string(digest.hex),
            "firmware": .object(firmware),
        ]
        let request = Result { () throws(FirmwareMetadata.Problem) in try TransferRequest(document: document) }
        var oneShot = Delivery.OneShot(request: request, bytes: message.payload, sha256: digest)
        if message.payload.count > Int(oneShotMax.rawValue) {
            oneShot.bytes = []
            oneShot.problem = FirmwareMetadata.Problem(
                "The message has \(ByteCount(message.payload.count)), one message may have \(oneShotMax)",
                code: .tooLarge
            )
        }
        return .oneShot(Self.address(sender, digest), oneShot)
    }
}
