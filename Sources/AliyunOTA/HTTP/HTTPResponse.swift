/// The headers of an answer, in the order received.
package struct HTTPHeaders: Sendable {
    /// Name and value as received, without the blanks around the value.
    package private(set) var list: [HTTPHeader] = []

    /// No headers.
    package init() {}

    /// The first value of a name, in whatever case it was written.
    package subscript(_ name: String) -> String? {
        let wanted = name.lowercased()
        return list.first { $0.name.lowercased() == wanted }?.value
    }

    /// Adds one line as it came over the wire; a line without a colon is no header and is ignored.
    mutating func append(line: String) {
        guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return }
        var value = line[line.index(after: colon)...]
        while value.first?.isWhitespace == true { value.removeFirst() }
        while value.last?.isWhitespace == true { value.removeLast() }
        list.append(HTTPHeader(String(line[..<colon]), String(value)))
    }
}

/// What a server answered, whatever the status.
package struct HTTPResponse: Sendable {
    /// 100 to 599, or 0 where the server wrote none.
    package var status: Int
    /// Of the last answer, interim ones left out.
    package var headers = HTTPHeaders()
    /// At most 1 MiB.
    package var body: [UInt8] = []
    /// How many bytes of the request's body the socket took.
    package var bytesSent: Int64 = 0
    /// True when the connection broke before the answer was complete; happens for status 400 and above only.
    package var isTruncated = false

    /// An answer without headers and body.
    package init(status: Int) { self.status = status }

    /// Whether the status is 2xx.
    package var isSuccess: Bool { (200..<300).contains(status) }
}
