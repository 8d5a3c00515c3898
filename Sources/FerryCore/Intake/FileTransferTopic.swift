/// A topic of EMQX's file transfer: `$file/<file id>/…` or `$file-async/<file id>/…`.
package struct FileTransferTopic: Sendable, Equatable {
    /// The client's own id of the file: one topic level.
    package let fileID: String
    package let step: IntakeTopic.Step

    /// What the agent subscribes to.
    package static let filters = ["$file/#", "$file-async/#"]
    /// The sender of everything that comes this way; MQTT does not tell who publishes.
    package static let sender = "emqx"

    private static let expectation = "Expected init, <offset>, fin/<size> or abort after the file id"

    /// Why a topic is none.
    package struct Refusal: Error, Sendable, Equatable {
        /// The transfer it names, where it names one.
        package var fileID: String?
        package var text: String
    }

    /// Whether a topic is meant for this door.
    package static func isOne(_ topic: String) -> Bool {
        topic.utf8.starts(with: "$file/".utf8) || topic.utf8.starts(with: "$file-async/".utf8)
    }

    /// Reads a topic for which `isOne` holds.
    package init(topic: String) throws(Refusal) {
        let levels = Substring(topic).topicLevels.dropFirst()
        guard let id = levels.first, (1...255).contains(id.utf8.count) else {
            throw Refusal(fileID: nil, text: "The file id must be one topic level of 1 to 255 bytes")
        }
        fileID = String(id)
        do throws(IntakeTopic.Step.Problem) {
            step = try IntakeTopic.Step(levels: Array(levels.dropFirst()))
        } catch {
            throw Refusal(fileID: fileID, text: error.isUnknownStep ? Self.expectation : error.text)
        }
        guard step != .query else {
            throw Refusal(fileID: fileID, text: Self.expectation)
        }
    }
}

/// What EMQX's file transfer answers to a command.
package struct FileTransferResult: Sendable, Equatable {
    /// 0 done, 128 try again, 131 give up, 151 pause.
    package var reasonCode: Int64
    package var description: String

    package static let success = FileTransferResult(reasonCode: 0, description: "success")

    package init(reasonCode: Int64, description: String) {
        self.reasonCode = reasonCode
        self.description = description
    }

    /// The result that an acknowledgement's reason means to a client of this protocol.
    package init(reason: ReasonCode, text: String) {
        let description = text.isEmpty ? reason.rawValue : "\(reason.rawValue): \(text)"
        switch reason {
        // A gap is our own matter: this client learns of holes at fin.
        case .ok, .gap: self = .success
        case .incomplete, .checksumMismatch, .unknownTransfer:
            self.init(reasonCode: 128, description: description)
        case .noRoom, .tooManyTransfers: self.init(reasonCode: 151, description: description)
        default: self.init(reasonCode: 131, description: description)
        }
    }

    /// The payload of the answer.
    package func payload(topic: String, packetID: Int64) -> JSONValue {
        [
            "vsn": "0.1", "topic": .string(topic), "packet_id": .integer(packetID), "reason_code": .integer(reasonCode),
            "reason_description": .string(description),
        ]
    }
}

extension TransferRequest {
    /// Reads the payload of `init` as a client of EMQX's file transfer sends it: what `firmware` holds elsewhere stands in
    /// `user_data`, where this client means us at all.
    ///
    /// - Parameter fileID: what the client calls the file; it is kept with the document.
    package init(fileTransferPayload payload: [UInt8], fileID: String) throws(FirmwareMetadata.Problem) {
        guard payload.count <= Self.payloadLimit else {
            throw .init("init is larger than \(ByteCount(Self.payloadLimit))")
        }
        let document: JSONValue
        do { document = try JSONValue(parsing: payload) } catch { throw .init(error.text) }
        let kept = document.object.map { JSONValue.object($0.merging([Self.fileIDMember: .string(fileID)]) { $1 }) }
        try self.init(document: kept ?? document, isChecksumLenient: true)
        guard let data = document["user_data"], data.object != nil else {
            firmware = FirmwareMetadata()
            return
        }
        if data["product"]?.string != nil || data["version"]?.string != nil {
            firmware = try FirmwareMetadata(json: data)
        } else {
            // Members of somebody else's that have our names and other meanings are no mistake.
            firmware = (try? FirmwareMetadata(json: data)) ?? FirmwareMetadata()
        }
    }

    /// What a client of EMQX's file transfer calls the file, in its topics.
    package var fileID: String? { document[Self.fileIDMember]?.string }

    /// The client that is to be answered, as `user_data.client_id` names it.
    package var clientID: String? { document["user_data"]?["client_id"]?.string }
}
