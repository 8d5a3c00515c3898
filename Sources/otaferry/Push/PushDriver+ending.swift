import FerryCore

/// What answers and states mean for the push: that it goes on, or how it ends.
extension PushDriver {
    /// Whether the push has come to an end.
    func judge() -> Ending? {
        var reached: [TransferStatus] = []
        for index in deliveries.indices {
            switch deliveries[index].machine.phase {
            case .away, .opening, .open: continue
            case .refused(let refusal):
                if let ending = refused(refusal, index) { return ending }
            case .delivered(let state):
                let status = deliveries[index].latest ?? TransferStatus(state: state, seq: 0)
                switch judge(status, index) {
                case .goesOn: continue
                case .reached: reached.append(status)
                case .ended(let ending): return ending
                }
            }
        }
        tellUpload()
        guard reached.count == deliveries.count, let last = reached.last else { return nil }
        let held = reached.first { $0.state == .held }?.reason
        return Ending(
            .done,
            reachedText(reached.first { $0.state != .registered } ?? last),
            hint: held.map { ColumnText.printable(PushHints.sentences([$0.text, $0.hint])) } ?? "",
            code: held?.code
        )
    }

    private func refused(_ refusal: SendingMachine.Refusal, _ index: Int) -> Ending? {
        let isTemporary = [.noRoom, .tooManyTransfers].contains(refusal.reason) && !refusal.isForGood
        if isTemporary && task.order.timeLimit != nil {
            guard let since = deliveries[index].refusedAt else {
                deliveries[index].refusedAt = now
                deliveries[index].refusedWords = ColumnText.printable(refusal.text)
                return nil
            }
            guard now - since >= Self.refusalPause else { return nil }
            deliveries[index].refusedAt = nil
            deliveries[index].beginAnew()
            if mayReachAgent { reachAgent() }
            return nil
        }
        let text = FirmwareOptionNames.inOptions(ColumnText.printable(refusal.text))
        let hint = PushHints.hint(
            for: refusal,
            address: deliveries[index].file.address,
            isPackage: deliveries.count > 1 || task.order.package != nil,
            isSigned: task.order.isSigned,
            task.route.followUp
        )
        return Ending(
            refusal.reason == .notAllowed ? .notAllowed : .failed,
            name(index) + "Refused (\(refusal.reason.rawValue))\(text.isEmpty ? "" : ": \(text)")",
            hint: PushHints.sentences([hint, isTemporary ? "" : siblings(of: index)]),
            code: refusal.reason
        )
    }

    private enum Judgement {
        case goesOn
        case reached
        case ended(Ending)
    }

    /// Whether the acknowledgement said that it is registered, and the state message with the firmware's id is behind it: of
    /// who may read no states nothing is known to come.
    private func isStateDue(_ status: TransferStatus, _ index: Int) -> Bool {
        guard status.state == .registered, !status.isWhole, !isBlind else { return false }
        let since = deliveries[index].endedAt ?? now
        deliveries[index].endedAt = since
        return now - since < Self.statePatience
    }

    private func judge(_ status: TransferStatus, _ index: Int) -> Judgement {
        guard !isStateDue(status, index) else { return .goesOn }
        announce(status, index)
        switch task.order.goal.verdict(on: status.state, because: status.reason?.code) {
        case .goesOn: return .goesOn
        case .reached: return .reached
        case .needsPerson where task.order.timeLimit != nil: return .goesOn
        case .needsPerson, .failed:
            let address = deliveries[index].file.address
            guard let reason = status.reason else {
                // The acknowledgement came first; the state message with the reason is behind it.
                let since = deliveries[index].endedAt ?? now
                deliveries[index].endedAt = since
                guard now - since >= Self.reasonPatience else { return .goesOn }
                return .ended(
                    Ending(
                        .failed,
                        name(index) + Self.words(for: status.state)
                            + (status.told.isEmpty ? "" : ": \(ColumnText.printable(status.told))"),
                        hint: (isBlind ? "An operator sees more: " : "")
                            + "\(task.route.followUp.command("show", address)) tells why"
                    )
                )
            }
            return .ended(
                Ending(
                    .failed,
                    name(index) + Self.words(for: status.state) + " (\(reason.code.rawValue)): "
                        + ColumnText.printable(reason.text),
                    hint: PushHints.hint(for: status, address: address, task.route.followUp),
                    code: reason.code
                )
            )
        }
    }

    private static func words(for state: TransferState) -> String {
        switch state {
        case .failed: "The transfer has failed"
        case .expired: "The transfer has expired"
        default: "The transfer is \(state.rawValue)"
        }
    }

    /// Which file is meant, where there are several.
    private func name(_ index: Int) -> String {
        deliveries.count == 1 ? "" : ColumnText.printable(deliveries[index].file.source.name) + ": "
    }

    // MARK: - What a person is told on the way

    private func announce(_ status: TransferStatus, _ index: Int) {
        let former = deliveries[index].announced
        guard former?.state != status.state || former?.reason != status.reason else { return }
        deliveries[index].announced = status
        let delivery = deliveries[index]
        let address = delivery.file.address
        display.object([
            "event": "state", "id": .string(address.id.text), "sender": .string(address.sender.text),
            "state": .string(status.state.rawValue), "reason": status.reason?.json ?? .null,
            "firmware_id": .text(status.firmwareID),
        ])
        if former == nil && delivery.hasSent && delivery.file.source.isReplaced {
            let path = delivery.file.source.path.shownName
            display.note("\(path) was replaced meanwhile; sent is the file that was there at first", .attention)
        }
        guard former == nil && !display.isForPrograms && !status.state.isFinal else { return }
        let name = deliveries.count == 1 ? nil : ColumnText.printable(delivery.file.source.name)
        if delivery.hasSent {
            let time = now - (delivery.begunAt ?? .zero)
            let size = ByteCount(rawValue: delivery.size)
            let what = name.map { "\($0), \(size)" } ?? "\(size)"
            display.note("\(what) received as \(address) in \(ColumnText.clock(time))", .success)
        } else {
            display.note("The gateway has \(name ?? "this file") already, as \(address)", .success)
        }
    }

    /// Once the cloud has every byte.
    private func tellUpload() {
        guard !hasToldUpload, let begun = deliveries.compactMap(\.uploadBegunAt).min(),
            deliveries.allSatisfy({ $0.state == .registering || $0.state == .registered })
        else { return }
        hasToldUpload = true
        guard !display.isForPrograms else { return }
        let size = ByteCount(rawValue: deliveries.reduce(0) { $0 + $1.size })
        // Of one that was under way before this command nobody here knows when it began.
        let isKnown = deliveries.allSatisfy { $0.uploadBegunAt == nil || $0.isUploadWhole }
        display.note("\(size) uploaded" + (isKnown ? " in \(ColumnText.clock(now - begun))" : ""), .success)
    }

    private func reachedText(_ status: TransferStatus) -> String {
        let files = deliveries.count == 1 ? "" : " (\(deliveries.count) files)"
        let what = "\(task.order.product) \(task.order.version)\(files)"
        guard status.state == .registered else {
            let address = deliveries.count == 1 ? " as \(deliveries[0].file.address)" : ""
            return "\(what) is \(status.state.rawValue)\(address)"
        }
        let id = status.firmwareID.map { " as \(ColumnText.printable($0))" } ?? ""
        let isNews = deliveries.contains { $0.hasSent || $0.wasSeenOpen }
        return isNews ? "\(what) is registered\(id)" : "\(what) was registered before\(id)"
    }

    // MARK: - Leaving early

    func interrupted() -> Ending { Ending(.notYet, "Interrupted", hint: leavingHint) }

    /// What becomes of it when nobody watches any more.
    var leavingHint: String {
        guard deliveries.allSatisfy(\.isDelivered) else { return "The same command goes on where it stopped" }
        if let waiting = deliveries.first(where: { $0.state == .held || $0.latest?.isPaused == true }) {
            let show = task.route.followUp.command("show", waiting.file.address)
            if isBlind { return "The gateway keeps it until an operator acts: \(show) tells how it goes on" }
            // Held for a person is what is not held for a better hour.
            let isForHour = deliveries.allSatisfy {
                $0.latest?.isPaused != true && ($0.state != .held || $0.latest?.reason?.code == .linkTooSlow)
            }
            if isForHour { return "The gateway has it and tries again by itself: \(show) tells how it goes on" }
            return "The gateway keeps it until a person acts: \(show) tells how it goes on"
        }
        let what = deliveries.count == 1 ? "file" : "files"
        // Who may not read states is told by the agent's answers alone.
        if isBlind { return "The gateway has the \(what); the same command shows how it goes on" }
        let watch = task.route.followUp.command("watch", deliveries.count == 1 ? "\(deliveries[0].file.address)" : nil)
        // Before that it may wait for the rest of its package, or for a person who has paused everything.
        let isUnderWay = deliveries.allSatisfy { [.ticketing, .uploading, .registering].contains($0.state) }
        return isUnderWay
            ? "The gateway has the \(what) and goes on by itself; \(watch) shows it"
            : "The gateway has the \(what); \(watch) shows how it goes on"
    }
}
