/// One firmware file on its way from a sender to the cloud: everything that is known of it and has to survive.
///
/// A value of it is what the spool has committed, or what it is about to commit; nothing outside is told of a change
/// before its commit.
package struct Transfer: Sendable, Equatable {
    /// The spool's number for it; never used again while anything of the transfer is left.
    package let key: Int64
    package let address: TransferAddress
    /// The way it came in.
    package let door: Door
    /// Grows with every change, over restarts too.
    package var seq: Int64
    package internal(set) var state: TransferState
    /// When `state` began.
    package internal(set) var since: WallTime
    package let created: WallTime

    /// What `init` said; nil while segments came before it.
    package var request: TransferRequest?
    /// Metadata in force: of `init`, or as corrected by an operator.
    package var firmware = FirmwareMetadata()
    /// What `fin` said.
    package var end: FileEnd?
    /// The durable bytes.
    package var received = ByteRanges()
    /// When the last byte became durable.
    package var lastByte: WallTime
    /// Digests of the whole file as the spool gives it back, once they are known.
    package var digests: FileDigests?

    package internal(set) var publication = Publication()
    package var reason: Reason?
    package internal(set) var isPaused = false

    /// The way a transfer came in. The raw values are stored.
    package enum Door: String, Sendable {
        case segments
        case oneShot = "one-shot"
        /// EMQX's file transfer.
        case fileTransfer = "file-transfer"
    }

    /// What `fin` said.
    package struct FileEnd: Sendable, Equatable {
        package var size: Int64
        package var checksum: Digest?

        package init(size: Int64, checksum: Digest?) {
            self.size = size
            self.checksum = checksum
        }
    }

    /// A transfer that begins.
    package init(key: Int64, address: TransferAddress, door: Door, seq: Int64, at now: WallTime) {
        self.key = key
        self.address = address
        self.door = door
        self.seq = seq
        state = .receiving
        since = now
        created = now
        lastByte = now
    }

    /// It is said now to have come into its state, after something that was said before.
    package mutating func entered(notBefore time: WallTime) { since = max(since, time) }

    /// A transfer as the spool had stored it.
    package init(
        key: Int64,
        address: TransferAddress,
        door: Door,
        seq: Int64,
        state: TransferState,
        since: WallTime,
        created: WallTime,
        publication: Publication,
        isPaused: Bool
    ) {
        self.key = key
        self.address = address
        self.door = door
        self.seq = seq
        self.state = state
        self.since = since
        self.created = created
        lastByte = created
        self.publication = publication
        self.isPaused = isPaused
    }

    /// The size of the file: what `fin` said, else what `init` announced.
    package var size: Int64? { end?.size ?? request?.size }

    /// The SHA-256 the file has to have: what `fin` said, else what `init` announced.
    package var expectedSHA256: Digest? { end?.checksum ?? request?.checksum }

    /// Below this, every byte is expected.
    package var expectedUpperBound: Int64 { end?.size ?? received.upperBound }

    /// Whether `fin` came and every byte is there.
    package var isComplete: Bool {
        guard let end else { return false }
        return received.contains(0..<end.size)
    }

    /// Whether it needs something of its sender before it can go on: bytes, `fin`, or other bytes.
    package var waitsForSender: Bool { state == .receiving && (!isComplete || hasWrongChecksum) }

    /// Whether its bytes are still in the spool.
    package var hasBytes: Bool { received.count > 0 || (end?.size == 0 && !state.isFinal) }

    /// Room that has to be kept for it: the announced size, or what has come.
    package var reservedBytes: Int64 {
        state == .receiving ? max(size ?? 0, received.count) : received.count
    }
}

/// Digests of a whole file.
package struct FileDigests: Sendable, Equatable {
    package var sha256: Digest
    package var md5: Digest
    package var crc64: UInt64

    package init(sha256: Digest, md5: Digest, crc64: UInt64) {
        self.sha256 = sha256
        self.md5 = md5
        self.crc64 = crc64
    }
}

/// How far the publication of a transfer has come.
package struct Publication: Sendable, Equatable {
    /// How often it was tried.
    package var attempt = 0
    /// Failures in a row, for the back-off.
    package var failures = 0
    /// Before this moment nothing is tried.
    package var nextAttempt: WallTime?
    /// The ticket's FirmwareUrl, once OSS has confirmed the upload to it.
    package var firmwareURL: String?
    /// When OSS confirmed the upload, in the server's time.
    package var uploadedAt: WallTime?
    /// A register call was, or may have been, sent, and its outcome is not known.
    package var isOutcomeUnknown = false
    package var firmwareID: String?
    package var requestID: String?

    package init() {}
}
