import Foundation
import Synchronization

/// Every call seen since the start.
final class CallLog: Sendable {
    private let records = Mutex<[CallRecord]>([])
    private let watcher: @Sendable (CallRecord) -> Void

    init(watcher: @escaping @Sendable (CallRecord) -> Void) { self.watcher = watcher }

    /// Notes a call that came in, and returns its number.
    func begin(_ call: Call, parameters: [String: String]) -> Int {
        records.withLock { records in
            let number = records.count + 1
            records.append(
                CallRecord(number: number, call: call, parameters: parameters, received: .now, receivedAt: Date())
            )
            return number
        }
    }

    /// Changes the record of a call that is under way.
    func update(_ number: Int, _ change: (inout CallRecord) -> Void) {
        records.withLock { change(&$0[number - 1]) }
    }

    /// Notes how a call ended.
    func end(_ number: Int, status: Int?, code: String, note: String) {
        let record = records.withLock { records in
            records[number - 1].answered = .now
            records[number - 1].status = status
            records[number - 1].code = code
            if !note.isEmpty { records[number - 1].note = note }
            return records[number - 1]
        }
        watcher(record)
    }

    /// All calls, oldest first.
    var all: [CallRecord] { records.withLock { $0 } }
}
