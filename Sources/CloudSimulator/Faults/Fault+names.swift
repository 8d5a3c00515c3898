extension Fault {
    /// A few words for the record of the call.
    package var name: String {
        switch self {
        case .answer(let answer): "answer \(answer.status)"
        case .answerAfterwards(let answer): "answer \(answer.status) afterwards"
        case .refuse(_, let code, _, _): code
        case .fail(let code, _): code
        case .refuseAfterwards(_, let code, _): "\(code) afterwards"
        case .hold: "hold"
        case .holdAfterwards: "hold afterwards"
        case .delay: "delay"
        case .delayAfterwards: "delay afterwards"
        case .hangUp: "hang-up"
        case .hangUpAfterwards: "hang-up afterwards"
        case .cutAnswer: "cut-answer"
        case .slowUpload: "slow"
        case .holdUpload: "hold upload"
        case .hangUpUpload: "hang-up in the upload"
        case .policyExpired: "policy-expired"
        case .wrongChecksum: "wrong-crc"
        case .noChecksum: "no-crc"
        }
    }

    /// The words that `init(parsing:)` takes, each with what follows `=` and its meaning.
    package static let words: [(word: String, value: String, meaning: String)] = [
        ("status", "HTTP status", "answers with that status and no body"),
        ("error", "CODE", "answers with that error of the gateway (HTTP 400) or of the bucket"),
        ("fail", "CODE", "answers HTTP 200 with Success=false and that code"),
        ("throttle", "[seconds]", "answers Throttling.User, with x-acs-retry-after where seconds are given"),
        ("unavailable", "", "answers 503 ServiceUnavailable"),
        ("late", "seconds", "does the call and answers after that time"),
        ("delay", "seconds", "waits that time before it does the call"),
        ("hang-up", "", "closes the connection before it does the call"),
        ("lose-answer", "", "does the call and closes the connection"),
        ("cut-answer", "", "does the call and sends half of the answer"),
        ("error-after", "CODE", "does the call and answers HTTP 500 with that code"),
        ("slow", "bytes a second", "reads an upload no faster"),
        ("stall", "bytes", "reads so many bytes of an upload, then nothing more"),
        ("break", "bytes", "reads so many bytes of an upload, then closes the connection"),
        ("policy-expired", "", "refuses an upload as too late"),
        ("wrong-crc", "", "reports a CRC that does not fit"),
        ("no-crc", "", "reports no CRC"),
    ]

    /// Reads `WORD` or `WORD=VALUE`.
    package init(parsing text: String) throws(SimulatorError) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let word = String(halves[0])
        let value = halves.count > 1 ? String(halves[1]) : nil
        func needed<Value>(_ read: (String) -> Value?) throws(SimulatorError) -> Value {
            guard let value, let result = read(value) else {
                throw SimulatorError(.faultText, "The fault \(word) needs a value, as in \(word)=…")
            }
            return result
        }
        func seconds() throws(SimulatorError) -> Duration { .seconds(try needed(Double.init)) }
        switch word {
        case "status": self = .answer(ScriptedAnswer(status: try needed(Int.init)))
        case "error": self = .refuse(status: 400, code: try needed { $0 }, message: "A simulated error.")
        case "fail": self = .fail(code: try needed { $0 }, message: "A simulated error.")
        case "error-after":
            self = .refuseAfterwards(status: 500, code: try needed { $0 }, message: "A simulated error.")
        case "throttle": self = value == nil ? .throttling() : .throttling(retryAfter: try seconds())
        case "unavailable": self = .unavailable
        case "late": self = .delayAfterwards(try seconds())
        case "delay": self = .delay(try seconds())
        case "hang-up": self = .hangUp
        case "lose-answer": self = .hangUpAfterwards
        case "cut-answer": self = .cutAnswer
        case "slow": self = .slowUpload(bytesPerSecond: try needed(Int.init))
        case "stall": self = .holdUpload(afterBytes: try needed(Int64.init), Gate())
        case "break": self = .hangUpUpload(afterBytes: try needed(Int64.init))
        case "policy-expired": self = .policyExpired
        case "wrong-crc": self = .wrongChecksum
        case "no-crc": self = .noChecksum
        default: throw SimulatorError(.faultText, "There is no fault \(word)")
        }
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
}
