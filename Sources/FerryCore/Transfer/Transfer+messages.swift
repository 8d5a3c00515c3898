extension Transfer {
    /// At most so many ranges are listed in a message.
    package static let missingLimit = 64

    /// The payload of `state/<sender>/<id>`.
    ///
    /// - Parameter sent: bytes of the running upload that OSS has taken, where one runs.
    package func stateMessage(sent: Int64? = nil, catalog: ProductCatalog) -> JSONValue {
        let bound = state == .receiving ? expectedUpperBound : 0
        let missing = received.missing(in: 0..<bound, limit: Self.missingLimit)
        let isUploaded = state == .registering || state == .registered
        let whole = isUploaded || digests != nil ? size : nil
        return [
            "v": 1,
            "id": .string(address.id.text),
            "sender": .string(address.sender.text),
            "file": .text(request?.name),
            "file_id": .text(door == .fileTransfer ? request?.fileID : nil),
            "size": size.map(JSONValue.integer) ?? .null,
            "sha256": .text((digests?.sha256 ?? expectedSHA256)?.hex),
            "firmware": firmware.json(catalog: catalog),
            "state": .string(state.rawValue),
            "since": .string(since.iso8601),
            "seq": .integer(seq),
            "received": [
                "durable": .integer(whole ?? received.prefix),
                "bytes": .integer(whole ?? received.count),
                "missing": .array(missing.ranges.map(\.json)),
                "more": .bool(missing.hasMore),
            ],
            "cloud": [
                "attempt": .integer(Int64(publication.attempt)),
                "next_attempt": .text(publication.nextAttempt?.iso8601),
                "sent": .integer(isUploaded ? size ?? 0 : sent ?? 0),
                "firmware_url": .text(publication.firmwareURL),
                "firmware_id": .text(publication.firmwareID),
                "request_id": .text(publication.requestID),
            ],
            "reason": reason?.json ?? .null,
            "paused": .bool(isPaused),
        ]
    }

    /// Why what is stored is not in the cloud yet, for senders that may read no states; empty where nothing stands in its
    /// way.
    package func whyItWaits(isAllPaused: Bool) -> String {
        switch state {
        case .stored, .held, .registering:
            if let reason { return reason.text }
            if isPaused { return "An operator has paused this firmware" }
            return isAllPaused ? "An operator has paused the gateway's publication" : ""
        default: return ""
        }
    }

    /// The payload of `out/<sender>/<id>/ack`.
    package func acknowledgement(
        credit: Int64,
        segment: Int64,
        reason: ReasonCode = .ok,
        text: String = ""
    ) -> JSONValue {
        let bound = state == .receiving ? expectedUpperBound : 0
        let missing = received.missing(in: 0..<bound, limit: Self.missingLimit)
        // What is stored for good, or was, is received whole, whether or not the bytes are still here.
        let isWhole = digests != nil
        return [
            "id": .string(address.id.text),
            "seq": .integer(seq),
            "received": .integer(isWhole ? size ?? 0 : received.count),
            "durable": .integer(isWhole ? size ?? 0 : received.prefix),
            "missing": .array(missing.ranges.map(\.json)),
            "more": .bool(missing.hasMore),
            "credit": .integer(credit),
            "segment": .integer(segment),
            "state": .string(state.rawValue),
            "reason": .string(reason.rawValue),
            "text": .string(text),
        ]
    }

    /// An acknowledgement for a transfer that does not exist (any more).
    package static func acknowledgement(
        ofUnknown id: String,
        seq: Int64,
        credit: Int64,
        segment: Int64,
        reason: ReasonCode,
        text: String
    ) -> JSONValue {
        [
            "id": .string(id), "seq": .integer(seq), "received": 0, "durable": 0, "missing": [], "more": false,
            "credit": .integer(credit), "segment": .integer(segment), "state": .null,
            "reason": .string(reason.rawValue), "text": .string(text),
        ]
    }
}

extension Range<Int64> {
    /// `[lower, upper]`, half-open.
    package var json: JSONValue { [.integer(lowerBound), .integer(upperBound)] }
}

extension FirmwareMetadata {
    /// The member `firmware` of a state message: as `init` has it, with the defaults filled in.
    package func json(catalog: ProductCatalog) -> JSONValue {
        let effective = CloudFirmware(self, catalog: catalog)
        let entry = product.flatMap { catalog.entry(for: $0) }
        var members: [String: JSONValue] = [
            "product": .text(product?.text),
            "product_key": .text(entry?.productKey),
            "alias": .text(entry.flatMap { $0.alias.text == $0.productKey ? nil : $0.alias.text }),
            "version": .text(version?.text),
            "name": .text(effective?.name ?? name),
            "module": .string(effective?.module ?? module?.text ?? ProductCatalog.defaultModule),
            "type": .string(kind.rawValue),
            "sign_method": .string(signMethod.rawValue),
            "priority": .integer(Int64(priority)),
            "source_version": .string(sourceVersion?.text ?? ""),
            "description": .string(description ?? ""),
            // The cloud's default.
            "verify": .bool(needsVerification ?? true),
            "custom": [:],
        ]
        if let custom { members["custom"] = (try? JSONValue(parsing: custom)) ?? .string(custom) }
        if let package {
            members["package"] = ["id": .string(package.id.text), "files": .integer(Int64(package.files))]
        }
        return .object(members)
    }
}
