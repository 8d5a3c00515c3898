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
            let named = words.word.isEmpty ? "The name of the fault is missing" : "There is no fault \(words.word)"
            throw SimulatorError(.faultText, "\(named); there are \(known)")
        }
    }
}
