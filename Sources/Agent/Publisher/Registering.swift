import AliyunOTA
import FerryCore
import Spool

/// The last step of a publication: the firmware is registered once, whatever happens on the way. An unknown outcome, or a
/// name that is taken, is looked up before anything is repeated.
struct Registering: Sendable {
    let attempt: Attempt
    /// One transfer, or all files of a package; each has its FirmwareUrl.
    let members: [Transfer]

    /// Between two looks after an unknown outcome.
    private static let pause = Duration.seconds(2)
    /// A list may lag: a name that is taken is looked for so long before it counts as somebody else's.
    private static let conflictLimit = Duration.seconds(60)

    private var cloud: CloudCalls { attempt.publisher.cloud }

    /// Registers; the intent has been committed.
    func register() async throws(Attempt.End) {
        let firmware = try firmware()
        guard isInWindow else { return try await endWindow() }
        let answer: RegisteredFirmware
        attempt.stop.awaitAnswer(true)
        defer { attempt.stop.awaitAnswer(false) }
        do throws(CloudCalls.Failure) {
            answer = try await cloud.register(registration(firmware))
        } catch {
            guard case .failed(let failure) = error, failure.remedy == .lookUp else { throw Attempt.End(error) }
            return try await settle(failure, firmware)
        }
        try await done(id: answer.firmwareID, requestID: answer.requestID)
    }

    /// Asks whether an earlier call got through, and registers when it did not.
    func lookUp() async throws(Attempt.End) {
        let firmware = try firmware()
        for look in 0..<2 {
            if look > 0 { try await wait(Self.pause) }
            switch try await find(firmware, everywhere: false) {
            case .ours(let id): return try await done(id: id, requestID: nil)
            case .different(let reason): throw .failed(PublicationFailure(reason: reason, remedy: .hold))
            case .absent: continue
            }
        }
        try await register()
    }

    /// The outcome of the call is unknown, or the name or the version is taken.
    private func settle(_ failure: PublicationFailure, _ firmware: CloudFirmware) async throws(Attempt.End) {
        guard failure.reason.code == .nameTaken || failure.reason.code == .versionTaken else {
            // Looked up at the next attempt, when the cloud has had time to finish what it may have begun.
            throw .failed(failure)
        }
        let end = ContinuousClock.now + Self.conflictLimit
        var pause = Self.pause
        while true {
            switch try await find(firmware, everywhere: true) {
            case .ours(let id): return try await done(id: id, requestID: failure.requestID)
            case .different(let reason): throw .failed(PublicationFailure(reason: reason, remedy: .hold))
            case .absent: break
            }
            guard ContinuousClock.now + pause < end else { break }
            try await wait(pause)
            pause = min(pause * 2, .seconds(15))
        }
        var held = failure
        held.remedy = .hold
        held.reason.kind = .operator
        throw .failed(held)
    }

    // MARK: - Looking

    private enum Found {
        case ours(id: String)
        case different(Reason)
        case absent
    }

    private func find(_ firmware: CloudFirmware, everywhere: Bool) async throws(Attempt.End) -> Found {
        let filtered = try await looking(productKey: firmware.productKey, version: firmware.version)
        let found = judge(filtered, firmware)
        guard case .absent = found, everywhere else { return found }
        // Names are unique in the account: it may be taken in another product or by another version.
        return judge(try await looking(productKey: nil, version: nil), firmware)
    }

    /// Asks for the list. As long as it is not there, whether the firmware is registered stays unknown.
    private func looking(productKey: String?, version: String?) async throws(Attempt.End) -> [ListedFirmware] {
        do throws(CloudCalls.Failure) {
            return try await cloud.list(productKey: productKey, version: version)
        } catch {
            throw Attempt.End(error).keepingUnknown
        }
    }

    private func judge(_ listed: [ListedFirmware], _ firmware: CloudFirmware) -> Found {
        if let same = listed.first(where: { $0.name == firmware.name }) {
            if isOurs(same, firmware) { return .ours(id: same.firmwareID) }
            return .different(
                Reason(
                    .nameTaken,
                    .operator,
                    "The cloud has another firmware named \(firmware.name) (\(same.firmwareID))",
                    hint: "Give this one another name with the command describe, then retry"
                )
            )
        }
        guard let other = listed.first(where: { isSameVersion($0, firmware) }) else { return .absent }
        return .different(
            Reason(
                .versionTaken,
                .operator,
                "The cloud has version \(firmware.version) of this product already, named \(other.name.escaped)",
                hint: "Give this one another version with the command describe, then retry"
            )
        )
    }

    private func isSameVersion(_ listed: ListedFirmware, _ firmware: CloudFirmware) -> Bool {
        listed.version == firmware.version
            && (listed.productKey ?? firmware.productKey) == firmware.productKey
            && (listed.moduleName ?? ProductCatalog.defaultModule) == firmware.module
            && (listed.kind ?? .full) == (firmware.isDelta ? .delta : .full)
            && (listed.sourceVersion ?? "") == (firmware.sourceVersion ?? "")
    }

    private func isOurs(_ listed: ListedFirmware, _ firmware: CloudFirmware) -> Bool {
        guard isSameVersion(listed, firmware) else { return false }
        // The list does not tell the files of a package; its name is unique in the account.
        guard let only = single else { return true }
        return (listed.size ?? only.size) == only.size
            && (listed.sign ?? sign(only, firmware)).lowercased() == sign(only, firmware)
    }

    /// The transfer that is a firmware by itself; nil for a package.
    private var single: Transfer? { members.count == 1 ? members.first : nil }

    // MARK: - Telling

    private func firmware() throws(Attempt.End) -> CloudFirmware {
        let catalog = attempt.publisher.herald.catalog
        guard let firmware = members.first.flatMap({ CloudFirmware($0.firmware, catalog: catalog) }) else {
            // The product was taken out of the configuration meanwhile.
            let reason = Reason(
                .needsMetadata,
                .operator,
                "The product of this firmware is not configured any more",
                hint: "Configure it again, or name another with the command describe"
            )
            throw .failed(PublicationFailure(reason: reason, remedy: .hold))
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
                    name: member.request?.name ?? member.address.id.text,
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
        let policy = attempt.publisher.policy
        _ = try await attempt.changeGroup { (transfer, now) -> Bool? in
            guard transfer.state == .registering else { return nil }
            var generator = SystemRandomNumberGenerator()
            transfer.registerWindowEnded(policy: policy, at: now, using: &generator)
            return true
        }
    }

    /// Commits the outcome, also of a transfer that was cancelled while the call was under way.
    private func done(id: String, requestID: String?) async throws(Attempt.End) {
        let members = members
        let herald = attempt.publisher.herald
        do throws(SpoolError) {
            try await attempt.publisher.spool.transact { (ledger) throws(SpoolError) in
                let now = WallTime.now()
                for member in members {
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
            }
        } catch {
            // The cloud has it, and the spool does not know: it is looked up.
            throw Attempt.End.failed(Attempt.failure(error)).keepingUnknown
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
