import FerryCore
import Spool

/// What one command does, in the transaction that keeps its answer.
struct OperatorTransaction {
    let ledger: Ledger
    let command: Command
    let herald: Herald
    let publisher: Publisher
    let now: WallTime

    /// The page of `list` without a limit, and the largest.
    private static let pageSize = (standard: Int64(50), largest: Int64(500))
    /// The history that `get` shows at most.
    private static let historyLimit = 200
    /// The setting that keeps whether publication rests.
    static let pausedSetting = "paused"

    /// What `ping` answers with.
    ///
    /// - Parameter withStatus: whether a status was said just before.
    static func pong(at now: WallTime, withStatus: Bool = false) -> JSONValue {
        let pong: [String: JSONValue] = ["version": .string(AgentVersion.text), "time": .string(now.iso8601)]
        return .object(withStatus ? pong.merging(["status": true]) { $1 } : pong)
    }

    /// What the members that verbs read have to be.
    private static let kinds: [(member: String, kind: String, fits: @Sendable (JSONValue) -> Bool)] = [
        ("sender", "text", { $0.string != nil }), ("transfer", "text", { $0.string != nil }),
        ("rate-limit", "text", { $0.string != nil }), ("window", "text", { $0.string != nil }),
        ("state", "text", { $0.string != nil }), ("product", "text", { $0.string != nil }),
        ("keep", "true or false", { $0.bool != nil }), ("reset", "true or false", { $0.bool != nil }),
        ("limit", "a whole number", { $0.integer != nil }),
        ("priority", "a whole number", { $0.integer != nil }), ("filter", "an object", { $0.object != nil }),
        ("firmware", "an object", { $0.object != nil }),
    ]

    /// A member of another kind is not taken for one that is missing: `pause` without `transfer` means everything.
    private func mistake(in document: JSONValue, _ place: String) -> String? {
        for (member, kind, fits) in Self.kinds {
            // Null is as good as nothing, except where nothing means everything.
            guard let value = document.object?[member], value != .null || member == "transfer", !fits(value) else {
                continue
            }
            return "\(place)\(member) must be \(kind)"
        }
        return nil
    }

    mutating func perform() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        let filter = command.arguments["filter"] ?? .null
        if let text = mistake(in: command.arguments, "") ?? mistake(in: filter, "filter.") { return bad(text) }
        return switch command.verb {
        case .ping: .success(Self.pong(at: now))
        case .sync: .success([:])
        case .list: try list()
        case .get: try get()
        case .describe: try describe()
        case .cancel:
            // The reason says who did it.
            try change(.state, .stopAttempt) { (transfer, now) throws(OperatorRefusal) in
                try transfer.cancelled(at: now)
            }
        case .retry:
            try change(.retried, .hurry) { [herald, publisher] (transfer, now) throws(OperatorRefusal) in
                try transfer.retried(at: now, catalog: herald.catalog)
                transfer.looksAtWindow(publisher.limits.closed, at: now)
            }
        case .pause where isForAll, .resume where isForAll:
            command.arguments["sender"] == nil
                ? try pauseAll(command.verb == .pause)
                : bad("\(command.verb.rawValue) with \"sender\" needs \"transfer\" too")
        case .pause:
            try change(.paused, .stopAttempt) { (transfer, _) throws(OperatorRefusal) in try transfer.paused() }
        case .resume:
            try change(.resumed, .look) { [publisher] (transfer, now) throws(OperatorRefusal) in
                try transfer.resumed()
                transfer.looksAtWindow(publisher.limits.closed, at: now)
            }
        case .priority: try prioritize()
        case .purge: try purge()
        case .limits: try setLimits()
        }
    }

    // MARK: - Reading

    private func list() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        let filters = command.arguments["filter"] ?? command.arguments
        var filter = TransferFilter()
        if let text = filters["state"]?.string {
            guard let state = TransferState(rawValue: text) else { return bad("There is no state \(text.escaped)") }
            filter.state = state
        }
        if let text = filters["sender"]?.string {
            guard let sender = Name(text) else { return bad("sender is no name") }
            filter.sender = sender
        }
        if let text = filters["product"]?.string {
            guard let product = Name(text) else { return bad("product is no name") }
            filter.products = herald.catalog.names(of: product)
        }
        let limit = command.arguments["limit"]?.integer ?? Self.pageSize.standard
        guard (1...Self.pageSize.largest).contains(limit) else {
            return bad("limit must be a whole number from 1 to \(Self.pageSize.largest)")
        }
        if let after = command.arguments["after"] {
            guard let key = after.string.flatMap({ Int64($0) }) ?? after.integer else {
                return bad("after takes a former next")
            }
            filter.after = key
        }
        if let order = command.arguments["order"] {
            guard let order = order.string, ["oldest", "newest"].contains(order) else {
                return bad("order is \"oldest\" or \"newest\", which comes first")
            }
            filter.isNewestFirst = order == "newest"
        }
        // One more than asked for tells whether there is a next page.
        filter.limit = Int(limit) + 1
        let found = try ledger.transfers(filter)
        let page = found.prefix(Int(limit))
        return .success([
            "states": .array(page.map { $0.stateMessage(sent: herald.sent($0), catalog: herald.catalog) }),
            "next": found.count > page.count ? .text(page.last.map { String($0.key) }) : .null,
            "paused": .bool(try isPausedForAll()),
        ])
    }

    private func get() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        switch try find() {
        case .failure(let refusal): return .failure(refusal)
        case .success(let transfer):
            let events = try ledger.events(of: transfer, limit: Self.historyLimit)
            return .success([
                "state": transfer.stateMessage(sent: herald.sent(transfer), catalog: herald.catalog),
                "events": .array(events.map(\.json)), "paused": .bool(try isPausedForAll()),
            ])
        }
    }

    private func find() throws(SpoolError) -> Result<Transfer, OperatorRefusal> {
        guard let id = command.arguments["transfer"]?.string.flatMap({ Name($0) }) else {
            return .failure(OperatorRefusal(code: "bad-request", text: "\(command.verb.rawValue) needs \"transfer\""))
        }
        let unknown = OperatorRefusal(
            code: ReasonCode.unknownTransfer.rawValue,
            text: "There is no transfer \(id)",
            hint: "list shows all"
        )
        if let senderText = command.arguments["sender"]?.string {
            guard let sender = Name(senderText),
                let transfer = try ledger.transfer(at: TransferAddress(sender: sender, id: id))
            else { return .failure(unknown) }
            return .success(transfer)
        }
        let found = try ledger.transfers(withID: id)
        guard found.count < 2 else {
            let senders = found.map { $0.address.sender.text }.joined(separator: ", ")
            return .failure(
                OperatorRefusal(
                    code: "ambiguous",
                    text: "Several senders have a transfer \(id): \(senders)",
                    hint: "Name the sender too"
                )
            )
        }
        return found.first.map { .success($0) } ?? .failure(unknown)
    }

    private func bad(_ text: String) -> Result<JSONValue, OperatorRefusal> {
        .failure(OperatorRefusal(code: "bad-request", text: text))
    }

    // MARK: - Changing

    /// What the publisher has to do after the commit.
    private enum Afterwards {
        case stopAttempt
        /// A person wants it now.
        case hurry
        case look
    }

    /// - Parameters:
    ///   - kind: what the history calls it.
    ///   - others: transfers that changed with it; asked for after `body`.
    private func change(
        _ kind: TransferEvent.Kind,
        _ afterwards: Afterwards,
        others: () -> [Transfer] = { [] },
        _ body: (inout Transfer, WallTime) throws(OperatorRefusal) -> Void
    ) throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        let found = try find()
        guard case .success(var transfer) = found else { return found.map { _ in .null } }
        let former = transfer
        do throws(OperatorRefusal) { try body(&transfer, now) } catch { return .failure(error) }
        let isNews = transfer != former
        let saved = isNews ? try ledger.save(transfer) : transfer
        if isNews {
            try ledger.note(kind, of: saved, at: now)
            for other in others() {
                let saved = try ledger.save(other)
                try ledger.note(kind, of: saved, at: now)
                ledger.afterCommit { [herald, ledger] in herald.tell(ledger.openTransfer(key: saved.key) ?? saved) }
            }
            try PackageDesk.refresh(around: saved, in: ledger, herald: herald, at: now)
        }
        // What its package made of it is newer.
        let latest = ledger.openTransfer(key: saved.key) ?? saved
        ledger.afterCommit { [herald, publisher] in
            if isNews { herald.tell(latest) }
            switch afterwards {
            case .stopAttempt: publisher.stop(saved)
            case .hurry: publisher.hurry()
            case .look: break
            }
            publisher.look()
            if saved.state.isFinal { publisher.bytesReleased() }
        }
        let isPausedForAll = try isPausedForAll()
        return .success([
            "state": .string(latest.state.rawValue), "seq": .integer(latest.seq),
            "paused": .bool(latest.isPaused || isPausedForAll), "reason": latest.reason?.json ?? .null,
        ])
    }

    private func describe() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        guard let changes = command.arguments["firmware"] else { return bad("describe needs \"firmware\"") }
        if case .success(let transfer) = try find(), let refusal = try versionRefusal(of: transfer, changes) {
            return .failure(refusal)
        }
        var open = ledger.openTransfers
        var others: [Transfer] = []
        return try change(.described, .look, others: { others }) { [herald] (transfer, now) throws(OperatorRefusal) in
            let corrected: FirmwareMetadata
            do throws(FirmwareMetadata.Problem) {
                corrected = try self.corrected(transfer, changes)
            } catch {
                throw OperatorRefusal(code: error.code.rawValue, text: error.text)
            }
            others = try PackageMembers.others(
                with: transfer,
                as: corrected,
                catalog: herald.catalog,
                at: now,
                among: open
            )
            open = open.map { transfer in others.first { $0.key == transfer.key } ?? transfer }
            let problem = PackageMembers.problem(
                with: corrected,
                fileName: transfer.request?.name ?? "",
                sender: transfer.address.sender,
                key: transfer.key,
                among: open
            )
            if let problem { throw OperatorRefusal(code: problem.code.rawValue, text: problem.text) }
            try transfer.described(as: corrected, catalog: herald.catalog, at: now)
        }
    }

    private func corrected(
        _ transfer: Transfer,
        _ changes: JSONValue
    ) throws(FirmwareMetadata.Problem) -> FirmwareMetadata {
        try transfer.firmware.withoutMadeName(herald.catalog, before: changes).corrected(by: changes)
    }

    /// The cloud would refuse it, after all its bytes were sent.
    private func versionRefusal(of transfer: Transfer, _ changes: JSONValue) throws(SpoolError) -> OperatorRefusal? {
        // What is wrong with the changes themselves is said with the rest.
        guard !transfer.state.isPublishing, !transfer.state.isFinal || transfer.state == .failed,
            let firmware = try? corrected(transfer, changes),
            let other = try ledger.otherBytes(than: transfer, asVersionOf: firmware, catalog: herald.catalog)
        else { return nil }
        let refusal = Admission.versionExists(other)
        return OperatorRefusal(code: refusal.code.rawValue, text: refusal.text, hint: refusal.code.remedy)
    }

    private func prioritize() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        guard let priority = command.arguments["priority"]?.integer else { return bad("priority needs \"priority\"") }
        return try change(.prioritized, .look) { (transfer, _) throws(OperatorRefusal) in
            try transfer.prioritized(Int(clamping: priority))
        }
    }

    private func purge() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        let found = try find()
        guard case .success(let transfer) = found else { return found.map { _ in .null } }
        guard transfer.state.isFinal else {
            return .failure(
                OperatorRefusal(
                    code: "not-final",
                    text: "The transfer is \(transfer.state.rawValue)",
                    hint: "Cancel it first"
                )
            )
        }
        try ledger.remove(transfer)
        ledger.afterCommit { [herald, publisher] in
            herald.clear(transfer.address)
            publisher.bytesReleased()
        }
        return .success([:])
    }

    /// The settings that keep limits for good.
    private static let keptLimits = (rate: "rate-limit", window: "window")

    private func setLimits() throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        let rateText = command.arguments[Self.keptLimits.rate]?.string
        let windowText = command.arguments[Self.keptLimits.window]?.string
        let rate: UploadRate?
        let window: UploadWindow?
        do throws(Expectation) {
            rate = try rateText.flatMap { (text) throws(Expectation) in
                text.isEmpty ? nil : try UploadRate(parsing: text)
            }
            window = try windowText.flatMap { (text) throws(Expectation) in
                text.isEmpty ? nil : try UploadWindow(parsing: text)
            }
        } catch {
            return bad("Expected \(error.text), or \"\" for none")
        }
        if command.arguments["reset"]?.bool == true {
            try ledger.setSetting(Self.keptLimits.rate, nil)
            try ledger.setSetting(Self.keptLimits.window, nil)
            publisher.limits.reset()
            try publisher.rateChanged(ledger, at: now)
            try publisher.windowChanged(ledger)
        }
        if command.arguments["keep"]?.bool == true {
            if let rateText { try ledger.setSetting(Self.keptLimits.rate, rateText) }
            if let windowText { try ledger.setSetting(Self.keptLimits.window, windowText) }
        }
        let limits = publisher.limits
        // In force before the commit: what waits for the old window is looked at in the same transaction.
        if rateText != nil {
            limits.set(rate: rate)
            try publisher.rateChanged(ledger, at: now)
        }
        if windowText != nil {
            limits.set(window: window)
            try publisher.windowChanged(ledger)
        }
        sayStatus()
        return .success(.object((limits.json.object ?? [:]).merging(try limitsAfterRestart()) { $1 }))
    }

    /// Whether limits that an operator has set for good are those in force, and which of these end with the next start.
    private func limitsAfterRestart() throws(SpoolError) -> [String: JSONValue] {
        let kept = [
            Self.keptLimits.rate: try ledger.setting(Self.keptLimits.rate).map {
                (try? UploadRate(parsing: $0))?.description ?? ""
            },
            Self.keptLimits.window: try ledger.setting(Self.keptLimits.window).map {
                (try? UploadWindow(parsing: $0))?.description ?? ""
            },
        ]
        let current = publisher.limits.json
        let configured = publisher.limits.configuredJSON
        let ending = kept.filter { name, text in
            (text ?? configured[name]?.string) != current[name]?.string
        }
        let isAnyKept = kept.values.contains { $0 != nil }
        return [
            "kept": .bool(isAnyKept && ending.isEmpty),
            "until_restart": .array(ending.keys.sorted().map(JSONValue.string)),
        ]
    }

    /// Takes over the limits that an operator has set for good. Texts that no longer parse are left out.
    static func loadLimits(_ ledger: Ledger, into limits: UploadLimits) throws(SpoolError) {
        if let text = try ledger.setting(keptLimits.rate) {
            limits.set(rate: text.isEmpty ? nil : try? UploadRate(parsing: text))
        }
        if let text = try ledger.setting(keptLimits.window) {
            limits.set(window: text.isEmpty ? nil : try? UploadWindow(parsing: text))
        }
    }

    /// The status is said before the answer: whoever reads it then finds what was changed.
    private func sayStatus() {
        ledger.afterCommit { [herald, ledger] in
            guard herald.board.canSpeak else { return }
            herald.board.isBeingSaid()
            herald.say(status: herald.board.message(ledger))
        }
    }

    private var isForAll: Bool { command.arguments["transfer"] == nil }

    /// Whether the publication of everything rests.
    private func isPausedForAll() throws(SpoolError) -> Bool { try ledger.setting(Self.pausedSetting) != nil }

    private func pauseAll(_ isPaused: Bool) throws(SpoolError) -> Result<JSONValue, OperatorRefusal> {
        try ledger.setSetting(Self.pausedSetting, isPaused ? "all" : nil)
        ledger.afterCommit { [publisher] in publisher.pause(isPaused) }
        sayStatus()
        return .success(["paused": .bool(isPaused)])
    }
}
