/// A fault's word and its value, read in three groups.
struct FaultWords {
    let word: String
    /// What stands behind `=`; nil where there is none.
    let value: String?

    /// A time longer than this is a mistake.
    static let longest = 1_000_000.0
    /// An answer larger than this would not fit into memory.
    private static let largestAnswer: Int64 = 1 << 30
    private static let statuses: ClosedRange<Int64> = 200...599

    func ofAnswers() throws(SimulatorError) -> Fault? {
        switch word {
        case "error":
            let error = try error(status: Fault.errorStatus)
            return .refuse(status: error.status, code: error.code, message: error.message)
        case "error-after":
            let error = try error(status: Fault.laterErrorStatus)
            return .refuseAfterwards(status: error.status, code: error.code, message: error.message)
        case "fail", "fail-after":
            let parts = try text("CODE or CODE/TEXT").split(
                separator: "/",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            let code = String(parts[0])
            guard !code.isEmpty else { throw mistake("CODE or CODE/TEXT") }
            let message = parts.count > 1 ? String(parts[1]) : "A simulated error."
            return word == "fail"
                ? .fail(code: code, message: message) : .failAfterwards(code: code, message: message)
        case "throttle": return value == nil ? .throttling() : .throttling(retryAfter: try seconds())
        case "unavailable": return try plain(.unavailable)
        case "status": return .answer(ScriptedAnswer(status: try status()))
        case "status-after": return .answerAfterwards(ScriptedAnswer(status: try status()))
        case "html": return .answer(.captivePortal(status: value == nil ? 200 : try status()))
        case "html-after": return .answerAfterwards(.captivePortal(status: value == nil ? 200 : try status()))
        case "redirect": return .answer(ScriptedAnswer(status: 302, headers: ["Location": try text("a URL")]))
        case "oversize": return .answer(.large(Int(try bytes(1...Self.largestAnswer))))
        case "oversize-after": return .answerAfterwards(.large(Int(try bytes(1...Self.largestAnswer))))
        case "shape":
            guard let shape = AnswerShape(rawValue: value ?? "") else { throw mistake("xml, json or small") }
            return .shape(shape)
        default: return nil
        }
    }

    func ofConnections() throws(SimulatorError) -> Fault? {
        switch word {
        case "pass": try plain(.pass)
        case "cut-answer": try plain(.cutAnswer)
        case "half-answer": try plain(.halfAnswer)
        case "slow-answer": .slowAnswer(bytesPerSecond: Int(try bytes(1...Self.largestAnswer)))
        case "delay": .delay(try seconds())
        case "late": .delayAfterwards(try seconds())
        case "hold": try plain(.hold(Gate()))
        case "hold-after": try plain(.holdAfterwards(Gate()))
        case "hang-up": try plain(.hangUp)
        case "lose-answer": try plain(.hangUpAfterwards)
        default: nil
        }
    }

    func ofUploads() throws(SimulatorError) -> Fault? {
        switch word {
        case "slow": .slowUpload(bytesPerSecond: Int(try bytes(1...Int64(Int32.max))))
        case "stall": .holdUpload(afterBytes: try bytes(0...Int64.max), Gate())
        case "break": .hangUpUpload(afterBytes: try bytes(0...Int64.max))
        case "policy-expired": try plain(.policyExpired)
        case "wrong-crc": try plain(.wrongChecksum)
        case "no-crc": try plain(.noChecksum)
        default: nil
        }
    }

    // MARK: - Values

    private func plain(_ fault: Fault) throws(SimulatorError) -> Fault {
        guard let value else { return fault }
        throw SimulatorError(.faultText, "The fault \(word) takes no value, and so not \(value)")
    }

    private func mistake(_ expectation: String) -> SimulatorError {
        let found = value.map { $0.isEmpty ? "nothing" : $0 }
        return SimulatorError(
            .faultText,
            found.map { "The fault \(word) takes \(expectation), not \($0)" }
                ?? "The fault \(word) needs \(expectation), as in \(word)=…"
        )
    }

    private func text(_ expectation: String) throws(SimulatorError) -> String {
        guard let value, !value.isEmpty else { throw mistake(expectation) }
        return value
    }

    private func bytes(_ range: ClosedRange<Int64>) throws(SimulatorError) -> Int64 {
        try number(
            range,
            range.upperBound == .max
                ? "a number of bytes, \(range.lowerBound) or more"
                : "a number of bytes from \(range.lowerBound) to \(range.upperBound)"
        )
    }

    private func status() throws(SimulatorError) -> Int { Int(try number(Self.statuses, Self.statusExpectation)) }

    private static let statusExpectation = "an HTTP status from \(statuses.lowerBound) to \(statuses.upperBound)"

    private func number(_ range: ClosedRange<Int64>, _ expectation: String) throws(SimulatorError) -> Int64 {
        guard let number = value.flatMap({ Int64($0) }), range.contains(number) else { throw mistake(expectation) }
        return number
    }

    private func seconds() throws(SimulatorError) -> Duration {
        // NaN is in no range.
        guard let number = value.flatMap({ Double($0) }), (0...Self.longest).contains(number) else {
            throw mistake("a number of seconds from 0 to \(Int(Self.longest))")
        }
        return .seconds(number)
    }

    private func error(status: Int) throws(SimulatorError) -> (status: Int, code: String, message: String) {
        let expectation = "CODE, CODE/STATUS or CODE/STATUS/TEXT with \(Self.statusExpectation)"
        let parts = try text(expectation).split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let named = parts.count > 1 ? Int64(parts[1]) : Int64(status)
        guard !parts[0].isEmpty, let named, Self.statuses.contains(named) else { throw mistake(expectation) }
        return (Int(named), String(parts[0]), parts.count > 2 ? String(parts[2]) : "A simulated error.")
    }
}
