import FerryCore

/// What every error code of the cloud means; the one table that decides.
///
/// Codes are matched without regard to case: first the exact ones, then beginnings (rows that end in `*`), in order.
/// Codes that are not in the table are judged by `verdict(unknown:…)`.
enum CloudCodes {
    /// Who answers with a code: the same word means different things.
    enum Source: Sendable {
        /// The gateway and IoT Platform.
        case platform
        /// OSS.
        case storage
    }

    struct Row: Sendable {
        let codes: [String]
        let verdict: Verdict

        init(_ codes: String..., means verdict: Verdict) {
            self.codes = codes
            self.verdict = verdict
        }
    }

    /// The verdict on a code.
    static func verdict(on code: String, from source: Source, message: String, status: Int) -> Verdict {
        known(code, from: source, message: message) ?? verdict(unknown: code, from: source, status: status)
    }

    /// The verdict on a code of the table.
    static func known(_ code: String, from source: Source, message: String) -> Verdict? {
        if source == .storage, let verdict = storageVerdict(on: code, message: message) { return verdict }
        let code = code.lowercased()
        let index = source == .platform ? platformIndex : storageIndex
        if let verdict = index.exact[code] { return verdict }
        return index.beginnings.first { code.hasPrefix($0.beginning) }?.verdict
    }

    /// Unknown codes are permanent, except where the status says that the fault is passing.
    static func verdict(unknown code: String, from source: Source, status: Int) -> Verdict {
        switch status {
        case 429: throttled
        case 408, 500...599: busy
        default:
            Verdict(
                .fail,
                source == .platform ? .cloudRefused : .uploadRefused,
                "the cloud refused it with a code that otaferry does not know, \(Untrusted.text(code))",
                hint: "Look the code up in the cloud's documentation, then retry."
            )
        }
    }

    /// OSS says `AccessDenied` to several things; only its message tells them apart.
    private static func storageVerdict(on code: String, message: String) -> Verdict? {
        guard code.lowercased() == "accessdenied" else { return nil }
        let message = message.lowercased()
        if message.contains("policy expired") {
            return Verdict(.newTicket, .ticketExpired, "the ticket expired before the upload was complete")
        }
        if message.contains("policy condition failed") {
            return Verdict(.fail, .ticketUnusable, "the upload breaks a condition of its ticket")
        }
        return nil
    }

    private struct Index: Sendable {
        var exact: [String: Verdict] = [:]
        var beginnings: [(beginning: String, verdict: Verdict)] = []

        init(_ rows: [Row]) {
            for row in rows {
                for code in row.codes.map({ $0.lowercased() }) {
                    if code.hasSuffix("*") {
                        beginnings.append((String(code.dropLast()), row.verdict))
                    } else {
                        exact[code] = row.verdict
                    }
                }
            }
        }
    }

    private static let platformIndex = Index(gatewayRows + platformRows)
    private static let storageIndex = Index(storageRows)

    // Verdicts that several rows share.

    static let throttled = Verdict(.retry(floor: .seconds(1)), .cloudThrottled, "the cloud asks to slow down")
    static let busy = Verdict(.retry(floor: .seconds(1)), .cloudBusy, "the cloud has a passing fault")
    static let needsMetadata = "Correct the firmware's metadata with `otaferry describe`."
    static let checkCredentials = "Check the credentials file, or make a new key in the RAM console."
    static let checkEndpoint = "Check cloud.region and cloud.endpoint."
}
