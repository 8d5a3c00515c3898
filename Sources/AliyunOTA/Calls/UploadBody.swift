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
    private let file: @Sendable () async throws -> [UInt8]?
    private let state = Mutex(State())

    init(form: UploadForm, size: Int64, isSumNeeded: Bool, file: @escaping @Sendable () async throws -> [UInt8]?) {
        self.form = form
        self.size = size
        self.isSumNeeded = isSumNeeded
        self.file = file
    }

    /// The sum of the file's bytes that have passed.
    var crc64: UInt64 { state.withLock { $0.crc.value } }

    func next() async throws -> [UInt8]? {
        switch state.withLock({ $0.part }) {
        case .head:
            state.withLock { $0.part = .file }
            return form.head
        case .file:
            while let chunk = try await file() {
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
        let passed = state.withLock { state in
            state.passed += Int64(chunk.count)
            if isSumNeeded { state.crc.update(chunk) }
            return state.passed
        }
        guard passed <= size else { throw BodyLengthError(promised: size, given: passed) }
    }
}
