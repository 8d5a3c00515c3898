import FerryCore
import Synchronization

/// Pulls a form's bytes in order and keeps the file's sum while they pass.
///
/// Only one task pulls at a time; the lock makes that visible to the compiler.
final class UploadBody: Sendable {
    private enum Part: Sendable {
        case head
        case file
        case end
    }

    private struct State {
        var part = Part.head
        var passed: Int64 = 0
        var crc = CRC64()
    }

    private let form: UploadForm
    private let size: Int64
    private let isSumNeeded: Bool
    private let file: BodySource
    private let state = Mutex(State())

    init(form: UploadForm, size: Int64, isSumNeeded: Bool, file: BodySource) {
        self.form = form
        self.size = size
        self.isSumNeeded = isSumNeeded
        self.file = file
    }

    /// The sum of the file's bytes that have passed.
    var crc64: UInt64 { state.withLock { $0.crc.value } }

    /// The form as a body.
    var source: BodySource {
        guard let immediate = file.immediate else { return BodySource(next: { try await self.next() }) }
        return BodySource(next: { try await self.next() }, immediate: { self.pass(immediate, $0) })
    }

    private func next() async throws -> [UInt8]? {
        switch state.withLock({ $0.part }) {
        case .head:
            state.withLock { $0.part = .file }
            return form.head
        case .file:
            while let chunk = try await file.next() {
                guard !chunk.isEmpty else { continue }
                try pass(chunk)
                return chunk
            }
            let passed = state.withLock { state in
                state.part = .end
                return state.passed
            }
            guard passed == size else { throw BodyLengthError(promised: size, given: passed) }
            return form.tail
        case .end: return nil
        }
    }

    private func pass(_ chunk: [UInt8]) throws {
        let passed = chunk.withUnsafeBytes(note)
        guard passed <= size else { throw BodyLengthError(promised: size, given: passed) }
    }

    /// Bytes of the file at once; what goes around them comes from `next`.
    private func pass(
        _ immediate: @Sendable (UnsafeMutableRawBufferPointer) -> BodySource.Immediate,
        _ buffer: UnsafeMutableRawBufferPointer
    ) -> BodySource.Immediate {
        let (part, passed) = state.withLock { ($0.part, $0.passed) }
        guard part == .file, passed < size else { return .later(chunks: 1) }
        let given = immediate(UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(clamping: size - passed))))
        if case .bytes(let count) = given { note(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        return given
    }

    @discardableResult
    private func note(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        state.withLock { state in
            state.passed += Int64(bytes.count)
            if isSumNeeded { state.crc.update(bytes) }
            return state.passed
        }
    }
}
