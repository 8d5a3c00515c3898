import Synchronization

/// The faults that are still to happen, call by call, in the order they were set.
final class FaultScript: Sendable {
    /// A fault that waits for its call.
    struct Entry: Sendable {
        var fault: Fault
        /// nil: always.
        var remaining: Int?
    }

    private struct State {
        var entries: [Call: [Entry]] = [:]
        /// Those of all faults set so far, for `release`.
        var gates: [Gate] = []
    }

    private let state = Mutex(State())

    func add(_ fault: Fault, to call: Call, times: Int?) {
        guard times ?? 1 > 0 else { return }
        state.withLock { state in
            state.entries[call, default: []].append(Entry(fault: fault, remaining: times))
            if let gate = fault.gate { state.gates.append(gate) }
        }
    }

    /// Returns how many entries are gone.
    @discardableResult
    func clear(_ call: Call?) -> Int {
        state.withLock { state in
            let gone = state.entries.filter { call == nil || $0.key == call }
            for call in gone.keys { state.entries[call] = nil }
            return gone.values.reduce(0) { $0 + $1.count }
        }
    }

    /// Lets every call go on that is held; returns how many faults held one, or would have.
    func release() -> Int {
        let gates = state.withLock { state in
            defer { state.gates = [] }
            return state.gates
        }
        for gate in gates { gate.open() }
        return gates.count
    }

    /// What waits, in the order in which it is played.
    var waiting: [(call: Call, entry: Entry)] {
        state.withLock { state in
            Call.allCases.flatMap { call in (state.entries[call] ?? []).map { (call, $0) } }
        }
    }

    /// The fault for the call that is coming in now.
    func next(for call: Call) -> Fault? {
        state.withLock { state in
            guard var queue = state.entries[call], var first = queue.first else { return nil }
            if let remaining = first.remaining {
                first.remaining = remaining - 1
                if remaining == 1 { queue.removeFirst() } else { queue[0] = first }
            }
            state.entries[call] = queue
            return first.fault
        }
    }
}
