/// Collects one answer as it arrives; interim answers (1xx) are passed over.
struct AnswerReader {
    /// The most that is kept: RPC answers and OSS errors have a few kilobytes, a list page about 100.
    static let bodyLimit = 1 << 20
    static let headerCountLimit = 200

    private(set) var response: HTTPResponse?
    private(set) var isComplete = false
    private(set) var isTooLarge = false

    /// Takes one line of the head; false when there are too many.
    mutating func receive(headerLine: String) -> Bool {
        let line = headerLine.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        if line.hasPrefix("HTTP/") {
            let parts = line.split(separator: " ", maxSplits: 2)
            response = HTTPResponse(status: parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
            isComplete = false
        } else if line.isEmpty {
            isComplete = (response?.status ?? 0) >= 200
        } else {
            response?.headers.append(line: line)
        }
        if (response?.headers.list.count ?? 0) > Self.headerCountLimit { isTooLarge = true }
        return !isTooLarge
    }

    /// Takes a piece of the body; false when it is too large.
    mutating func receive(body: UnsafeRawBufferPointer) -> Bool {
        guard (response?.body.count ?? 0) + body.count <= Self.bodyLimit else {
            isTooLarge = true
            return false
        }
        response?.body.append(contentsOf: body)
        return true
    }
}
