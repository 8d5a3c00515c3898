/// Why a transfer is where it is, in words of the public list (`docs/reasons.md`).
package struct Reason: Sendable, Hashable {
    /// What kind of remedy there is.
    package enum Kind: String, Sendable, Hashable {
        /// The agent repeats it by itself.
        case retry
        /// A person can mend it.
        case `operator`
        /// Nothing helps but to begin anew.
        case permanent
    }

    package var code: ReasonCode
    package var kind: Kind
    /// What happened: a sentence for a person.
    package var text: String
    /// What to do about it: a sentence for a person.
    package var hint: String
    /// The cloud's own code where there was one.
    package var cloudCode: String?

    /// - Parameter hint: where nothing better is known, what the list says of this reason.
    package init(_ code: ReasonCode, _ kind: Kind, _ text: String, hint: String = "", cloudCode: String? = nil) {
        self.code = code
        self.kind = kind
        self.text = text
        self.hint = hint.isEmpty ? code.remedy(kind) : hint
        self.cloudCode = cloudCode
    }

    /// Whether more is known of what to do than the list says, which is about a transfer.
    package var hasOwnHint: Bool { hint != code.remedy(kind) }

    /// The member `reason` of a state message.
    package var json: JSONValue {
        [
            "code": .string(code.rawValue), "class": .string(kind.rawValue), "text": .string(text),
            "hint": .string(hint), "cloud_code": .text(cloudCode),
        ]
    }

    /// Reads what `json` wrote; nil for anything else.
    package init?(json: JSONValue) {
        guard let code = json["code"]?.string, let kind = json["class"]?.string.flatMap(Kind.init(rawValue:)) else {
            return nil
        }
        self.init(
            ReasonCode(rawValue: code),
            kind,
            json["text"]?.string ?? "",
            hint: json["hint"]?.string ?? "",
            cloudCode: json["cloud_code"]?.string
        )
    }
}

/// A word of the public list of reasons. It is stored and published: a word is never reused for something else.
package struct ReasonCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    private init(_ rawValue: String) { self.rawValue = rawValue }

    // In acknowledgements.
    package static let ok = ReasonCode("ok")
    package static let gap = ReasonCode("gap")
    package static let incomplete = ReasonCode("incomplete")
    package static let checksumMismatch = ReasonCode("checksum-mismatch")
    package static let conflict = ReasonCode("conflict")
    package static let noRoom = ReasonCode("no-room")
    package static let tooLarge = ReasonCode("too-large")
    package static let badTopic = ReasonCode("bad-topic")
    package static let badMetadata = ReasonCode("bad-metadata")
    package static let unknownProduct = ReasonCode("unknown-product")
    package static let badSuffix = ReasonCode("bad-suffix")
    package static let versionExists = ReasonCode("version-exists")
    package static let unknownTransfer = ReasonCode("unknown-transfer")
    package static let expired = ReasonCode("expired")
    package static let badSignature = ReasonCode("bad-signature")
    package static let tooManyTransfers = ReasonCode("too-many-transfers")
    package static let notAllowed = ReasonCode("not-allowed")

    /// The words that may stand in an acknowledgement.
    package static let inAcknowledgements: Set<ReasonCode> = [
        .ok, .gap, .incomplete, .checksumMismatch, .conflict, .noRoom, .tooLarge, .badTopic, .badMetadata,
        .unknownProduct, .badSuffix, .versionExists, .unknownTransfer, .expired, .badSignature, .tooManyTransfers,
        .notAllowed,
    ]

    /// The same word where a sender knows it. Of a publication that failed the state tells, and the text.
    package var forSenders: ReasonCode { Self.inAcknowledgements.contains(self) ? self : .ok }

    // While publishing.
    package static let cloudUnreachable = ReasonCode("cloud-unreachable")
    package static let cloudThrottled = ReasonCode("cloud-throttled")
    package static let cloudBusy = ReasonCode("cloud-busy")
    package static let cloudRefused = ReasonCode("cloud-refused")
    package static let credentials = ReasonCode("credentials")
    package static let clock = ReasonCode("clock")
    package static let ticketExpired = ReasonCode("ticket-expired")
    package static let ticketUnusable = ReasonCode("ticket-unusable")
    package static let hostNotAllowed = ReasonCode("host-not-allowed")
    package static let tls = ReasonCode("tls")
    package static let uploadBroken = ReasonCode("upload-broken")
    package static let uploadStalled = ReasonCode("upload-stalled")
    package static let uploadDamaged = ReasonCode("upload-damaged")
    package static let uploadRefused = ReasonCode("upload-refused")
    package static let linkTooSlow = ReasonCode("link-too-slow")
    package static let outsideWindow = ReasonCode("outside-window")
    package static let nameTaken = ReasonCode("name-taken")
    package static let versionTaken = ReasonCode("version-taken")
    package static let registerUnknown = ReasonCode("register-unknown")
    package static let registerWindowOver = ReasonCode("register-window-over")
    package static let needsMetadata = ReasonCode("needs-metadata")
    package static let packageIncomplete = ReasonCode("package-incomplete")
    package static let spoolDamaged = ReasonCode("spool-damaged")
    package static let paused = ReasonCode("paused")
    package static let cancelledByOperator = ReasonCode("cancelled-by-operator")

    /// The words that may stand in a state message once a file is complete.
    package static let whilePublishing: Set<ReasonCode> = [
        .cloudUnreachable, .cloudThrottled, .cloudBusy, .cloudRefused, .credentials, .clock, .ticketExpired,
        .ticketUnusable, .hostNotAllowed, .tls, .uploadBroken, .uploadStalled, .uploadDamaged, .uploadRefused,
        .linkTooSlow, .outsideWindow, .nameTaken, .versionTaken, .registerUnknown, .registerWindowOver, .needsMetadata,
        .packageIncomplete, .spoolDamaged, .paused, .cancelledByOperator, .tooLarge,
    ]
}
