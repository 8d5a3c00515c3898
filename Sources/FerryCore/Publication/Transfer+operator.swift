/// Why an operator's wish cannot be granted.
package struct OperatorRefusal: Error, Sendable, Equatable {
    /// A word of the public list.
    package var code: String
    package var text: String
    package var hint: String

    package init(code: String, text: String, hint: String = "") {
        self.code = code
        self.text = text
        self.hint = hint
    }
}

extension Transfer {
    /// Ends the transfer. Its bytes are no longer needed.
    package mutating func cancelled(at now: WallTime) throws(OperatorRefusal) {
        guard !state.isFinal else {
            throw OperatorRefusal(code: "final", text: "The transfer is \(state.rawValue); nothing is left to cancel")
        }
        let isUnknown = state == .registering && publication.isOutcomeUnknown
        let text =
            isUnknown
            ? "Cancelled while the registration was under way: the cloud may have the firmware all the same"
            : Self.cancelledText
        let hint = isUnknown ? "Look into the cloud's console, and delete it there if it is not wanted" : ""
        received = ByteRanges()
        publication.nextAttempt = nil
        enter(.cancelled, because: Reason(.cancelledByOperator, .permanent, text, hint: hint), at: now)
    }

    /// The reason where nothing speaks against it; else it tells what else has to be done.
    package static let cancelledText = "Cancelled by an operator"

    /// The cloud turned out to have registered the firmware of a transfer that was cancelled meanwhile.
    package mutating func registeredAfterCancel(id: String, requestID: String?) {
        precondition(state == .cancelled, "Only for a transfer that was cancelled")
        publication.firmwareID = id
        publication.requestID = requestID
        publication.isOutcomeUnknown = false
        reason?.text = "Cancelled while the registration was under way: the cloud has the firmware all the same"
        reason?.hint = "Delete it in the cloud's console if it is not wanted"
    }

    private var noBytesRefusal: OperatorRefusal {
        OperatorRefusal(
            code: "no-bytes",
            text: "The bytes of this transfer are not in the spool",
            hint: "Send the file again"
        )
    }

    /// Now, not at `nextAttempt`.
    package mutating func retried(at now: WallTime, catalog: ProductCatalog) throws(OperatorRefusal) {
        switch state {
        case .stored, .registering: break
        case .held, .failed:
            guard digests != nil, hasBytes else {
                throw noBytesRefusal
            }
            guard CloudFirmware(firmware, catalog: catalog) != nil else {
                throw OperatorRefusal(
                    code: ReasonCode.needsMetadata.rawValue,
                    text: metadataReason.text,
                    hint: metadataReason.hint
                )
            }
            enter(publication.firmwareURL == nil ? .stored : .registering, because: nil, at: now)
        case .receiving:
            throw OperatorRefusal(
                code: "receiving",
                text: "Bytes are still missing",
                hint: "Only its sender can go on: otaferry push again, or the segments that its ack names"
            )
        case .ticketing, .uploading:
            throw OperatorRefusal(code: "publishing", text: "An attempt is under way")
        case .registered, .cancelled, .expired:
            throw OperatorRefusal(code: "final", text: "The transfer is \(state.rawValue)")
        }
        publication.failures = 0
        publication.nextAttempt = nil
    }

    /// Publication of this transfer rests until `resumed`.
    package mutating func paused() throws(OperatorRefusal) {
        guard !state.isFinal else {
            throw OperatorRefusal(code: "final", text: "The transfer is \(state.rawValue)")
        }
        isPaused = true
    }

    /// Publication of this transfer goes on.
    package mutating func resumed() throws(OperatorRefusal) {
        guard !state.isFinal else {
            throw OperatorRefusal(code: "final", text: "The transfer is \(state.rawValue)")
        }
        isPaused = false
    }

    /// Metadata is supplied or corrected, before publication.
    package mutating func described(
        as corrected: FirmwareMetadata,
        catalog: ProductCatalog,
        at now: WallTime
    ) throws(OperatorRefusal) {
        guard !state.isPublishing else { throw publishingRefusal }
        guard !state.isFinal || state == .failed else {
            throw OperatorRefusal(code: "final", text: "The transfer is \(state.rawValue)")
        }
        guard state != .failed || hasBytes else { throw noBytesRefusal }
        if let product = corrected.product, catalog.entry(for: product) == nil {
            throw OperatorRefusal(
                code: ReasonCode.unknownProduct.rawValue,
                text: "The product \(product) is not configured on this gateway",
                hint: "Add it to the configuration, or name its product key"
            )
        }
        firmware = corrected
        if state == .stored && CloudFirmware(firmware, catalog: catalog) == nil {
            return enter(.held, because: metadataReason, at: now)
        }
        guard state == .held else { return }
        guard CloudFirmware(firmware, catalog: catalog) != nil else {
            // What is still missing may be less than before.
            if reason?.code == .needsMetadata { reason = metadataReason }
            return
        }
        enter(publication.firmwareURL == nil ? .stored : .registering, because: nil, at: now)
        publication.failures = 0
        publication.nextAttempt = nil
    }

    /// Why it cannot be described now, and when it can.
    private var publishingRefusal: OperatorRefusal {
        let (text, hint): (String, String)
        if state != .registering {
            text = "The firmware is being published"
            hint =
                isPaused
                ? "Its attempt is being stopped: describe it a second later, then resume it"
                : "Pause it first, then describe and resume it"
        } else {
            // Under another name or version it could be registered a second time.
            text = "The cloud is being asked to register the firmware, or whether it has, as it is described now"
            hint =
                isPaused
                ? "Resume it, so that the cloud can answer; describe it when it is held then"
                : "When the cloud has answered it is held or registered: describe it then, if it is held"
        }
        return OperatorRefusal(code: "publishing", text: text, hint: hint)
    }

    /// Which of the stored ones goes first.
    package mutating func prioritized(_ priority: Int) throws(OperatorRefusal) {
        guard (-100...100).contains(priority) else {
            throw OperatorRefusal(code: "bad-request", text: "priority must be a whole number from -100 to 100")
        }
        guard !state.isFinal else {
            throw OperatorRefusal(code: "final", text: "The transfer is \(state.rawValue)")
        }
        firmware.priority = priority
    }
}
