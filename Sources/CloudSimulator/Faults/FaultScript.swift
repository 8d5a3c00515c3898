import Synchronization

/// The faults that are still to happen, call by call, in the order they were set.
final class FaultScript: Sendable {
    private struct Entry {
        var fault: Fault
        var remaining: Int?
    }

    private let entries = Mutex<[Call: [Entry]]>([:])

    func add(_ fault: Fault, to call: Call, times: Int?) {
        guard times ?? 1 > 0 else { return }
        entries.withLock { $0[call, default: []].append(Entry(fault: fault, remaining: times)) }
    }

    func clear(_ call: Call?) {
        entries.withLock { entries in
            if let call { entries[call] = nil } else { entries = [:] }
        }
    }

    /// The fault for the call that is coming in now.
    func next(for call: Call) -> Fault? {
        entries.withLock { entries in
            guard var queue = entries[call], var first = queue.first else { return nil }
            if let remaining = first.remaining {
                first.remaining = remaining - 1
                if remaining == 1 { queue.removeFirst() } else { queue[0] = first }
            }
            entries[call] = queue
            return first.fault
        }
    }
}
