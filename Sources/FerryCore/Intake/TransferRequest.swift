/// What `init` says, checked.
package struct TransferRequest: Sendable, Equatable {
    /// The name of the file.
    package var name: String
    /// The announced size; `fin` decides.
    package var size: Int64?
    /// The announced SHA-256 of the file; the one in `fin` beats it.
    package var checksum: Digest?
    /// When a transfer that is still receiving ends.
    package var expireAt: WallTime?
    /// How long a transfer that is still receiving may stay without a new byte.
    package var segmentsTTL: Duration?
    package var firmware: FirmwareMetadata
    /// The document as it came, unknown members too, with its members in order; a second `init` has to equal it. Kept as
    /// text, which takes a small part of the room of its parsed form.
    package let documentText: String
    package var document: JSONValue { (try? JSONValue(parsing: documentText)) ?? .null }

    /// The payload of `init` is at most this long.
    package static let payloadLimit = 64 << 10
    /// The range of `segments_ttl`.
    package static let segmentsTTLRange = Duration.seconds(300)...Duration.seconds(30 * 86_400)

    /// Whether another `init` says the same. Its signature may be another one: most kinds of keys make a new one each time.
    package func saysTheSame(as other: TransferRequest) -> Bool {
        documentText == other.documentText || unsigned == other.unsigned
    }

    /// Where the document keeps what a client of EMQX's file transfer calls the file; no member of the contract.
    static let fileIDMember = "$file_id"

    private var unsigned: JSONValue {
        guard var members = document.object else { return document }
        // The same file may be delivered through another door.
        members[Self.fileIDMember] = nil
        guard var firmware = members["firmware"]?.object else { return .object(members) }
        firmware["signature"] = nil
        members["firmware"] = .object(firmware)
        return .object(members)
    }

    /// Reads the payload of `init`.
    package init(payload: [UInt8]) throws(FirmwareMetadata.Problem) {
        guard payload.count <= Self.payloadLimit else {
            throw .init("init is larger than \(ByteCount(Self.payloadLimit))")
        }
        let document: JSONValue
        do { document = try JSONValue(parsing: payload) } catch { throw .init(error.text) }
        try self.init(document: document)
    }

    /// Reads the document of `init`.
    ///
    /// - Parameter isChecksumLenient: whether a checksum may have lost its leading zeros.
    package init(document: JSONValue, isChecksumLenient: Bool = false) throws(FirmwareMetadata.Problem) {
        guard document.object != nil else { throw .init("init must be a JSON object") }
        guard let name = document["name"]?.string else { throw .init("init needs \"name\", the name of the file") }
        if let problem = FileName.problem(with: name) { throw .init(problem) }
        self.name = name
        documentText = document.text
        firmware =
            try document["firmware"].map { (json) throws(FirmwareMetadata.Problem) in
                try FirmwareMetadata(json: json)
            } ?? FirmwareMetadata()
        if let value = document["size"] {
            guard let number = value.integer, number >= 0 else {
                throw .init("size must be a whole number of bytes")
            }
            size = number
        }
        if let value = document["checksum"] {
            let text = value.string ?? ""
            guard let digest = isChecksumLenient ? Digest(lenientSHA256Hex: text) : Digest(sha256Hex: text) else {
                throw .init("checksum must be a SHA-256 in 64 hexadecimal digits")
            }
            checksum = digest
        }
        if let value = document["expire_at"] {
            guard let number = value.integer, number > 0, number < 1 << 40 else {
                throw .init("expire_at must be in seconds since 1970")
            }
            expireAt = WallTime(milliseconds: number * 1_000)
        }
        if let value = document["segments_ttl"] {
            guard let number = value.integer, number > 0 else {
                throw .init("segments_ttl must be a whole number of seconds")
            }
            let seconds = Duration.seconds(min(number, 1 << 40))
            segmentsTTL = min(max(seconds, Self.segmentsTTLRange.lowerBound), Self.segmentsTTLRange.upperBound)
        }
    }
}
