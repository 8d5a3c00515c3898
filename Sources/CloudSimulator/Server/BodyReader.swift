import FlyingFox
import Foundation

/// Reads the body of an upload in pieces, and plays the faults that concern its pace.
struct BodyReader {
    private static let pieceSize = 256 << 10

    private var iterator: HTTPBodySequence.Iterator
    private let fault: Fault?
    private let progress: @Sendable (Int64) -> Void
    private let started = ContinuousClock.now
    private var hasHeld = false
    /// Bytes read so far.
    private(set) var total: Int64 = 0

    /// `progress` is told the bytes read so far, now and then.
    init(_ body: HTTPBodySequence, fault: Fault?, progress: @escaping @Sendable (Int64) -> Void) {
        iterator = body.makeAsyncIterator()
        self.fault = fault
        self.progress = progress
    }

    /// The next bytes, as they come; nil at the end.
    @concurrent
    mutating func next() async throws -> Data? { try await next(atLeast: 1) }

    /// So many bytes that handing them on costs little; fewer at the end, nil after it.
    @concurrent
    mutating func nextPiece() async throws -> Data? {
        if case .slowUpload(let rate) = fault { return try await next(atLeast: min(max(rate / 10, 1), Self.pieceSize)) }
        return try await next(atLeast: Self.pieceSize)
    }

    @concurrent
    private mutating func next(atLeast wanted: Int) async throws -> Data? {
        try await holdIfDue()
        guard var piece = try await iterator.next() else { return nil }
        total += Int64(piece.count)
        piece.reserveCapacity(wanted + 4_096)
        while piece.count < wanted {
            try await holdIfDue()
            guard let more = try await iterator.next() else { break }
            piece.append(more)
            total += Int64(more.count)
        }
        progress(total)
        try await pace()
        return piece
    }

    private mutating func holdIfDue() async throws {
        switch fault {
        case .holdUpload(let limit, let gate) where !hasHeld && total >= limit:
            hasHeld = true
            progress(total)
            try await gate.wait()
        case .hangUpUpload(let limit) where total >= limit:
            throw HungUp()
        default: break
        }
    }

    private func pace() async throws {
        guard case .slowUpload(let rate) = fault, rate > 0 else { return }
        try await Task.sleep(until: started + .seconds(Double(total) / Double(rate)), clock: .continuous)
    }
}
