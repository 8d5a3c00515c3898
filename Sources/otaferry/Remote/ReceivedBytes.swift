import FerryCore

/// Which bytes of a file are here, of all that a `state` message says.
struct ReceivedBytes {
    /// Durable bytes in all.
    let count: Int64
    /// What is missing below the end of the file, as far as it is told.
    let missing: [Range<Int64>]
    /// Whether more is missing than is told.
    let hasMore: Bool
    private let size: Int64?
    /// Whether every byte of the announced size is here, and the file is not complete all the same.
    let isWhole: Bool

    init(state: JSONValue) {
        let received = state["received"]
        // An older agent tells the beginning without a hole alone.
        count = received?["bytes"]?.fileBytes ?? received?["durable"]?.fileBytes ?? 0
        size = state["size"]?.fileBytes
        hasMore = received?["more"]?.bool ?? false
        var ranges = (received?["missing"]?.array ?? []).compactMap { Self.range($0) }
        let isReceiving = state["state"]?.string == TransferState.receiving.rawValue
        // Told are the holes below the highest byte that came; what is behind it is missing too.
        let highest = count + Self.sum(ranges)
        if isReceiving, !hasMore, received?["bytes"] != nil, let size, highest < size { ranges.append(highest..<size) }
        missing = isReceiving ? ranges : []
        let isAllHere = if let size { 0 < size && size <= count } else { false }
        isWhole = isReceiving && isAllHere && (state["reason"] ?? .null) == .null
    }

    /// How much is here of what `init` announced: bytes behind its end do not fill its holes.
    var countOfAnnounced: Int64 { min(count, size.map { max(0, $0 - Self.sum(missing)) } ?? count) }

    /// No message has as many ranges as it would take to leave 63 bits.
    private static func sum(_ ranges: [Range<Int64>]) -> Int64 { ranges.reduce(0) { $0 + Int64($1.count) } }

    private static func range(_ json: JSONValue) -> Range<Int64>? {
        guard let ends = json.array?.compactMap(\.integer), ends.count == 2, 0 <= ends[0], ends[0] < ends[1],
            ends[1] <= CloudLimits.fileBytes
        else { return nil }
        return ends[0]..<ends[1]
    }

    /// `4.2 MB: bytes 524288-786431, 1048576-10485759`, the first and the last byte of each; nil where nothing is
    /// missing.
    var missingText: String? {
        guard !missing.isEmpty else {
            return isWhole ? "no byte: its sender has to say fin/<size>, or its bytes are being verified" : nil
        }
        // More may have come than `init` announced.
        let total = max(size.map { $0 - count } ?? 0, Self.sum(missing))
        let ranges = missing.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound - 1)" }
        return
            "\(ByteCount(rawValue: total)): bytes \((ranges + (hasMore ? ["and more"] : [])).joined(separator: ", "))"
    }
}
