extension Fault {
    /// The words that name it, as `init(parsing:)` takes them; texts of errors are left out.
    package var name: String {
        switch self {
        case .pass: "pass"
        case .answer(let answer): answer.name(mark: "")
        case .answerAfterwards(let answer): answer.name(mark: "-after")
        case .refuse(let status, let code, _, let headers): Self.refusalName(status, code, headers)
        case .fail(let code, _): "fail=\(code)"
        case .refuseAfterwards(let status, let code, _):
            "error-after=\(code)" + (status == Self.laterErrorStatus ? "" : "/\(status)")
        case .failAfterwards(let code, _): "fail-after=\(code)"
        case .hold: "hold"
        case .holdAfterwards: "hold-after"
        case .delay(let time): "delay=\(Self.seconds(time))"
        case .delayAfterwards(let time): "late=\(Self.seconds(time))"
        case .hangUp: "hang-up"
        case .hangUpAfterwards: "lose-answer"
        case .cutAnswer: "cut-answer"
        case .halfAnswer: "half-answer"
        case .slowAnswer(let rate): "slow-answer=\(rate)"
        case .shape(let shape): "shape=\(shape.rawValue)"
        case .slowUpload(let rate): "slow=\(rate)"
        case .holdUpload(let bytes, _): "stall=\(bytes)"
        case .hangUpUpload(let bytes): "break=\(bytes)"
        case .policyExpired: "policy-expired"
        case .wrongChecksum: "wrong-crc"
        case .noChecksum: "no-crc"
        }
    }

    /// The HTTP status of an error where none is named: of one instead of the call, and of one after it.
    static let errorStatus = 400
    static let laterErrorStatus = 500

    private static func refusalName(_ status: Int, _ code: String, _ headers: [String: String]) -> String {
        if code == GatewayRefusal.throttled.code {
            let wait = headers["x-acs-retry-after"].flatMap { Int($0) }
            return "throttle" + (wait.map { "=\(seconds(.milliseconds($0)))" } ?? "")
        }
        if status == 503 && code == "ServiceUnavailable" { return "unavailable" }
        return "error=\(code)" + (status == errorStatus ? "" : "/\(status)")
    }

    private static func seconds(_ time: Duration) -> String {
        let text = String(Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// The call that a fault is about where none is named.
    package var usualCall: Call {
        switch self {
        case .slowUpload, .holdUpload, .hangUpUpload, .policyExpired, .wrongChecksum, .noChecksum: .postObject
        default: .createFirmware
        }
    }

    var isPolicyExpired: Bool {
        if case .policyExpired = self { return true }
        return false
    }

    /// What holds a call until it is released.
    var gate: Gate? {
        switch self {
        case .hold(let gate), .holdAfterwards(let gate), .holdUpload(_, let gate): gate
        default: nil
        }
    }
}

extension ScriptedAnswer {
    /// The words that name it, with `mark` after the first.
    fileprivate func name(mark: String) -> String {
        let kind = headers["Content-Type"] ?? ""
        if let location = headers["Location"] { return "redirect\(mark)=\(location)" }
        if kind.hasPrefix("text/html") { return "html\(mark)" + (status == 200 ? "" : "=\(status)") }
        if status == 200 && kind.hasPrefix("application/json") { return "oversize\(mark)=\(body.utf8.count)" }
        return "status\(mark)=\(status)"
    }
}
