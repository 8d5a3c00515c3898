import FerryCore

/// What an answer or a state means for the push: that it goes on, or how it ends.
extension PushDriver {
    /// Whether the delivery or the transfer has come to an end.
    func judge() -> Ending? {
        switch machine.phase {
        case .away, .opening, .open: return nil
        case .refused(let refusal): return refused(refusal)
        case .delivered(let state): return judge(latest ?? TransferStatus(state: state, seq: 0))
        }
    }

    private func refused(_ refusal: SendingMachine.Refusal) -> Ending? {
        let isTemporary = [.noRoom, .tooManyTransfers].contains(refusal.reason)
        if isTemporary && task.order.timeLimit != nil {
            guard let since = refusedAt else {
                refusedAt = now
                display.note("Refused for now: \(ColumnText.printable(refusal.text))", .yellow)
                return nil
            }
            guard now - since >= Self.refusalPause else { return nil }
            refusedAt = nil
            machine = Self.machine(for: task)
            if isConnected && isAgentOnline { machine.agentReached() }
            return nil
        }
        let text = ColumnText.printable(refusal.text)
        return Ending(
            refusal.reason == .notAllowed ? .notAllowed : .failed,
            "Refused (\(refusal.reason.rawValue))\(text.isEmpty ? "" : ": \(text)")",
            hint: PushHints.hint(for: refusal.reason, address: task.address)
        )
    }

    private func judge(_ status: TransferStatus) -> Ending? {
        announce(status)
        switch task.order.goal.verdict(on: status.state, because: status.reason?.code) {
        case .goesOn: return nil
        case .reached:
            let hint = status.state == .held ? status.reason.map { PushHints.sentences([$0.text, $0.hint]) } ?? "" : ""
            return Ending(.done, reachedText(status), hint: ColumnText.printable(hint))
        case .needsPerson where task.order.timeLimit != nil: return nil
        case .needsPerson, .failed:
            guard let reason = status.reason else {
                // The acknowledgement came first; the state message with the reason is behind it.
                let since = endedAt ?? now
                endedAt = since
                guard now - since >= Self.reasonPatience else { return nil }
                return Ending(
                    .failed,
                    "The transfer is \(status.state.rawValue)",
                    hint: "otaferry show \(task.address) tells why"
                )
            }
            return Ending(
                .failed,
                "The transfer is \(status.state.rawValue) (\(reason.code.rawValue)): "
                    + ColumnText.printable(reason.text),
                hint: PushHints.hint(for: status, address: task.address)
            )
        }
    }

    private func announce(_ status: TransferStatus) {
        guard announced?.state != status.state || announced?.reason != status.reason else { return }
        let isFirst = announced == nil
        announced = status
        display.object([
            "event": "state", "id": .string(task.address.id.text), "sender": .string(task.address.sender.text),
            "state": .string(status.state.rawValue), "reason": status.reason?.json ?? .null,
            "firmware_id": .text(status.firmwareID),
        ])
        guard isFirst && !display.isForPrograms && !status.state.isFinal else { return }
        if hasSent {
            let size = ByteCount(rawValue: task.source.size)
            display.note("\(size) received as \(task.address) in \(ColumnText.clock(now))", .green)
        } else {
            display.note("The gateway has this file already, as \(task.address)", .green)
        }
    }

    private func reachedText(_ status: TransferStatus) -> String {
        let what = "\(task.order.product) \(task.order.version)"
        guard status.state == .registered else { return "\(what) is \(status.state.rawValue) as \(task.address)" }
        let id = status.firmwareID.map { " as \(ColumnText.printable($0))" } ?? ""
        let isNews = hasSent || progress.hasSeenPublishing
        return isNews ? "\(what) is registered\(id)" : "\(what) was registered before\(id)"
    }
}
