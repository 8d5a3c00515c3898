// The short form of the last column of `docs/reasons.md`.

extension ReasonCode {
    /// What a sender can do about a refusal, or empty.
    package var remedy: String {
        switch self {
        case .noRoom:
            "The spool of the gateway is full until what waits there is registered; its operator sees that with otaferry "
                + "list"
        case .tooManyTransfers: "Other deliveries have to end first"
        case .tooLarge: "otaferry push sends it in segments, up to 1,048,576,000 bytes"
        case .unknownProduct: "Name a product of the gateway's configuration, or a ProductKey"
        case .versionExists: "Other bytes carry this version already; a new firmware needs a new version"
        case .badSuffix: "Name the file *.bin, .dav, .apk, .tar, .gz, .tar.gz, .zip or .gzip"
        case .badTopic: "The topic is in/SENDER/put/PRODUCT/VERSION, with a file name behind it or not"
        case .badMetadata: "Correct what the sentence names, and send it again"
        case .badSignature: "The gateway's intake.allowed-signers names the keys and their senders"
        default: ""
        }
    }

    /// What a person can do about a transfer that waits or has ended for this reason, where nothing better is known.
    package func remedy(_ kind: Reason.Kind) -> String {
        kind == .retry ? whileRetried ?? Self.patience : onceStopped ?? (remedy.isEmpty ? Self.anew : remedy)
    }

    private static let patience = "Nothing: it is tried again by itself"
    private static let anew = "Correct what the sentence names, then retry, or send the file again"
    private static let lookUp = "Look the cloud's code up, correct the cause, then retry"

    /// The agent tries it again by itself; nil where no more is to be said.
    private var whileRetried: String? {
        switch self {
        case .cloudUnreachable: "It is tried again by itself; where it lasts, check uplink, DNS and firewall"
        case .cloudThrottled: "Nothing: the gateway finds its share of the account's calls by itself"
        case .credentials: "Nothing: new credentials are taken as soon as there are any"
        case .clock: "Let the gateway reach a time server; it is tried again by itself"
        case .tls: "Check cloud.ca-file, the gateway's clock, and whether a proxy opens TLS"
        case .ticketExpired, .ticketUnusable: "Nothing: it is uploaded again with a new ticket"
        case .uploadBroken: "Nothing: it is uploaded again; where it repeats, check the uplink"
        case .uploadStalled: "It is uploaded again; where it repeats, check the uplink or raise upload.stall-timeout"
        case .uploadDamaged: "Nothing: it is uploaded again; where it repeats, something on the way changes bytes"
        case .registerUnknown: "Nothing: the agent asks the cloud whether it has it before anything is repeated"
        case .registerWindowOver: "Nothing: it is uploaded again by itself"
        case .outsideWindow: "Nothing: it begins when the window opens; the command limits changes the window"
        case .spoolDamaged: "The disk fails now and then: dmesg tells more; it is tried again"
        default: nil
        }
    }

    /// It waits for a person, or has ended; nil where no more is to be said.
    private var onceStopped: String? {
        switch self {
        case .cloudUnreachable: "Check cloud.endpoint, cloud.proxy and the uplink, then retry"
        case .cloudThrottled: "Other programs use up the account's calls: make them rest, then retry"
        case .cloudBusy: "The cloud has a fault: retry later"
        case .cloudRefused, .uploadRefused: Self.lookUp
        case .credentials: "Correct the credentials file; it is read again by itself"
        case .clock: "Let the gateway reach a time server, then retry"
        case .ticketExpired: "The uplink is too slow for the file; retry when it is faster"
        case .ticketUnusable: "Retry; where it repeats, report it to the cloud's support with the request id"
        case .hostNotAllowed:
            "If the host is right, add it to cloud.upload-hosts; if not, something stands between gateway and cloud"
        case .tls: "Check cloud.ca-file, the gateway's clock, and whether a proxy opens TLS, then retry"
        case .uploadBroken: "Check the uplink, then retry"
        case .uploadStalled: "Check the uplink or raise upload.stall-timeout, then retry"
        case .uploadDamaged: "Something on the way changes bytes: check the uplink, then retry"
        case .linkTooSlow:
            "Retry when the link is faster, or when the rate limit is higher that the command limits shows"
        case .outsideWindow: "The command limits changes the window"
        case .nameTaken: "Give it another name with the command describe; or delete the other one, then retry"
        case .versionTaken: "Give it another version with the command describe; or delete the other one, then retry"
        case .registerUnknown: "Compare with the cloud's console, then retry, or cancel it"
        case .registerWindowOver: "Retry: it is uploaded again"
        case .needsMetadata: "Correct it with the command describe"
        case .packageIncomplete: "Send the other files, or cancel this one"
        case .spoolDamaged: "Look at the disk: dmesg, sudo otaferry doctor; then send the file again"
        case .paused: "The command resume lets it go on"
        case .cancelledByOperator: "If it is wanted after all, send it again: it begins anew"
        case .expired: "Send the file again, with a later expire_at or segments_ttl; look at the gateway's clock"
        case .checksumMismatch: "Send abort, or end it with the command cancel; then send the file again"
        case .conflict: "Use another transfer id, or otaferry push"
        default: nil
        }
    }
}
