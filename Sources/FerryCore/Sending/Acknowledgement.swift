/// The agent's `ack`, as a sender reads it.
package struct Acknowledgement: Sendable, Equatable {
    package var seq: Int64
    /// Durable bytes in all.
    package var received: Int64
    /// Byte ranges that are not durable, below the highest byte that is; after `fin` below the size.
    package var missing: [Range<Int64>]
    /// Whether there are more of them than are listed.
    package var hasMoreMissing: Bool
    /// At most so many bytes may be on their way; 0 is a pause.
    package var credit: Int64
    /// No segment may be larger.
    package var segment: Int64
    /// Nil for a transfer that the agent does not know.
    package var state: TransferState?
    package var reason: ReasonCode
    /// A sentence for a person, or empty.
    package var text: String
    /// Bytes that the spool may hold at all, where there is no room now.
    package var quota: Int64?
    /// Bytes that it could take if nothing were in it, likewise.
    package var capacity: Int64?

    /// An acknowledgement with every member.
    package init(
        seq: Int64,
        received: Int64,
        missing: [Range<Int64>] = [],
        hasMoreMissing: Bool = false,
        credit: Int64,
        segment: Int64,
        state: TransferState?,
        reason: ReasonCode = .ok,
        text: String = ""
    ) {
        self.seq = seq
        self.received = received
        self.missing = missing
        self.hasMoreMissing = hasMoreMissing
        self.credit = credit
        self.segment = segment
        self.state = state
        self.reason = reason
        self.text = text
    }

    /// Reads the payload of `ack`; nil when it is none.
    package init?(payload: [UInt8]) {
        guard let json = try? JSONValue(parsing: payload), let received = json["received"]?.integer,
            let credit = json["credit"]?.integer, let reason = json["reason"]?.string
        else { return nil }
        var ranges: [Range<Int64>] = []
        for item in json["missing"]?.array ?? [] {
            guard let bounds = item.array, bounds.count == 2, let lower = bounds[0].integer,
                let upper = bounds[1].integer, 0 <= lower, lower < upper, lower >= ranges.last?.upperBound ?? 0,
                // Of more than a file may have nothing can be counted.
                upper <= CloudLimits.fileBytes
            else { return nil }
            ranges.append(lower..<upper)
        }
        self.init(
            seq: json["seq"]?.integer ?? 0,
            received: min(max(0, received), CloudLimits.fileBytes),
            missing: ranges,
            hasMoreMissing: json["more"]?.bool ?? false,
            credit: min(max(0, credit), CloudLimits.fileBytes),
            segment: max(1, json["segment"]?.integer ?? 1),
            state: json["state"]?.string.flatMap(TransferState.init(rawValue:)),
            reason: ReasonCode(rawValue: reason),
            text: json["text"]?.string ?? ""
        )
        quota = json["quota"]?.integer
        capacity = json["capacity"]?.integer
    }

    /// The durable bytes of a file of `size`, as far as this message tells.
    ///
    /// Where all holes are listed the highest durable byte follows from them; where some are not, nothing is said of what
    /// lies above the last one that is, and `before` still holds there.
    package func durable(of size: Int64, before: ByteRanges) -> ByteRanges {
        let holes = missing.reduce(0) { $0 + Int64($1.count) }
        let bound = min(size, hasMoreMissing ? missing.last?.upperBound ?? 0 : received + holes)
        var result = ByteRanges()
        var position: Int64 = 0
        for hole in missing where hole.lowerBound < bound {
            result.insert(position..<hole.lowerBound)
            position = min(hole.upperBound, bound)
        }
        result.insert(position..<max(position, bound))
        if hasMoreMissing && bound < size {
            for range in before.overlap(with: bound..<size) { result.insert(range) }
        }
        return result
    }
}
