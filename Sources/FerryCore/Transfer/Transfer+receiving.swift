extension Transfer {
    /// What `received` and `fin` add up to.
    package enum Completeness: Sendable, Equatable {
        /// `fin` has not come.
        case open
        /// `fin` came, bytes are missing.
        case incomplete
        /// All bytes are durable; the digest has to be compared.
        case unverified
    }

    /// Where a transfer in `receiving` stands.
    package var completeness: Completeness {
        guard end != nil else { return .open }
        return isComplete ? .unverified : .incomplete
    }

    /// The digests of all bytes as the spool gave them back are known: the file is stored, or it is not the one that was
    /// announced and waits for `abort`.
    ///
    /// - Parameters:
    ///   - signature: what speaks against its signature, where signatures are checked.
    ///   - catalog: tells whether the metadata suffices.
    package mutating func verified(
        _ digests: FileDigests,
        signature problem: FirmwareMetadata.Problem? = nil,
        catalog: ProductCatalog,
        at now: WallTime
    ) {
        precondition(state == .receiving && isComplete, "Cannot verify a transfer in \(state)")
        if let expected = expectedSHA256, expected != digests.sha256 {
            reason = Reason(
                .checksumMismatch,
                .operator,
                "The stored bytes have the SHA-256 \(digests.sha256), announced was \(expected)",
                hint: "Send abort, or end it with the command cancel; then send the file again"
            )
            return
        }
        if let problem {
            let hint = "Sign the file with a key that intake.allowed-signers names, then send it again"
            refuse(because: Reason(problem.code, .permanent, problem.text, hint: hint), at: now)
            return
        }
        self.digests = digests
        if CloudFirmware(firmware, catalog: catalog) == nil {
            enter(.held, because: metadataReason, at: now)
        } else {
            enter(.stored, because: nil, at: now)
        }
    }

    /// Its version is registered with other bytes, which shows only now that its own are known: nothing is uploaded.
    package mutating func versionIsRegistered(_ sha256: Digest, at now: WallTime) {
        precondition(state == .stored, "Only stored firmware is held for its version, not \(state)")
        guard !isPartOfPackage else {
            // By itself it cannot become another version, and the other files of its package have gone without it.
            let reason = Reason(
                .versionExists,
                .permanent,
                "This version is registered with other files, one of them with the SHA-256 \(sha256)",
                hint: "Send all files of the package with a new version"
            )
            received = ByteRanges()
            return enter(.failed, because: reason, at: now)
        }
        let refusal = Admission.versionExists(sha256)
        let reason = Reason(
            refusal.code,
            .operator,
            refusal.text,
            hint: "Give it another version with the command describe, or cancel it"
        )
        enter(.held, because: reason, at: now)
    }

    /// Whether the digest was compared and differs.
    package var hasWrongChecksum: Bool { state == .receiving && reason?.code == .checksumMismatch }

    /// What a person has to do before it can be published, where product or version are not known.
    package var metadataReason: Reason {
        let (text, hint) =
            switch (firmware.product, firmware.version) {
            case (nil, nil):
                ("Product and version of this firmware are not known", "Supply them with the command describe")
            case (nil, _): ("The product of this firmware is not known", "Supply it with the command describe")
            case (_, nil): ("The version of this firmware is not known", "Supply it with the command describe")
            // It was taken out of the configuration meanwhile.
            case (_, _):
                (
                    "The product of this firmware is not configured any more",
                    "Configure it again, or name another with the command describe"
                )
            }
        return Reason(.needsMetadata, .operator, text, hint: hint)
    }

    /// Ends a transfer by its time: no byte for too long, or `expire_at` has come. Only for one in `receiving`.
    package mutating func expire(because text: String, at now: WallTime) {
        precondition(state == .receiving, "Only a transfer that is receiving expires")
        received = ByteRanges()
        enter(.expired, because: Reason(.expired, .permanent, text), at: now)
    }

    /// What is refused once its bytes are here leaves a final state, so that its sender can see why.
    package mutating func refuse(because reason: Reason, at now: WallTime) {
        precondition(state == .receiving, "Only a transfer that is receiving can be refused")
        received = ByteRanges()
        enter(.failed, because: reason, at: now)
    }

    /// Some of its bytes are not in the spool any more, which was damaged.
    package mutating func lostBytes(at now: WallTime) {
        precondition(!state.isFinal && needsUpload, "The bytes of a transfer in \(state) are not needed")
        let reason = Reason(
            .spoolDamaged,
            .permanent,
            "The spool's file was damaged, and some bytes of this firmware could not be saved",
            hint: "Send the file again"
        )
        received = ByteRanges()
        enter(.failed, because: reason, at: now)
    }

    /// Goes to another state.
    mutating func enter(_ next: TransferState, because reason: Reason?, at now: WallTime) {
        state = next
        since = now
        self.reason = reason
    }
}
