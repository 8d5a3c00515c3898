import AliyunOTA
import FerryCore
import Spool

/// The last step of a publication: the firmware is registered once, whatever happens on the way. An unknown outcome, or a
/// name that is taken, is looked up before anything is repeated.
struct Registering: Sendable {
    let attempt: Attempt
    /// One transfer, or all files of a package; each has its FirmwareUrl.
    let members: [Transfer]
    /// A person should have changed something since the last attempt.
    let wasHeld: Bool

    /// Between two looks after an unknown outcome.
    private static let pause = Duration.seconds(2)
    /// Between two looks for a name that is taken by nobody in the list.
    private static let conflictPause = Duration.seconds(10)

    private var conflicts: ConflictWatch { attempt.publisher.conflicts }
    private var cloud: CloudCalls { attempt.publisher.cloud }

    /// Registers; the intent has been committed.
    ///
    /// - Parameter isRepeated: an earlier call may have got through, although the cloud does not list it.
    func register(isRepeated: Bool = false) async throws(Attempt.End) {
        let firmware = try firmware()
        guard isInWindow else { return try await endWindow() }
        try await attempt.calling { () async throws(CloudCalls.Failure) in try await cloud.registerTurn() }
        let answer: RegisteredFirmware
        attempt.stop.awaitAnswer(true)
        defer { attempt.stop.awaitAnswer(false) }
        do throws(CloudCalls.Failure) {
            answer = try await cloud.register(registration(firmware))
        } catch {
            guard case .failed(let failure) = error else { throw Attempt.End(error) }
            // The cloud takes a file once: refusing it may mean that the earlier call had it. Everything is sent again only
            // when the list has had its time.
            guard failure.remedy == .lookUp || isRepeated && failure.remedy == .newTicket else {
                // That this call is refused for now says nothing about the earlier one.
                let end = Attempt.End(error)
                throw isRepeated ? end.keepingUnknown : end
            }
            return try await settle(failure, firmware)
        }
        try await done(id: answer.firmwareID, requestID: answer.requestID)
    }

    /// Asks whether an earlier call got through, and registers when it did not.
    func lookUp() async throws(Attempt.End) {
        let firmware = try firmware()
        let standing = conflicts.standing(attempt.key)
        // Before everything is sent again, whether the name is still somebody else's is asked of the whole account.
        let isEverywhere = standing != .none || !isInWindow
        for look in 0..<2 {
            if look > 0 { try await wait(Self.pause) }
            switch try await find(firmware, everywhere: isEverywhere) {
            case .ours(let id): return try await done(id: id, requestID: nil)
            case .different(let reason): throw conflict(reason)
            case .unproven(let reason): throw unproven(reason)
            case .absent: continue
            }
        }
        if standing == .young { throw Self.pending(nil, since: members.first?.reason) }
        guard isWhole else { return try await breakPackage() }
        try await register(isRepeated: true)
    }

    /// The outcome of the call is unknown, or the name or the version is taken.
    private func settle(_ failure: PublicationFailure, _ firmware: CloudFirmware) async throws(Attempt.End) {
        let isTaken = failure.reason.code == .nameTaken || failure.reason.code == .versionTaken
        guard isTaken || failure.remedy == .newTicket else {
            // Looked up at the next attempt, when the cloud has had time to finish what it may have begun.
            throw .failed(failure)
        }
        switch try await find(firmware, everywhere: true) {
        case .ours(let id): return try await done(id: id, requestID: failure.requestID)
        case .different(let reason): throw conflict(reason)
        case .unproven(let reason): throw unproven(reason)
        case .absent: break
        }
        // The list may lag, and it may be our own. Other firmware goes first meanwhile.
        conflicts.begin(attempt.key)
        guard conflicts.standing(attempt.key) == .old else { throw Self.pending(failure) }
        guard isTaken else {
            conflicts.end(attempt.key)
            throw .failed(failure)
        }
        throw conflict(failure.reason, requestID: failure.requestID)
    }

    /// What the cloud shows of it may be complete in a minute; else a person has to look.
    private func unproven(_ reason: Reason) -> Attempt.End {
        conflicts.begin(attempt.key)
        guard conflicts.standing(attempt.key) != .old else { return conflict(reason) }
        var reason = reason
        reason.kind = .retry
        reason.hint = "Whether it is this one may show within a minute"
        return .failed(PublicationFailure(reason: reason, remedy: .lookUp, pause: Self.conflictPause))
    }

    /// Somebody else has it.
    private func conflict(_ reason: Reason, requestID: String? = nil) -> Attempt.End {
        conflicts.end(attempt.key)
        var reason = reason
        reason.kind = .operator
        return .failed(PublicationFailure(reason: reason, remedy: .hold, requestID: requestID))
    }

    /// The cloud says that name or version is taken, and does not show by whom.
    private static func pending(_ failure: PublicationFailure?, since former: Reason? = nil) -> Attempt.End {
        let isUsed = failure.map { $0.remedy == .newTicket } ?? (former?.code == .registerUnknown)
        let reason = Reason(
            isUsed ? .registerUnknown : failure?.reason.code ?? former?.code ?? .nameTaken,
            .retry,
            isUsed
                ? "The cloud does not take the file a second time, and does not list its firmware yet"
                : "The cloud says that it has such a firmware already, and does not list it yet",
            hint: "Whether it is this one shows within a minute",
            cloudCode: failure?.reason.cloudCode
        )
        // A list that lags is no failure of the transfer.
        return .failed(
            PublicationFailure(
                reason: reason,
                remedy: .lookUp,
                requestID: failure?.requestID,
                pause: conflictPause
            )
        )
    }

    /// Whether every file is there; one may have been cancelled after a call whose outcome is not known.
    private var isWhole: Bool { (members.first?.firmware.package?.files ?? 1) <= members.count }

    /// The cloud does not have the package, and never will: the files that are left wait for another.
    private func breakPackage() async throws(Attempt.End) {
        let herald = attempt.publisher.herald
        let keys = members.map(\.key)
        let _: Bool = try await attempt.transact { (ledger, now) throws(SpoolError) -> Bool? in
            for key in keys {
                guard var member = ledger.openTransfer(key: key) else { continue }
                member.lookedUpInVain()
                try ledger.save(member)
            }
            if let first = keys.first.flatMap({ ledger.openTransfer(key: $0) }) {
                try PackageDesk.refresh(around: first, in: ledger, herald: herald, at: now)
            }
            return true
        }
    }

    // MARK: - Looking

    private enum Found {
        case ours(id: String)
        /// There is one of that name and version, and the cloud does not show whether it is this one.
        case unproven(Reason)
        case different(Reason)
        case absent
    }

    private func find(_ firmware: CloudFirmware, everywhere: Bool) async throws(Attempt.End) -> Found {
        let filtered = try await looking { () async throws(CloudCalls.Failure) in
            try await cloud.list(productKey: firmware.productKey, version: firmware.version)
        }
        let found = try await judge(filtered, firmware)
        guard case .absent = found, everywhere else { return found }
        // Names are unique in the account: it may be taken in another product or by another version.
        let all = try await looking { () async throws(CloudCalls.Failure) in
            try await cloud.list(productKey: nil, version: nil)
        }
        return try await judge(all, firmware)
    }

    /// Asks. As long as there is no answer, whether the firmware is registered stays unknown.
    private func looking<Value>(
        _ ask: () async throws(CloudCalls.Failure) -> Value
    ) async throws(Attempt.End) -> Value {
        do throws(CloudCalls.Failure) { return try await ask() } catch { throw Attempt.End(error).keepingUnknown }
    }

    private func judge(
        _ listed: [ListedFirmware],
        _ firmware: CloudFirmware
    ) async throws(Attempt.End) -> Found {
        if let same = listed.first(where: { $0.name == firmware.name }) {
            switch try await proof(same, firmware) {
            case .ours: return .ours(id: same.firmwareID)
            case .none:
                return .unproven(
                    Reason(
                        .registerUnknown,
                        .operator,
                        "The cloud has \(firmware.name) (\(same.firmwareID)) and does not show whether its files are these",
                        hint:
                            "Allow iot:QueryOTAFirmware, then retry; or compare in the console, and cancel this one or "
                            + "describe it with another name"
                    )
                )
            case .others where isSameVersion(same, firmware):
                return .different(
                    Reason(
                        .versionTaken,
                        .operator,
                        "The cloud has version \(firmware.version) of this product already, with other "
                            + "\(single == nil ? "files" : "bytes") (\(same.firmwareID))",
                        hint: Self.versionHint
                    )
                )
            case .others: break
            }
            return .different(
                Reason(
                    .nameTaken,
                    .operator,
                    "The cloud has another firmware named \(firmware.name) (\(same.firmwareID))",
                    hint: "Give this one another name with the command describe; or delete the other one, then retry"
                )
            )
        }
        guard let other = listed.first(where: { isSameVersion($0, firmware) }) else { return .absent }
        return .different(
            Reason(
                .versionTaken,
                .operator,
                "The cloud has version \(firmware.version) of this product already, named \(other.name.escaped)",
                hint: Self.versionHint
            )
        )
    }

    private static let versionHint =
        "Give this one another version with the command describe; or delete the other one, then retry"

    private func isSameVersion(_ listed: ListedFirmware, _ firmware: CloudFirmware) -> Bool {
        listed.version == firmware.version
            && (listed.productKey ?? firmware.productKey) == firmware.productKey
            && (listed.moduleName ?? ProductCatalog.defaultModule) == firmware.module
            && (listed.kind ?? .full) == (firmware.isDelta ? .delta : .full)
            && (listed.sourceVersion ?? "") == (firmware.sourceVersion ?? "")
    }

    private enum Proof {
        case ours
        case others
    }

    /// Whose a firmware of this name is; nil where the cloud does not tell enough of it.
    private func proof(_ listed: ListedFirmware, _ firmware: CloudFirmware) async throws(Attempt.End) -> Proof? {
        guard isSameVersion(listed, firmware) else { return .others }
        guard let only = single else { return try await packageProof(listed) }
        guard (listed.size ?? only.size) == only.size else { return .others }
        if let sign = listed.sign { return proof(sign, only) }
        // Where the list leaves it out, the firmware's own record has it.
        guard let record = try await record(of: listed), (record.size ?? only.size) == only.size else { return nil }
        return record.sign.map { proof($0, only) }
    }

    private func proof(_ sign: String, _ transfer: Transfer) -> Proof {
        let sign = sign.lowercased()
        return sign == digest(of: transfer, like: sign)?.hex ? .ours : .others
    }

    /// The cloud's record of a firmware; nil where the key may not read it.
    private func record(of firmware: ListedFirmware) async throws(Attempt.End) -> FirmwareRecord? {
        do {
            return try await looking { () async throws(CloudCalls.Failure) in
                try await cloud.record(of: firmware.firmwareID)
            }
        } catch .failed(let failure) where failure.remedy == .hold || failure.remedy == .fail {
            return nil
        }
    }

    /// The cloud may keep another digest than the one that was sent: its length tells which.
    private func digest(of transfer: Transfer, like sign: String) -> Digest? {
        sign.utf8.count == Self.md5Digits ? transfer.digests?.md5 : transfer.digests?.sha256
    }

    private static let md5Digits = 32

    /// The list does not tell the files of a package; the firmware's own record does, where the key may read it.
    private func packageProof(_ firmware: ListedFirmware) async throws(Attempt.End) -> Proof? {
        guard let files = try await record(of: firmware)?.files else { return nil }
        // One of ours may have been cancelled since.
        let areOurs =
            (isWhole ? files.count == members.count : files.count > members.count)
            && members.allSatisfy { member in
                files.contains { file in
                    file.name == fileName(member) && (file.size ?? member.size) == member.size
                        && (file.md5?.lowercased() ?? member.digests?.md5.hex) == member.digests?.md5.hex
                }
            }
        return areOurs ? .ours : .others
    }

    private func fileName(_ transfer: Transfer) -> String { transfer.request?.name ?? transfer.address.id.text }

    /// The transfer that is a firmware by itself; nil for a package.
    private var single: Transfer? { members.count == 1 ? members.first : nil }

    // MARK: - Telling

    private func firmware() throws(Attempt.End) -> CloudFirmware {
        let catalog = attempt.publisher.herald.catalog
        guard let firmware = members.first.flatMap({ CloudFirmware($0.firmware, catalog: catalog) }) else {
            // The product was taken out of the configuration meanwhile, or the version with the command describe.
            guard let first = members.first else { throw .stopped }
            throw .failed(PublicationFailure(reason: first.metadataReason, remedy: .hold))
        }
        return firmware
    }

    private func sign(_ transfer: Transfer, _ firmware: CloudFirmware) -> String {
        let digest = firmware.signMethod == .md5 ? transfer.digests?.md5 : transfer.digests?.sha256
        return digest?.hex ?? ""
    }

    private func registration(_ firmware: CloudFirmware) -> Registration {
        var registration = Registration(name: firmware.name, version: firmware.version)
        registration.productKey = firmware.productKey
        registration.moduleName = firmware.module
        registration.description = firmware.description
        registration.kind = firmware.isDelta ? .delta : .full
        registration.sourceVersion = firmware.sourceVersion
        registration.signMethod = firmware.signMethod.rawValue
        registration.needsVerification = firmware.needsVerification
        registration.udi = firmware.custom
        if let only = single {
            registration.url = only.publication.firmwareURL
            registration.size = only.size
            registration.sign = sign(only, firmware)
        } else {
            registration.files = members.map { member in
                Registration.File(
                    name: fileName(member),
                    url: member.publication.firmwareURL ?? "",
                    size: member.size,
                    md5: member.digests?.md5.hex,
                    signValue: sign(member, firmware)
                )
            }
        }
        return registration
    }

    private var isInWindow: Bool {
        // The first upload counts: every file has to be registered within the time of its own.
        guard let uploadedAt = members.compactMap(\.publication.uploadedAt).min() else { return true }
        return cloud.clock.now() - uploadedAt < attempt.publisher.policy.registerWindow
    }

    private func endWindow() async throws(Attempt.End) {
        conflicts.end(attempt.key)
        let policy = attempt.publisher.policy
        let cause: Transfer.WindowEnd = wasHeld ? .hold : .delay
        _ = try await attempt.changeGroup { (transfer, now) -> Bool? in
            guard transfer.state == .registering else { return nil }
            var generator = SystemRandomNumberGenerator()
            transfer.registerWindowEnded(after: cause, policy: policy, at: now, using: &generator)
            return true
        }
    }

    /// Commits the outcome, also of a transfer that was cancelled while the call was under way.
    private func done(id: String, requestID: String?) async throws(Attempt.End) {
        let members = members
        let isWhole = isWhole
        let herald = attempt.publisher.herald
        let learned = attempt.publisher.learned
        conflicts.end(attempt.key)
        do throws(SpoolError) {
            try await attempt.publisher.spool.transact { (ledger) throws(SpoolError) in
                let now = WallTime.now()
                let cancelled = isWhole ? [] : try Self.cancelledMembers(of: members, ledger)
                for member in members + cancelled {
                    guard var current = try ledger.transfer(at: member.address), current.key == member.key else {
                        continue
                    }
                    switch current.state {
                    case .registering: current.firmwareRegistered(id: id, requestID: requestID, at: now)
                    case .cancelled: current.registeredAfterCancel(id: id, requestID: requestID)
                    default: continue
                    }
                    let saved = try ledger.save(current)
                    try ledger.note(.state, of: saved, at: now)
                    ledger.afterCommit { herald.tell(saved) }
                }
                try learned.save(in: ledger)
            }
        } catch {
            // The cloud has it, and the spool does not know: it is looked up.
            throw Attempt.End.failed(Attempt.failure(error)).keepingUnknown
        }
    }

    /// Files that were cancelled when the package may have been registered: the cloud has them all the same.
    private static func cancelledMembers(of members: [Transfer], _ ledger: Ledger) throws(SpoolError) -> [Transfer] {
        guard let first = members.first else { return [] }
        var filter = TransferFilter()
        filter.state = .cancelled
        filter.sender = first.address.sender
        filter.limit = 500
        return try ledger.transfers(filter).filter { transfer in
            transfer.firmware.package == first.firmware.package && transfer.firmware.version == first.firmware.version
                && transfer.publication.isOutcomeUnknown
        }
    }

    private func wait(_ duration: Duration) async throws(Attempt.End) {
        do { try await Task.sleep(for: duration) } catch { throw .stopped }
    }
}

extension Attempt.End {
    /// The same failure where it says nothing about whether the firmware is registered.
    fileprivate var keepingUnknown: Attempt.End {
        guard case .failed(var failure) = self, case .retry = failure.remedy else { return self }
        failure.remedy = .lookUp
        return .failed(failure)
    }
}
