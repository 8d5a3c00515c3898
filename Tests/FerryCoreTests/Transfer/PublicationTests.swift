import FerryCore
import TestSupport
import Testing

private let now = WallTime(milliseconds: 1_000_000)
private let busy = Reason(.cloudBusy, .retry, "The cloud is busy", hint: "Wait")

/// A transfer whose bytes are all there.
private func stored() -> Transfer {
    var transfer = Transfer(key: 1, address: Known.address, door: .segments, seq: 1, at: WallTime(milliseconds: 1))
    transfer.request = Known.request(["name": "pumpctl.bin", "size": 10])
    transfer.firmware = Known.metadata(["product": "pumpctl", "version": "1"])
    transfer.received = ByteRanges(0..<10)
    transfer.end = .init(size: 10, checksum: nil)
    transfer.verified(
        FileDigests(sha256: Known.digest(1), md5: Digest(bytes: [1]), crc64: 7),
        catalog: Known.catalog,
        at: WallTime(milliseconds: 2)
    )
    return transfer
}

private func uploading() -> Transfer {
    var transfer = stored()
    _ = transfer.attemptBegan(at: now)
    transfer.ticketReceived(at: now)
    return transfer
}

private func registering() -> Transfer {
    var transfer = uploading()
    transfer.uploadFinished(firmwareURL: "https://u", serverTime: WallTime(milliseconds: 77), at: now)
    return transfer
}

private func fail(
    _ transfer: inout Transfer,
    _ remedy: PublicationFailure.Remedy,
    policy: PublicationPolicy = PublicationPolicy(),
    requestID: String? = nil
) {
    var generator = SeededGenerator(seed: 3)
    transfer.attemptFailed(
        PublicationFailure(reason: busy, remedy: remedy, requestID: requestID),
        policy: policy,
        at: now,
        using: &generator
    )
}

@Suite("The publication of a transfer")
struct PublicationTests {
    @Test("From stored to registered, each step keeps what the next one needs")
    func straight() {
        var transfer = stored()
        let action = transfer.attemptBegan(at: now)
        #expect(action == .requestTicket)
        #expect(transfer.publication.attempt == 1 && transfer.publication.nextAttempt == nil)
        transfer.ticketReceived(at: now)
        transfer.uploadFinished(firmwareURL: "https://u", serverTime: WallTime(milliseconds: 77), at: now)
        #expect(transfer.publication.firmwareURL == "https://u")
        #expect(transfer.publication.uploadedAt == WallTime(milliseconds: 77))
        // The intent to register is committed with the end of the upload.
        #expect(transfer.publication.isOutcomeUnknown)
        transfer.firmwareRegistered(id: "f", requestID: "r", at: now)
        #expect(transfer.publication.firmwareID == "f" && transfer.publication.requestID == "r")
        #expect(!transfer.publication.isOutcomeUnknown)
        #expect(transfer.received.isEmpty && !transfer.hasBytes && transfer.reason == nil)
    }

    @Test("A register call that may have got through is looked up before it is repeated")
    func looksUp() {
        var known = registering()
        fail(&known, .retry(floor: .zero))
        #expect(!known.publication.isOutcomeUnknown)
        let retried = known.attemptBegan(at: now)
        #expect(retried == .register)
        #expect(known.publication.isOutcomeUnknown)

        var unknown = registering()
        fail(&unknown, .lookUp)
        #expect(unknown.reason == busy)
        let asked = unknown.attemptBegan(at: now)
        #expect(asked == .lookUp)

        var killed = registering()
        killed.restarted(at: now)
        let restarted = killed.attemptBegan(at: now)
        #expect(restarted == .lookUp)
    }

    @Test("A held firmware whose bytes the cloud has is not uploaded again to find its name still taken")
    func heldAfterUpload() {
        var transfer = registering()
        fail(&transfer, .hold)
        #expect(transfer.state == .held)
        let action = transfer.attemptBegan(at: now)
        #expect(action == .lookUp)
        #expect(transfer.state == .registering)
    }

    @Test("What waits for a faster link is held for as long as it was said, and goes on by itself")
    func linkTooSlow() {
        var transfer = uploading()
        fail(&transfer, .holdFor(.seconds(7_200)))
        #expect(transfer.state == .held && transfer.publication.nextAttempt == now + .seconds(7_200))
        #expect(transfer.isPublishable && transfer.publication.failures == 1)
        let action = transfer.attemptBegan(at: now)
        #expect(action == .requestTicket)
    }

    @Test("A call that others' calls kept out waits for its turn, and is no failure")
    func paced() {
        var policy = PublicationPolicy()
        policy.attemptsMax = 1
        var generator = SeededGenerator(seed: 3)
        var failure = PublicationFailure(reason: busy, remedy: .retry(floor: .seconds(1)), pause: .seconds(40))
        for start in [uploading(), registering()] {
            var transfer = start
            transfer.attemptFailed(failure, policy: policy, at: now, using: &generator)
            #expect(transfer.state == (start.state == .uploading ? .stored : .registering))
            #expect(transfer.publication.nextAttempt == now + .seconds(40))
            #expect(transfer.publication.failures == 0 && transfer.reason == busy)
            #expect(!transfer.publication.isOutcomeUnknown)
        }
        failure.remedy = .lookUp
        var unknown = registering()
        unknown.attemptFailed(failure, policy: policy, at: now, using: &generator)
        #expect(unknown.state == .registering && unknown.publication.isOutcomeUnknown)
    }

    @Test("What is held after its upload is not uploaded again every hour")
    func heldAndUploadedAgain() {
        var generator = SeededGenerator(seed: 3)
        var transfer = registering()
        var waits: [Duration] = []
        for _ in 0..<60 {
            for _ in 0..<4 {
                fail(&transfer, .hold)
                _ = transfer.attemptBegan(at: now)
            }
            transfer.registerWindowEnded(after: .hold, policy: PublicationPolicy(), at: now, using: &generator)
            waits.append((transfer.publication.nextAttempt ?? now) - now)
            _ = transfer.attemptBegan(at: now)
            transfer.ticketReceived(at: now)
            transfer.uploadFinished(firmwareURL: "https://u", serverTime: now, at: now)
        }
        #expect(waits.first ?? .zero >= .seconds(3_600))
        #expect(waits == waits.sorted() && waits.last == .seconds(86_400))
    }

    @Test("A package that broke takes its files back, but none that the cloud may have registered")
    func packageBroke() {
        var unknown = registering()
        let early = unknown.packageBroke(at: now)
        #expect(!early && unknown.state == .registering)
        unknown.lookedUpInVain()
        let late = unknown.packageBroke(at: now)
        #expect(late)
        #expect(unknown.state == .stored && unknown.publication.firmwareURL == nil)
        #expect(unknown.publication.nextAttempt == nil)
        let again = unknown.packageBroke(at: now)
        #expect(!again)
    }

    @Test("What begins anew with a ticket forgets the former upload", arguments: [0, 1])
    func forgetsUpload(way: Int) {
        var transfer = registering()
        if way == 0 {
            var generator = SeededGenerator(seed: 3)
            transfer.registerWindowEnded(policy: PublicationPolicy(), at: now, using: &generator)
            #expect(transfer.publication.failures == 1)
            #expect(transfer.publication.nextAttempt ?? now > now)
        } else {
            fail(&transfer, .newTicket)
        }
        #expect(transfer.state == .stored)
        #expect(transfer.publication.firmwareURL == nil && transfer.publication.uploadedAt == nil)
        #expect(!transfer.publication.isOutcomeUnknown)
        let action = transfer.attemptBegan(at: now)
        #expect(action == .requestTicket)
    }

    @Test("A retry waits for its back-off, and never less than the cloud asked for")
    func delays() throws {
        var policy = PublicationPolicy()
        policy.backoff = Backoff(minimum: .seconds(2), maximum: .seconds(64))
        var transfer = uploading()
        fail(&transfer, .retry(floor: .seconds(600)), policy: policy)
        #expect(try #require(transfer.publication.nextAttempt) - now == .seconds(600))
        for ceiling in [4, 8, 16, 32, 64, 64] as [Int64] {
            _ = transfer.attemptBegan(at: now)
            #expect(transfer.publication.nextAttempt == nil)
            fail(&transfer, .retry(floor: .zero), policy: policy)
            let delay = try #require(transfer.publication.nextAttempt) - now
            #expect(delay >= .seconds(ceiling) / 2 && delay <= .seconds(ceiling))
        }
        #expect(transfer.publication.failures == 7 && transfer.publication.attempt == 7)
    }

    @Test("What a person has to mend is looked at again after the longest delay")
    func holds() throws {
        var policy = PublicationPolicy()
        policy.backoff = Backoff(minimum: .seconds(2), maximum: .seconds(64))
        var transfer = uploading()
        fail(&transfer, .hold, policy: policy, requestID: "r1")
        #expect(transfer.reason == busy && transfer.publication.requestID == "r1")
        #expect(try #require(transfer.publication.nextAttempt) - now >= .seconds(32))
        #expect(transfer.isPublishable)
    }

    @Test("After as many failures in a row as are allowed it is failed, with a reason that says so")
    func attemptsMax() throws {
        var policy = PublicationPolicy()
        policy.attemptsMax = 3
        var transfer = uploading()
        for count in 1...3 {
            fail(&transfer, .retry(floor: .zero), policy: policy)
            #expect(transfer.state == (count < 3 ? .stored : .failed))
            if count < 3 { _ = transfer.attemptBegan(at: now) }
        }
        let reason = try #require(transfer.reason)
        #expect(reason.code == .cloudBusy && reason.kind == .permanent && reason.hint.hasPrefix("Tried 3 times"))
        #expect(transfer.hasBytes)
        try transfer.retried(at: now, catalog: Known.catalog)
        #expect(transfer.state == .stored && transfer.publication.failures == 0)
    }

    @Test("Bytes that were read wrong are not kept, so that the file can be sent again")
    func damaged() throws {
        var generator = SeededGenerator(seed: 3)
        let damage = Reason(.spoolDamaged, .permanent, "Wrong")
        var transfer = uploading()
        let failure = PublicationFailure(reason: damage, remedy: .fail)
        transfer.attemptFailed(failure, policy: PublicationPolicy(), at: now, using: &generator)
        #expect(transfer.state == .failed && !transfer.hasBytes && transfer.reason == damage)
        // Nothing is known to be wrong with what a disk would not give for a while.
        var policy = PublicationPolicy()
        policy.attemptsMax = 1
        var unread = uploading()
        let silence = PublicationFailure(reason: Reason(.spoolDamaged, .retry, "No"), remedy: .retry(floor: .zero))
        unread.attemptFailed(silence, policy: policy, at: now, using: &generator)
        #expect(unread.state == .failed && unread.hasBytes)
        let reason = try #require(unread.reason)
        #expect(reason.kind == .operator && reason.hint.contains("retry begins anew"))
        #expect(!reason.hint.contains("send"), "\(reason.hint)")
        try unread.retried(at: now, catalog: Known.catalog)
        #expect(unread.state == .stored)
    }

    @Test("Success ends the row of failures")
    func successResets() {
        var transfer = registering()
        fail(&transfer, .lookUp)
        transfer.firmwareRegistered(id: "f", requestID: nil, at: now)
        #expect(transfer.publication.failures == 0 && transfer.publication.nextAttempt == nil)
    }

    @Test("Only what rests for the publisher is publishable", arguments: TransferState.allCases)
    func publishable(state: TransferState) throws {
        var publication = Publication()
        publication.nextAttempt = now
        var transfer = Transfer(
            key: 1,
            address: Known.address,
            door: .segments,
            seq: 1,
            state: state,
            since: now,
            created: now,
            publication: publication,
            isPaused: false
        )
        #expect(transfer.isPublishable == [.stored, .registering, .held].contains(state))
        // The cloud may lack a module that a person makes there: that is looked at again. Held for want of metadata of
        // our own, it has no next attempt.
        transfer.reason = Reason(.needsMetadata, .operator, "x")
        #expect(transfer.isPublishable == [.stored, .registering, .held].contains(state))
        guard !state.isFinal else { return }
        try transfer.paused()
        #expect(!transfer.isPublishable)
        try transfer.resumed()
        #expect(transfer.isPublishable == [.stored, .registering, .held].contains(state))
    }

    @Test("Whoever cancels during a registration learns that the cloud may have the firmware")
    func cancelInRegistration() throws {
        var transfer = registering()
        try transfer.cancelled(at: now)
        #expect(transfer.reason?.code == .cancelledByOperator && transfer.reason?.text.contains("may have") == true)
        transfer.registeredAfterCancel(id: "f", requestID: "r")
        #expect(transfer.state == .cancelled && transfer.publication.firmwareID == "f")
        #expect(transfer.reason?.text.contains("has the firmware") == true)

        var early = stored()
        try early.cancelled(at: now)
        #expect(early.reason?.text == "Cancelled by an operator" && !early.hasBytes)
    }

    @Test("A failed transfer whose bytes are gone cannot be described: it has to be sent again")
    func describeNeedsBytes() {
        var transfer = stored()
        transfer.lostBytes(at: now)
        #expect(transfer.state == .failed && !transfer.hasBytes)
        let refusal = #expect(throws: OperatorRefusal.self) {
            try transfer.described(as: Known.metadata(["name": "x"]), catalog: Known.catalog, at: now)
        }
        #expect(refusal?.code == "no-bytes")
    }

    @Test("Without bytes or metadata there is nothing to retry")
    func retryNeedsBytes() {
        var transfer = uploading()
        fail(&transfer, .fail)
        var withoutBytes = transfer
        withoutBytes.received = ByteRanges()
        #expect(throws: OperatorRefusal.self) { try withoutBytes.retried(at: now, catalog: Known.catalog) }
        transfer.firmware = FirmwareMetadata()
        let refusal = #expect(throws: OperatorRefusal.self) { try transfer.retried(at: now, catalog: Known.catalog) }
        #expect(refusal?.code == "needs-metadata")
    }

    @Test("describe names a product of the catalog, and sets a held one going")
    func describing() throws {
        var transfer = stored()
        let other = Known.metadata(["product": "other", "version": "1"])
        let refusal = #expect(throws: OperatorRefusal.self) {
            try transfer.described(as: other, catalog: Known.catalog, at: now)
        }
        #expect(refusal?.code == "unknown-product")
        #expect(transfer.firmware.product == Known.name("pumpctl"))

        var held = Transfer(key: 1, address: Known.address, door: .fileTransfer, seq: 1, at: now)
        held.received = ByteRanges(0..<1)
        held.end = .init(size: 1, checksum: nil)
        held.verified(.init(sha256: Known.digest(1), md5: Digest(bytes: []), crc64: 0), catalog: Known.catalog, at: now)
        #expect(held.state == .held && held.reason?.code == .needsMetadata && !held.isPublishable)
        try held.described(as: Known.metadata(["product": "pumpctl"]), catalog: Known.catalog, at: now)
        #expect(held.state == .held)
        try held.described(as: Known.metadata(["product": "pumpctl", "version": "1"]), catalog: Known.catalog, at: now)
        #expect(held.state == .stored && held.reason == nil && held.isPublishable)
    }

    @Test("While it is published it is not described, and what is said of it leads on: pause or resume, as it is")
    func describedTooEarly() throws {
        var transfer = stored()
        _ = transfer.attemptBegan(at: now)
        func hint() -> String {
            var transfer = transfer
            let refusal = #expect(throws: OperatorRefusal.self) {
                try transfer.described(as: Known.metadata(["name": "x"]), catalog: Known.catalog, at: now)
            }
            #expect(refusal?.code == "publishing")
            return refusal?.hint ?? ""
        }
        #expect(hint().hasPrefix("Pause it first"))
        try transfer.paused()
        #expect(hint().contains("a second later"))
        transfer.ticketReceived(at: now)
        transfer.uploadFinished(firmwareURL: "u", serverTime: now, at: now)
        #expect(hint().hasPrefix("Resume it"))
        try transfer.resumed()
        #expect(hint().contains("if it is held") && !hint().contains("Pause"))
    }

    @Test(
        "A priority lies between -100 and 100",
        arguments: [(-101, false), (-100, true), (0, true), (100, true), (101, false), (.max, false)]
    )
    func priorities(priority: Int, isFine: Bool) {
        var transfer = stored()
        let done: Void? = try? transfer.prioritized(priority)
        #expect((done != nil) == isFine)
        #expect(transfer.firmware.priority == (isFine ? priority : 0))
    }

    @Test("Bytes that are not the announced ones are published by nobody, and wait for abort")
    func wrongChecksum() {
        var transfer = Transfer(key: 1, address: Known.address, door: .segments, seq: 1, at: now)
        transfer.request = Known.request(["name": "x", "checksum": .string(Known.digest(9).hex)])
        transfer.received = ByteRanges(0..<1)
        transfer.end = .init(size: 1, checksum: nil)
        let digests = FileDigests(sha256: Known.digest(1), md5: Digest(bytes: []), crc64: 0)
        transfer.verified(digests, catalog: Known.catalog, at: now)
        #expect(transfer.state == .receiving && transfer.hasWrongChecksum && transfer.digests == nil)
        #expect(transfer.reason?.code == .checksumMismatch && transfer.reason?.kind == .operator)

        transfer.reason = nil
        transfer.end = .init(size: 1, checksum: Known.digest(1))
        transfer.verified(digests, catalog: Known.catalog, at: now)
        #expect(transfer.state == .held && !transfer.hasWrongChecksum)
    }

    @Test("Words of states and reasons are told apart by nobody but their list")
    func words() {
        #expect(
            TransferState.allCases.map(\.rawValue) == [
                "receiving", "stored", "ticketing", "uploading", "registering", "registered", "held", "failed",
                "cancelled", "expired",
            ]
        )
        #expect(TransferState.allCases.filter(\.isFinal) == [.registered, .failed, .cancelled, .expired])
        #expect(TransferState.allCases.filter(\.isPublishing) == [.ticketing, .uploading, .registering])
        #expect(Reason(json: busy.json) == busy)
        #expect(Reason(json: ["code": "x", "class": "unheard of"]) == nil)
        #expect(Reason(json: []) == nil)
    }
}
