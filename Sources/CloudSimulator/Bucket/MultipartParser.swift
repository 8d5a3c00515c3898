import Foundation

/// Takes a `multipart/form-data` body apart while it comes in, in pieces of any size. The file is handed on as it
/// comes; everything before it is small.
struct MultipartParser {
    /// What was found.
    enum Event {
        /// A whole field.
        case field(name: String, value: String)
        /// The headers of the file part; so many bytes of the body come before the file.
        case fileBegan(fileName: String?, bytesBefore: Int)
        /// Bytes of the file, valid during the call only.
        case fileBytes(UnsafeRawBufferPointer)
        /// The file is whole.
        case fileEnded
    }

    private enum State: Equatable {
        case preamble
        case afterDelimiter
        case headers
        case value(name: String)
        case file
        case epilogue
    }

    static let nameMaximum = 8 << 10
    static let valueMaximum = 2 << 20
    static let beforeFileMaximum = 8 << 20
    private static let headersMaximum = 16 << 10

    private let delimiter: [UInt8]
    /// A line end stands before every delimiter; this one makes the first look like all others.
    private var pending: [UInt8] = Array("\r\n".utf8)
    private var state = State.preamble
    private var fileSeen = false
    private var bytesBeforeFile = 0

    /// Whether the closing delimiter has been read.
    var isFinished: Bool { state == .epilogue }

    /// Whether the headers of the file part have been read.
    var isInFile: Bool { fileSeen }

    /// Bytes that have to follow the file: the closing delimiter and its line ends.
    let closingSize: Int

    init(boundary: String) {
        delimiter = Array("\r\n--\(boundary)".utf8)
        closingSize = delimiter.count + 4
    }

    /// Reads the boundary from `multipart/form-data; boundary=…`.
    static func boundary(contentType: String) -> String? {
        let parameters = headerParameters(contentType)
        guard let boundary = parameters["boundary"], (1...70).contains(boundary.utf8.count) else { return nil }
        return boundary
    }

    /// Takes the next bytes of the body.
    mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        _ emit: (Event) throws(BucketRefusal) -> Void
    ) throws(BucketRefusal) {
        if !fileSeen { bytesBeforeFile += bytes.count }
        pending.append(contentsOf: bytes)
        var position = 0
        while try step(&position, emit) {}
        pending.removeFirst(position)
        if !fileSeen, pending.count > Self.beforeFileMaximum || bytesBeforeFile > Self.beforeFileMaximum {
            throw BucketRefusal(400, "MaxPOSTPreDataLengthExceededError", "Too many bytes before the file.")
        }
    }

    /// One transition; false when more bytes are needed.
    private mutating func step(
        _ position: inout Int,
        _ emit: (Event) throws(BucketRefusal) -> Void
    ) throws(BucketRefusal) -> Bool {
        switch state {
        case .preamble:
            guard let found = find(delimiter, from: position) else {
                position = max(position, pending.count - delimiter.count)
                return false
            }
            position = found + delimiter.count
            state = .afterDelimiter
            return true
        case .afterDelimiter:
            guard pending.count >= position + 2 else { return false }
            let next = (pending[position], pending[position + 1])
            position += 2
            switch next {
            case (UInt8(ascii: "\r"), UInt8(ascii: "\n")): state = .headers
            case (UInt8(ascii: "-"), UInt8(ascii: "-")): state = .epilogue
            default: throw .malformed("A boundary is followed by neither a line end nor two hyphens.")
            }
            return true
        case .headers:
            guard let end = find(Array("\r\n\r\n".utf8), from: position) else {
                guard pending.count - position <= Self.headersMaximum else {
                    throw .malformed("A part's headers are too long.")
                }
                return false
            }
            let text = String(decoding: pending[position..<end], as: UTF8.self)
            position = end + 4
            try beginPart(headers: text, bytesAfter: pending.count - position, emit)
            return true
        case .value(let name):
            guard let end = find(delimiter, from: position) else {
                if pending.count - position > Self.valueMaximum + delimiter.count { throw Self.tooLong }
                return false
            }
            guard end - position <= Self.valueMaximum else { throw Self.tooLong }
            try emit(.field(name: name, value: String(decoding: pending[position..<end], as: UTF8.self)))
            position = end + delimiter.count
            state = .afterDelimiter
            return true
        case .file:
            return try takeFile(&position, emit)
        case .epilogue:
            position = pending.count
            return false
        }
    }

    private mutating func takeFile(
        _ position: inout Int,
        _ emit: (Event) throws(BucketRefusal) -> Void
    ) throws(BucketRefusal) -> Bool {
        let found = find(delimiter, from: position)
        // What might be the beginning of the delimiter stays for the next piece.
        let end = found ?? max(position, pending.count - delimiter.count + 1)
        if end > position {
            let refusal = pending.withUnsafeBytes { bytes -> BucketRefusal? in
                do throws(BucketRefusal) {
                    try emit(.fileBytes(UnsafeRawBufferPointer(rebasing: bytes[position..<end])))
                    return nil
                } catch { return error }
            }
            if let refusal { throw refusal }
        }
        position = end
        guard found != nil else { return false }
        position += delimiter.count
        state = .afterDelimiter
        try emit(.fileEnded)
        return true
    }

    private mutating func beginPart(
        headers: String,
        bytesAfter: Int,
        _ emit: (Event) throws(BucketRefusal) -> Void
    ) throws(BucketRefusal) {
        var disposition: [String: String] = [:]
        for line in headers.split(separator: "\r\n") {
            let halves = line.split(separator: ":", maxSplits: 1)
            guard halves.count == 2 else { throw .malformed("A part's header has no colon.") }
            if halves[0].lowercased() == "content-disposition" {
                disposition = Self.headerParameters(String(halves[1]))
            }
        }
        guard disposition[""]?.lowercased() == "form-data", let name = disposition["name"] else {
            throw .malformed("A part has no name.")
        }
        guard name.utf8.count <= Self.nameMaximum else { throw Self.tooLong }
        let isFile = name.lowercased() == "file"
        guard !fileSeen else {
            if isFile {
                throw BucketRefusal(400, "IncorrectNumberOfFilesInPOSTRequest", "There is more than one file.")
            }
            throw .malformed("The field \(name) comes after the file.")
        }
        if isFile {
            fileSeen = true
            bytesBeforeFile -= bytesAfter
            state = .file
            try emit(.fileBegan(fileName: disposition["filename"], bytesBefore: bytesBeforeFile))
        } else {
            state = .value(name: name)
        }
    }

    private static let tooLong = BucketRefusal(400, "FieldItemTooLong", "A field of the form is too long.")

    private func find(_ needle: [UInt8], from position: Int) -> Int? {
        pending.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return nil }
            var start = position
            while start + needle.count <= bytes.count {
                let span = bytes.count - needle.count - start + 1
                guard let hit = memchr(base + start, Int32(needle[0]), span) else { return nil }
                let offset = UnsafeRawPointer(hit) - base
                if memcmp(hit, needle, needle.count) == 0 { return offset }
                start = offset + 1
            }
            return nil
        }
    }

    /// The parameters of a header value by lower-case name, the value itself under the empty name. Quotes may hold
    /// `;` and, behind a backslash, `"` and `\`.
    private static func headerParameters(_ text: String) -> [String: String] {
        var pieces: [String] = []
        var current = ""
        var isQuoted = false
        var isEscaped = false
        for character in text.unicodeScalars {
            if isEscaped {
                if character != "\"" && character != "\\" { current.unicodeScalars.append("\\") }
                current.unicodeScalars.append(character)
                isEscaped = false
            } else if isQuoted && character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == ";" && !isQuoted {
                pieces.append(current)
                current = ""
            } else {
                current.unicodeScalars.append(character)
            }
        }
        pieces.append(current)
        var result = ["": pieces[0].trimmingCharacters(in: .whitespaces)]
        for piece in pieces.dropFirst() {
            let halves = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { continue }
            result[halves[0].trimmingCharacters(in: .whitespaces).lowercased()] = String(halves[1])
        }
        return result
    }
}
