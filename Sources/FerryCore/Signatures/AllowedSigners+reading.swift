extension AllowedSigners {
    /// The words of a line; blanks between quotes belong to the word.
    static func words(_ line: Substring, _ number: Int) throws(Mistake) -> [String] {
        var words: [String] = []
        var word: String?
        var isQuoted = false
        for character in line {
            switch character {
            case "\"":
                isQuoted.toggle()
                word = (word ?? "") + "\""
            case " ", "\t":
                guard !isQuoted else {
                    word?.append(character)
                    continue
                }
                if let word { words.append(word) }
                word = nil
            default: word = (word ?? "") + String(character)
            }
        }
        let isComment = words.first?.hasPrefix("#") ?? word?.hasPrefix("#") ?? false
        guard !isQuoted || isComment else { throw Mistake(line: number, text: "a closing quote") }
        if let word { words.append(word) }
        return words
    }

    static func signer(
        _ words: [String],
        _ line: Int,
        _ localOffset: (WallTime) -> Int64
    ) throws(Mistake) -> Signer {
        let form = "principals, options if any, the kind of the key, and the key"
        guard words.count >= 3 else { throw Mistake(line: line, text: form) }
        let hasOptions = !isKind(words[1])
        let place = hasOptions ? 2 : 1
        guard words.count > place + 1, isKind(words[place]) else { throw Mistake(line: line, text: form) }
        guard SSHPublicKey.kinds.contains(words[place]) else {
            let kinds = SSHPublicKey.kinds.joined(separator: ", ")
            throw Mistake(line: line, text: "a key of a kind that is checked: \(kinds)")
        }
        guard let key = SSHWire.base64(words[place + 1].utf8).flatMap({ SSHPublicKey(blob: $0) }),
            key.kind == words[place]
        else { throw Mistake(line: line, text: "a public key of the kind \(words[place])") }
        var signer = Signer(principals: list(words[0]), key: key)
        guard hasOptions else { return signer }
        for option in try options(words[1], line) { try apply(option, to: &signer, line, localOffset) }
        return signer
    }

    private static func isKind(_ word: String) -> Bool {
        ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].contains { word.hasPrefix($0) }
    }

    private static func list(_ text: String) -> [Substring] {
        text.filter { $0 != "\"" }.split(separator: ",").map { Substring(String($0)) }
    }

    /// Splits at commas outside of quotes.
    private static func options(_ text: String, _ line: Int) throws(Mistake) -> [(name: String, value: String?)] {
        var parts = [""]
        var isQuoted = false
        for character in text {
            if character == "\"" { isQuoted.toggle() }
            if character == "," && !isQuoted { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        return parts.map { part in
            guard let sign = part.firstIndex(of: "=") else { return (part.lowercased(), nil) }
            return (part[..<sign].lowercased(), part[part.index(after: sign)...].filter { $0 != "\"" })
        }
    }

    private static func apply(
        _ option: (name: String, value: String?),
        to signer: inout Signer,
        _ line: Int,
        _ localOffset: (WallTime) -> Int64
    ) throws(Mistake) {
        switch (option.name, option.value) {
        case ("namespaces", let value?): signer.namespaces = list(value)
        case ("valid-after", let value?): signer.validAfter = try time(value, line, localOffset)
        case ("valid-before", let value?): signer.validBefore = try time(value, line, localOffset)
        case ("cert-authority", _):
            throw Mistake(line: line, text: "the signer's own key; certificates are not checked")
        default:
            throw Mistake(
                line: line,
                text:
                    "an option such as namespaces=\"\(namespace)\", valid-after=\"20260101\" or valid-before=\"20261231Z\", "
                    + "not \(option.name.escaped)"
            )
        }
    }

    /// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with a `Z` for UTC.
    static func time(_ text: String, _ line: Int, _ localOffset: (WallTime) -> Int64) throws(Mistake) -> WallTime {
        let mistake = Mistake(line: line, text: "a time such as 20260501 or 202605010800Z, not \(text.escaped)")
        let isUTC = text.hasSuffix("Z")
        let digits = text.utf8.dropLast(isUTC ? 1 : 0).map { Int($0) - 48 }
        guard [8, 12, 14].contains(digits.count), digits.allSatisfy({ (0...9).contains($0) }) else { throw mistake }
        func number(_ range: Range<Int>) -> Int {
            range.reduce(0) { $0 * 10 + ($1 < digits.count ? digits[$1] : 0) }
        }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(number(0..<4))-\(two(number(4..<6)))-\(two(number(6..<8)))"
        let clock = "\(two(number(8..<10))):\(two(number(10..<12))):\(two(number(12..<14)))"
        guard let time = WallTime(iso8601: "\(date)T\(clock).000Z") else { throw mistake }
        return isUTC ? time : time + .seconds(-localOffset(time))
    }
}
