/// Why a step of the publication failed, and what to do about it.
package struct PublicationFailure: Error, Sendable {
    package enum Remedy: Sendable, Equatable {
        /// The same step again, not before `floor` has passed. Of a registration this means that the cloud has refused it for
        /// now, so it is known not to be there.
        case retry(floor: Duration)
        /// From the ticket again.
        case newTicket
        /// The outcome of register is unknown, or somebody has the name: ask the cloud.
        case lookUp
        /// A person has to change something; looked at again after the longest delay.
        case hold
        /// The same; looked at again after that time.
        case holdFor(Duration)
        /// Nothing helps.
        case fail
    }

    package var reason: Reason
    package var remedy: Remedy
    package var requestID: String?
    /// The whole delay, where the gateway's share of the account's calls says when the next may be made. That others call
    /// too is no failure of this transfer: it is not counted.
    package var pause: Duration?
    /// The least delay, where the cloud asks for one.
    package var floor = Duration.zero

    package init(reason: Reason, remedy: Remedy, requestID: String? = nil, pause: Duration? = nil) {
        self.reason = reason
        self.remedy = remedy
        self.requestID = requestID
        self.pause = pause
    }
}

/// Delays and limits of the publication.
package struct PublicationPolicy: Sendable {
    /// Delays between attempts.
    package var backoff = Backoff(minimum: .seconds(2), maximum: .seconds(900))
    /// After so many failures in a row a transfer is `failed`; 0: never.
    package var attemptsMax = 0
    /// A file has to be registered within this time of its upload (the cloud keeps it for 60 minutes).
    package var registerWindow = Duration.seconds(55 * 60)

    package init() {}
}

/// The publication of a transfer as a state machine. Each event below names its transition:
///
/// | from | event | to |
/// |---|---|---|
/// | stored | attemptBegan | ticketing |
/// | held before its upload | attemptBegan | ticketing |
/// | held after its upload | attemptBegan | registering |
/// | ticketing | ticketReceived | uploading |
/// | uploading | uploadFinished | registering |
/// | registering | firmwareRegistered | registered |
/// | ticketing, uploading | attemptFailed (retry, new ticket) | stored |
/// | registering | attemptFailed (retry, look up) | registering |
/// | registering | attemptFailed (new ticket), registerWindowEnded | stored |
/// | ticketing, uploading, registering | attemptFailed (hold) | held |
/// | registering | packageBroke | stored |
/// | ticketing, uploading, registering | attemptFailed (fail) | failed |
/// | ticketing, uploading | restarted, attemptAbandoned | stored |
/// | registering | restarted | registering, outcome unknown |
/// | any that is not final | cancelled | cancelled |
/// | failed with its bytes before its upload, held before its upload, stored | retried | stored |
/// | failed after its upload, held after its upload | retried | registering |
/// | registering | retried | registering |
/// | held before its upload | described | stored |
/// | held after its upload | described | registering |
extension Transfer {
    /// What an attempt has to begin with.
    package enum AttemptAction: Sendable, Equatable {
        case requestTicket
        case register
        case lookUp
    }

    /// Whether the publisher may take it when its time has come.
    package var isPublishable: Bool {
        guard !isPaused else { return false }
        switch state {
        case .stored, .registering: return true
        // Goes on by itself when the cause is gone: looked at again at `nextAttempt`.
        case .held: return publication.nextAttempt != nil
        default: return false
        }
    }

    /// Whether its bytes have to be sent before it can be registered.
    package var needsUpload: Bool { publication.firmwareURL == nil }

    /// An attempt begins. A change to `registering` has to be committed before the first call.
    package mutating func attemptBegan(at now: WallTime) -> AttemptAction {
        publication.attempt += 1
        publication.nextAttempt = nil
        switch state {
        case .stored, .held:
            guard publication.firmwareURL == nil else {
                // Held after its upload: whether the name is free now is asked before anything is sent again.
                enter(.registering, because: nil, at: now)
                publication.isOutcomeUnknown = true
                return .lookUp
            }
            enter(.ticketing, because: nil, at: now)
            return .requestTicket
        case .registering:
            let isUnknown = publication.isOutcomeUnknown
            // The intent is committed with this change, before the call.
            publication.isOutcomeUnknown = true
            return isUnknown ? .lookUp : .register
        default:
            preconditionFailure("Cannot publish a transfer in \(state)")
        }
    }

    /// The ticket is there.
    package mutating func ticketReceived(at now: WallTime) {
        precondition(state == .ticketing, "A ticket belongs to a transfer in ticketing, not \(state)")
        enter(.uploading, because: nil, at: now)
    }

    /// OSS has confirmed the bytes. The intent to register is part of the same change.
    package mutating func uploadFinished(firmwareURL: String, serverTime: WallTime, at now: WallTime) {
        precondition(state == .uploading, "An upload belongs to a transfer in uploading, not \(state)")
        enter(.registering, because: nil, at: now)
        publication.firmwareURL = firmwareURL
        publication.uploadedAt = serverTime
        publication.isOutcomeUnknown = true
    }

    /// The cloud has the firmware.
    package mutating func firmwareRegistered(id: String, requestID: String?, at now: WallTime) {
        precondition(state == .registering, "A registration belongs to a transfer in registering, not \(state)")
        enter(.registered, because: nil, at: now)
        publication.firmwareID = id
        publication.requestID = requestID
        publication.isOutcomeUnknown = false
        publication.failures = 0
        publication.nextAttempt = nil
        received = ByteRanges()
    }

    /// The time between upload and registration is over; the cloud has removed the file.
    /// It counts as a failure: what takes too long once may take too long again.
    ///
    /// - Parameter cause: `hold`: a person should have changed something and has not. Every upload costs as many bytes as
    ///   the first, so they become rare.
    package mutating func registerWindowEnded(
        after cause: WindowEnd = .delay,
        policy: PublicationPolicy,
        at now: WallTime,
        using generator: inout some RandomNumberGenerator
    ) {
        precondition(state == .registering, "Only a transfer in registering has a window, not \(state)")
        backToStored(
            Reason(
                .registerWindowOver,
                .retry,
                "The upload is too old to be registered; it is uploaded again"
            ),
            at: now
        )
        publication.failures += 1
        var delay = policy.backoff.delay(after: publication.failures, using: &generator)
        if cause == .hold {
            delay = max(delay, min(Self.uploadPause * publication.failures, .seconds(86_400)))
        }
        publication.nextAttempt = now + delay
    }

    /// Why a transfer was not registered in time.
    package enum WindowEnd: Sendable {
        /// It took too long.
        case delay
        /// It was held.
        case hold
    }

    /// How much longer than before what is held after its upload waits for the next.
    private static let uploadPause = Duration.seconds(900)

    /// An attempt failed. Says nothing about when to look again; `publication.nextAttempt` does.
    package mutating func attemptFailed(
        _ failure: PublicationFailure,
        policy: PublicationPolicy,
        at now: WallTime,
        using generator: inout some RandomNumberGenerator
    ) {
        precondition(state.isPublishing, "An attempt belongs to a transfer that is being published, not \(state)")
        publication.requestID = failure.requestID ?? publication.requestID
        if let pause = failure.pause {
            if state == .registering {
                reason = failure.reason
                publication.isOutcomeUnknown = failure.remedy == .lookUp
            } else {
                backToStored(failure.reason, at: now)
            }
            publication.nextAttempt = now + pause
            return
        }
        publication.failures += 1
        let isTooOften = policy.attemptsMax > 0 && publication.failures >= policy.attemptsMax
        var delay = policy.backoff.delay(after: publication.failures, using: &generator)
        switch failure.remedy {
        case .fail:
            // What was read wrong is read wrong again: whoever sends the file again begins anew.
            if failure.reason.code == .spoolDamaged, failure.reason.kind == .permanent { received = ByteRanges() }
            enter(.failed, because: failure.reason, at: now)
            return
        case _ where isTooOften:
            var reason = failure.reason
            // That it is tried again by itself is no longer so.
            var hint = reason.kind == .retry ? reason.code.remedy(.permanent) : reason.hint
            reason.kind = .permanent
            if reason.code == .spoolDamaged {
                // Its bytes are kept, and nothing is known to be wrong with them.
                reason.kind = .operator
                hint = "Look at the disk: dmesg, sudo otaferry doctor"
            }
            reason.hint = "Tried \(publication.failures) times; retry begins anew. \(hint)"
            enter(.failed, because: reason, at: now)
            return
        case .hold:
            enter(.held, because: failure.reason, at: now)
            delay = policy.backoff.delay(after: .max, using: &generator)
        case .holdFor(let time):
            enter(.held, because: failure.reason, at: now)
            delay = time
        case .newTicket:
            backToStored(failure.reason, at: now)
        case .retry(let floor):
            delay = max(delay, floor)
            if state == .registering {
                reason = failure.reason
                publication.isOutcomeUnknown = false
            } else {
                backToStored(failure.reason, at: now)
            }
        case .lookUp:
            precondition(state == .registering, "Only a registration has an unknown outcome")
            delay = max(delay, failure.floor)
            reason = failure.reason
            publication.isOutcomeUnknown = true
        }
        publication.nextAttempt = now + delay
    }

    /// The program was stopped or killed in the middle. For every transfer that was being published, at the start.
    package mutating func restarted(at now: WallTime) {
        switch state {
        case .ticketing, .uploading: backToStored(reason, at: now)
        case .registering: publication.isOutcomeUnknown = true
        default: break
        }
    }

    /// An attempt could not begin.
    package mutating func attemptPostponed(until moment: WallTime) {
        guard isPublishable else { return }
        publication.nextAttempt = moment
    }

    /// An attempt was stopped by us: paused, or the program ends.
    package mutating func attemptAbandoned(at now: WallTime) {
        switch state {
        case .ticketing, .uploading: backToStored(reason, at: now)
        // Whether a register call got through is asked at the next attempt.
        default: break
        }
    }

    /// Uploads may start only at another time of the day. It stays `stored`.
    package mutating func waitsForWindow(until moment: WallTime, window: String) {
        precondition(state == .stored || state == .held, "Only an upload that has not begun waits, not \(state)")
        // What is held keeps its own reason: the window is not what a person has to mend.
        if state == .stored { reason = Reason(.outsideWindow, .retry, "Uploads start in the window \(window) only") }
        publication.nextAttempt = moment
    }

    /// An operator wants it to go on: whether the window lets it is known at once, and is in the answer.
    package mutating func looksAtWindow(_ closed: (untilOpen: Duration, window: String)?, at now: WallTime) {
        windowChanged()
        guard state == .stored, reason == nil, let closed else { return }
        waitsForWindow(until: now + closed.untilOpen, window: closed.window)
    }

    /// The window has changed: looked at anew.
    package mutating func windowChanged() {
        guard reason?.code == .outsideWindow else { return }
        reason = nil
        publication.nextAttempt = nil
    }

    /// What the calls are signed with may have been mended: what is held for it is looked at anew.
    package mutating func credentialsChanged(at now: WallTime) {
        guard state == .held, reason?.code == .credentials else { return }
        publication.nextAttempt = now
    }

    /// Uploads may go at another rate: what waits for a faster link is looked at anew.
    package mutating func rateChanged(at now: WallTime) {
        guard state == .held, reason?.code == .linkTooSlow else { return }
        publication.nextAttempt = now
    }

    /// A file of its package is gone, so that the others cannot be registered: they wait for another one, and are
    /// uploaded with it. Not while a registration may have got through: that is looked up first.
    ///
    /// - Returns: whether that changed anything.
    package mutating func packageBroke(at now: WallTime) -> Bool {
        guard state == .registering, !publication.isOutcomeUnknown else { return false }
        backToStored(nil, at: now)
        publication.nextAttempt = nil
        return true
    }

    /// The cloud was asked and does not have it.
    package mutating func lookedUpInVain() {
        guard state == .registering else { return }
        publication.isOutcomeUnknown = false
    }

    private mutating func backToStored(_ reason: Reason?, at now: WallTime) {
        enter(.stored, because: reason, at: now)
        publication.firmwareURL = nil
        publication.uploadedAt = nil
        publication.isOutcomeUnknown = false
    }
}
