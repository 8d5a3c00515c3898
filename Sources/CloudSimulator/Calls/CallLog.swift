import Foundation
import Synchronization

/// Every call seen since the start.
final class CallLog: Sendable {
    fileprivate struct State {
        var records: [CallRecord] = []
        /// How many were forgotten; the numbers go on.
        var forgotten = 0
    }

    private let state = Mutex(State())
    private let watcher: @Sendable (CallRecord) -> Void

    init(watcher: @escaping @Sendable (CallRecord) -> Void) { self.watcher = watcher }

    /// Notes a call that came in, and returns its number.
    func begin(_ call: Call, parameters: [String: String]) -> Int {
        state.withLock { state in
            let number = state.forgotten + state.records.count + 1
            state.records.append(
                CallRecord(number: number, call: call, parameters: parameters, received: .now, receivedAt: Date())
            )
            return number
        }
    }

    /// Changes the record of a call that is under way.
    func update(_ number: Int, _ change: (inout CallRecord) -> Void) {
        _ = state.withLock { $0.change(number, change) }
    }

    /// Notes how a call ended.
    func end(_ number: Int, status: Int?, code: String, note: String) {
        let record = state.withLock { state in
            state.change(number) { record in
                record.answered = .now
                record.status = status
                record.code = code
                if !note.isEmpty { record.note = note }
            }
        }
        if let record { watcher(record) }
    }

    /// Forgets every call so far; one that is under way leaves no record.
    func forget() {
        state.withLock { state in
            state.forgotten += state.records.count
            state.records = []
        }
    }

    /// All calls, oldest first.
    var all: [CallRecord] { state.withLock { $0.records } }
}

extension CallLog.State {
    /// Changes a record that is not forgotten, and returns it.
    fileprivate mutating func change(_ number: Int, _ body: (inout CallRecord) -> Void) -> CallRecord? {
        let index = number - forgotten - 1
        guard records.indices.contains(index) else { return nil }
        body(&records[index])
        return records[index]
    }
}
