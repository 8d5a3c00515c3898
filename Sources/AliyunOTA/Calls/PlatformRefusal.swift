import FerryCore

/// A refusal of the gateway or of IoT Platform, on its way to becoming an error.
struct PlatformRefusal: Sendable {
    let code: String
    let message: String
    let status: Int
    /// Whether the cloud says how long to wait.
    let isToWait: Bool

    var isNonceUsed: Bool { code.lowercased() == "signaturenonceused" }
    var isClockOff: Bool { ["invalidtimestamp.expired", "illegaltimestamp"].contains(code.lowercased()) }

    var isTokenOver: Bool { code.lowercased() == "invalidsecuritytoken.expired" }

    /// The error, with as much of the server's message as may be shown.
    func error(_ operation: CloudOperation, _ object: String, signed: SignedCall, keys: Credentials) -> CloudError {
        // A code that nobody knows, with a time to wait, is a request to slow down (Tea SDKs: any 4xx or 5xx with it).
        let known = CloudCodes.known(code, from: .platform, message: message)
        var verdict =
            known
            ?? (isToWait ? CloudCodes.throttled : CloudCodes.verdict(unknown: code, from: .platform, status: status))
        var underlying = Untrusted.text(message)
        if code.lowercased() == "signaturedoesnotmatch" {
            // The message holds the text that the server built from the whole request: it is compared, never copied.
            underlying = ""
            let text = message.split(separator: ":", maxSplits: 1).dropFirst().first
            let isSame = text.map { $0.utf8.elementsEqual(signed.stringToSign.utf8) } ?? false
            if isSame { verdict = Self.secretIsWrong }
        }
        let secrets = [keys.secret.text, keys.securityToken?.text].compactMap { $0 }
        if secrets.contains(where: { !$0.isEmpty && message.contains($0) }) { underlying = "" }
        if operation == .register, status >= 500 { verdict = verdict.unknownOutcome() }
        var error = CloudError(operation, object, verdict, cloudCode: code, underlying: underlying)
        // Whether a passing fault came before or after the firmware was made, nobody knows.
        if operation == .register, verdict.code == .cloudBusy, case .retry(let floor) = verdict.disposition {
            error.disposition = .lookUp
            error.floor = floor
        }
        return error
    }

    private static let secretIsWrong = Verdict(
        .hold,
        .credentials,
        "the secret of the access key is wrong",
        hint: "Check access_key_secret in the credentials file."
    )
}
