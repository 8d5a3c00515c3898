import FerryCore

/// The agent is asked about every file before a byte of one goes out, so that a package of which one file is refused leaves
/// nothing behind; and what it has is asked before `init`, so that an agent that does not answer has nothing to keep.
extension PushDriver {
    /// Whether the agent takes all files.
    var areAdmitted: Bool { deliveries.allSatisfy(\.isAdmitted) }

    /// There is an agent: asks it about the files that it has not taken yet; once it has taken all, sends the one whose turn
    /// it is.
    ///
    /// - Parameter isAgain: also where that is under way.
    func reachAgent(isAgain: Bool = true) {
        guard let current else { return }
        deliveries[current].begunAt = deliveries[current].begunAt ?? now
        if areAdmitted {
            guard isAgain || deliveries[current].machine.phase == .away else { return }
            return deliveries[current].machine.agentReached()
        }
        // Nothing is begun where the first has to be there already, and is not.
        let isOnlyFirst = task.order.mustResume && deliveries[0].wasThere == nil
        for index in deliveries.indices.prefix(isOnlyFirst ? 1 : deliveries.count) where !deliveries[index].isAdmitted {
            guard deliveries[index].machine.phase == .away else { continue }
            if deliveries[index].wasThere != nil {
                deliveries[index].machine.agentReached()
            } else if !deliveries[index].isAsked {
                ask(index)
            }
        }
    }

    /// Asks what the agent has of the file.
    func ask(_ index: Int) {
        deliveries[index].isAsked = true
        deliveries[index].askedAt = now
        publish("query", [], index)
    }

    /// The answer to that.
    func takeFirst(_ ack: Acknowledgement, _ index: Int) -> Ending? {
        let lacking: String? =
            switch ack.state {
            case nil: "Nothing of this transfer has begun"
            case .cancelled: "Nothing is left of this transfer: it was cancelled"
            case .expired: "Nothing is left of this transfer: it has expired"
            default: nil
            }
        if task.order.mustResume && index == 0, let lacking {
            return Ending(.failed, lacking, hint: "Without --resume the file is sent from its beginning")
        }
        deliveries[index].wasThere = lacking == nil
        if mayReachAgent { reachAgent() }
        return nil
    }

    /// A package may have more files than may be open at the same time: what is too many is asked about when its turn comes.
    func postponeWhatIsTooMany(_ index: Int) {
        guard case .refused(let refusal) = deliveries[index].machine.phase, refusal.reason == .tooManyTransfers,
            !deliveries[index].isAdmitted, deliveries.contains(where: { $0.isAdmitted && !$0.isSettled })
        else { return }
        deliveries[index].beginAnew()
        deliveries[index].isAdmitted = true
    }

    /// Takes back what this push has begun and nothing was stored of. What another one began may be its own still.
    func takeBackBegun() {
        let begun = deliveries.indices.filter { deliveries[$0].isForgettable }
        // What is not taken back here expires.
        if !begun.isEmpty, takeBack(begun) {
            for index in begun { deliveries[index].isTakenBack = true }
        }
    }
}
