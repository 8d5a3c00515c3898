extension Fault {
    /// The words that `init(parsing:)` takes, each with what follows `=` and its meaning.
    package static let words: [(word: String, value: String, meaning: String)] = [
        ("pass", "", "nothing; lets calls through before the next fault"),
        ("error", "CODE[/STATUS[/TEXT]]", "answers with that error of the gateway (HTTP 400) or of the bucket"),
        ("error-after", "CODE[/STATUS[/TEXT]]", "does the call and answers with that error (HTTP 500)"),
        ("fail", "CODE[/TEXT]", "answers HTTP 200 with Success=false and that code"),
        ("fail-after", "CODE[/TEXT]", "does the call and answers so"),
        ("throttle", "[seconds]", "answers Throttling.User, with x-acs-retry-after where seconds are given"),
        ("unavailable", "", "answers 503 ServiceUnavailable"),
        ("status", "STATUS", "answers with that HTTP status and no body"),
        ("status-after", "STATUS", "does the call and answers so"),
        ("html", "[STATUS]", "answers with the page of a captive portal (HTTP 200)"),
        ("html-after", "[STATUS]", "does the call and answers so"),
        ("redirect", "URL", "answers HTTP 302 with that Location"),
        ("oversize", "BYTES", "answers HTTP 200 with so large a body"),
        ("oversize-after", "BYTES", "does the call and answers so"),
        ("cut-answer", "", "does the call, sends half of the answer and closes the connection"),
        ("half-answer", "", "does the call and sends half of the answer as if it were all"),
        ("slow-answer", "BYTES", "does the call and sends so many bytes of the answer a second"),
        ("shape", "xml, json or small", "answers in that form whatever was asked for; small: code, message, requestId"),
        ("delay", "SECONDS", "waits that time before it does the call"),
        ("late", "SECONDS", "does the call and answers after that time"),
        ("hold", "", "waits before it does the call until it is released"),
        ("hold-after", "", "does the call and answers when it is released"),
        ("hang-up", "", "closes the connection before it does the call"),
        ("lose-answer", "", "does the call and closes the connection"),
        ("slow", "BYTES", "reads an upload no faster than so many bytes a second"),
        ("stall", "BYTES", "reads so many bytes of an upload, then nothing until it is released"),
        ("break", "BYTES", "reads so many bytes of an upload, then closes the connection"),
        ("policy-expired", "", "refuses an upload as too late"),
        ("wrong-crc", "", "reports a CRC that does not fit"),
        ("no-crc", "", "reports no CRC"),
    ]

    /// Reads `WORD` or `WORD=VALUE`.
    package init(parsing text: String) throws(SimulatorError) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let words = FaultWords(word: String(halves[0]), value: halves.count > 1 ? String(halves[1]) : nil)
        if let fault = try words.ofAnswers() {
            self = fault
        } else if let fault = try words.ofConnections() {
            self = fault
        } else if let fault = try words.ofUploads() {
            self = fault
        } else {
            let known = Self.words.map(\.word).joined(separator: ", ")
            throw SimulatorError(.faultText, "There is no fault \(words.word); there are \(known)")
        }
    }
}

/// A word and its value, read in three groups.
private struct FaultWords {
    let word: String
    let value: String?

    func ofAnswers() throws(SimulatorError) -> Fault? {
        switch word {
        case "error":
            let error = try error(status: Fault.errorStatus)
            return .refuse(status: error.status, code: error.code, message: error.message)
        case "error-after":
            let error = try error(status: Fault.laterErrorStatus)
            return .refuseAfterwards(status: error.status, code: error.code, message: error.message)
        case "fail", "fail-after":
            let parts = try needed { $0.split(separator: "/", maxSplits: 1).map(String.init) }
            guard let code = parts.first else { throw missing }
            let message = parts.count > 1 ? parts[1] : "A simulated error."
            return word == "fail"
                ? .fail(code: code, message: message) : .failAfterwards(code: code, message: message)
        case "throttle": return value == nil ? .throttling() : .throttling(retryAfter: try seconds())
        case "unavailable": return .unavailable
        case "status": return .answer(ScriptedAnswer(status: try needed(Int.init)))
        case "status-after": return .answerAfterwards(ScriptedAnswer(status: try needed(Int.init)))
        case "html": return .answer(.captivePortal(status: value == nil ? 200 : try needed(Int.init)))
        case "html-after": return .answerAfterwards(.captivePortal(status: value == nil ? 200 : try needed(Int.init)))
        case "redirect":
            return .answer(ScriptedAnswer(status: 302, headers: ["Location": try needed { $0 }]))
        case "oversize": return .answer(.large(try needed(Int.init)))
        case "oversize-after": return .answerAfterwards(.large(try needed(Int.init)))
        case "shape": return .shape(try needed(AnswerShape.init))
        default: return nil
        }
    }

    func ofConnections() throws(SimulatorError) -> Fault? {
        switch word {
        case "pass": return .pass
        case "cut-answer": return .cutAnswer
        case "half-answer": return .halfAnswer
        case "slow-answer": return .slowAnswer(bytesPerSecond: try needed(Int.init))
        case "delay": return .delay(try seconds())
        case "late": return .delayAfterwards(try seconds())
        case "hold": return .hold(Gate())
        case "hold-after": return .holdAfterwards(Gate())
        case "hang-up": return .hangUp
        case "lose-answer": return .hangUpAfterwards
        default: return nil
        }
    }

    func ofUploads() throws(SimulatorError) -> Fault? {
        switch word {
        case "slow": return .slowUpload(bytesPerSecond: try needed(Int.init))
        case "stall": return .holdUpload(afterBytes: try needed(Int64.init), Gate())
        case "break": return .hangUpUpload(afterBytes: try needed(Int64.init))
        case "policy-expired": return .policyExpired
        case "wrong-crc": return .wrongChecksum
        case "no-crc": return .noChecksum
        default: return nil
        }
    }

    private var missing: SimulatorError {
        SimulatorError(.faultText, "The fault \(word) needs a value, as in \(word)=…")
    }

    private func needed<Value>(_ read: (String) -> Value?) throws(SimulatorError) -> Value {
        guard let value, !value.isEmpty, let result = read(value) else { throw missing }
        return result
    }

    private func seconds() throws(SimulatorError) -> Duration { .seconds(try needed(Double.init)) }

    private func error(status: Int) throws(SimulatorError) -> (status: Int, code: String, message: String) {
        let parts = try needed { $0.split(separator: "/", maxSplits: 2).map(String.init) }
        guard let code = parts.first, let status = parts.count > 1 ? Int(parts[1]) : status else { throw missing }
        return (status, code, parts.count > 2 ? parts[2] : "A simulated error.")
    }
}
