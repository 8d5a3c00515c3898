import FerryCore
import Glibc
import Synchronization
import Threads

/// The life of a connection on its own thread: attempt after attempt, and within one the loop of
/// poll, read, hand over, write.
struct LinkLoop: Sendable {
    let settings: BrokerLinkSettings
    let queue: OutboundQueue
    let wake: WakeSignal
    let pulse: Pulse
    /// The farewell once a stop was asked for, else nil.
    let stopRequest: @Sendable () -> [OutboundMessage]?
    let receive: BrokerLink.Receive
    let observe: BrokerLink.Observe

    /// Between two tries to store what the broker delivers.
    private static let notStoredPause = Duration.seconds(5)
    /// So long the farewell may wait for its acknowledgements.
    private static let farewellLimit = Duration.milliseconds(1_500)

    /// Runs until a stop is asked for.
    func run() {
        var backoff = settings.backoff
        var generator = SystemRandomNumberGenerator()
        var choice = ProtocolChoice()
        while stopRequest() == nil {
            var unfinished: BatchOutcome?
            let wasTrial = choice.isTrial
            let isOld = choice.version == .mqtt311
            let failure = attempt(choice, &unfinished)
            queue.close()
            guard let failure else { return }
            choice.ended(failure.ending)
            if failure.ending == .versionRefused && !isOld || failure.ending == .welcomed && wasTrial { continue }
            observe(failure.error.isRefusal ? .refused(failure.error) : .lost(failure.error))
            // The broker will deliver the batch again; one at a time in memory is enough.
            if let unfinished { awaitOutcome(of: unfinished) }
            // Only the time in which it was of use counts: a slow failure is no health.
            if let ready = failure.readySince, ContinuousClock.now - ready >= settings.soundAfter { backoff.reset() }
            let delay = backoff.next(using: &generator)
            // A disk that is well again should not have to wait for a network that was never ill.
            pause(failure.error.code == .notStored ? min(delay, Self.notStoredPause) : delay)
        }
    }

    private struct Failure {
        var error: LinkError
        var ending = ProtocolChoice.Ending.other
        /// When the connection was of use from, if it ever was.
        var readySince: ContinuousClock.Instant?
    }

    /// Waits, or less when a stop is asked for or what is waited for has come.
    private func pause(_ duration: Duration, until isOver: () -> Bool = { false }) {
        let end = ContinuousClock.now + duration
        while stopRequest() == nil, !isOver(), ContinuousClock.now < end {
            pulse.beat()
            var descriptor = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
            let left = max(1, (end - ContinuousClock.now).milliseconds)
            if poll(&descriptor, 1, Int32(clamping: left)) > 0 { wake.clear() }
        }
    }

    /// Waits until it is known what became of a batch, or a stop is asked for.
    private func awaitOutcome(of batch: BatchOutcome) {
        while batch.value == nil, stopRequest() == nil { pause(.seconds(1), until: { batch.value != nil }) }
    }

    /// One connection from CONNECT to its end; nil when it ended because a stop was asked for.
    ///
    /// - Parameter unfinished: the last batch whose outcome was awaited at its end.
    private func attempt(_ choice: ProtocolChoice, _ unfinished: inout BatchOutcome?) -> Failure? {
        var readySince: ContinuousClock.Instant?
        var wasConnected = false
        var wasWelcome = false
        do {
            let client = try MosquittoClient(
                settings: choice.isTrial ? settings.forTrial : settings,
                protocolVersion: choice.version.rawValue
            )
            // Resolving the name and connecting wait for others.
            try pulse.whileAway { () throws(LinkError) in try client.connect() }
            wasConnected = true
            var conversation = Conversation(
                client: client,
                handshakeEnd: .now + settings.handshakeLimit,
                isTrial: choice.isTrial
            )
            while true {
                if let farewell = stopRequest() {
                    leave(&conversation, farewell)
                    return nil
                }
                defer {
                    wasWelcome = conversation.welcome != nil
                    unfinished = conversation.next ?? conversation.storing
                }
                pulse.beat()
                try turn(&conversation)
                if conversation.isTrialPassed {
                    // What a broker sent to it unasked must not be acknowledged.
                    if client.inbox.isEmpty {
                        client.disconnect()
                        try check(client.write(), client)
                    }
                    return Failure(error: LinkError(.refused, "Only a trial"), ending: .welcomed)
                }
                if readySince == nil && conversation.isReady { readySince = .now }
            }
        } catch {
            var error = error
            // MQTT 5: 0x84 unsupported protocol version; MQTT 3.1.1: 1 unacceptable protocol version.
            let isVersion = error.code == .refused && (error.number == 0x84 || error.number == 1)
            let isHangUp = error.code == .lost && wasConnected
            if isHangUp && !wasWelcome {
                switch settings.address.transport {
                case .tcp: error.misfit = .securePort
                case .tls: error.trouble = .hungUpEarly
                case .unixSocket: break
                }
            }
            // A trial that is refused for its name or rights has had its answer too.
            let isAnswered = wasWelcome || choice.isTrial && error.isRefusal && !isVersion
            let ending: ProtocolChoice.Ending =
                isAnswered ? .welcomed : isVersion ? .versionRefused : isHangUp ? .hangUp : .other
            return Failure(error: error, ending: ending, readySince: readySince)
        }
    }

    /// What one attempt knows.
    private struct Conversation {
        let client: MosquittoClient
        /// Until when CONNACK and SUBACKs have to be there.
        let handshakeEnd: ContinuousClock.Instant
        /// It ends with the broker's answer to CONNECT.
        let isTrial: Bool
        var welcome: Welcome?
        var isTrialPassed: Bool { isTrial && welcome != nil }
        var pendingSubscriptions: [Int32: Subscription] = [:]
        var isReady = false
        var lastHeard = ContinuousClock.now
        var patience = Patience()
        /// The batch whose commit is awaited.
        var storing: BatchOutcome?
        /// How many messages the batch that was handed over last has.
        var storingCount = 0
        /// The batch after it, where it was handed over already.
        var next: BatchOutcome?
        /// What is held belongs to a batch that is stored, and the one after it is awaited.
        var isReleasing = false
        /// Message id to receipt of what is not acknowledged yet; no receipt: nobody wants to know.
        var unacknowledged: [Int32: Int64?] = [:]
    }

    /// One turn of the loop: wait, read, hand over what was read once the batch before it is durable, publish, write.
    private func turn(_ conversation: inout Conversation) throws(LinkError) {
        let client = conversation.client
        if try waitForWork(conversation) {
            conversation.lastHeard = .now
            if conversation.storing == nil {
                try readBatch(&conversation)
            } else {
                try readAhead(&conversation)
            }
            client.acknowledgeAtOnce()
        }
        try handleNotes(&conversation)
        guard !conversation.isTrialPassed else { return }
        if conversation.storing != nil {
            // Whoever stores it need not wait for us between the two.
            if conversation.next == nil && isWhole(conversation) { conversation.next = handOver(&conversation) }
            let isStored = try isStored(&conversation)
            if conversation.isReleasing, try client.release() { conversation.isReleasing = false }
            guard isStored else { return }
            // What has come meanwhile may be worth waiting for the rest of it.
            if try client.release(), !client.inbox.isEmpty { try readBatch(&conversation) }
            try handleNotes(&conversation)
        }
        guard try client.release() else { return try checkTimes(conversation) }
        conversation.storing = handOver(&conversation)
        guard try isStored(&conversation) else { return }
        if conversation.isReady { try publishQueued(&conversation) }
        if conversation.welcome == nil, client.hasAgreedOnTLS {
            // A broker that misses a certificate says so and hangs up while CONNECT is on its way.
            try client.hold()
            guard try client.release() else { return try checkTimes(conversation) }
        } else if client.wantsWrite {
            try check(client.write(), client)
        }
        try check(client.keepAlive(), client)
        try checkTimes(conversation)
    }

    /// Hands over what was read.
    private func handOver(_ conversation: inout Conversation) -> BatchOutcome? {
        let messages = conversation.client.takeInbox()
        guard !messages.isEmpty else { return nil }
        // What comes before the last SUBACK is answered like the rest: the answer waits until the connection is ready.
        queue.open()
        let outcome = BatchOutcome()
        conversation.storingCount = messages.count
        receive(InboundBatch(messages: messages, after: conversation.storing)) { [wake] value in
            outcome.value = value
            wake.signal()
        }
        return outcome
    }

    /// Whether no batch is waited for: what was read before the last `hold` may be acknowledged.
    private func isStored(_ conversation: inout Conversation) throws(LinkError) -> Bool {
        while let storing = conversation.storing {
            guard let outcome = storing.value else { return false }
            conversation.storing = conversation.next
            conversation.next = nil
            conversation.isReleasing = conversation.storing != nil
            // Whether the broker is silent was not looked at meanwhile.
            conversation.lastHeard = .now
            if outcome == .failed {
                // Dropping the client drops the acknowledgements it has queued; the broker delivers the batch again.
                throw LinkError(.notStored, "The batch could not be stored; the broker will deliver it again")
            }
        }
        return true
    }

    /// Waits until there is something to do; answers whether something can be read.
    private func waitForWork(_ conversation: Conversation) throws(LinkError) -> Bool {
        let client = conversation.client
        let socket = client.socket
        guard socket >= 0 else { throw LinkError(.lost, "The connection to the broker is closed") }
        // The library has the acknowledgements of one batch at a time.
        let mayRead = !isFull(client) && conversation.next == nil && !conversation.isReleasing
        var events = mayRead ? POLLIN : 0
        let mayWrite = conversation.storing == nil && (client.isHolding || client.wantsWrite)
        if mayWrite || conversation.isReleasing { events |= POLLOUT }
        // poll(2) ignores a negative descriptor; one without events would still be asked about its end, over and over.
        var descriptors = [
            pollfd(fd: events == 0 ? -1 : socket, events: Int16(events), revents: 0),
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        // A second at most, so that keep-alive and deadlines are looked at.
        let count = poll(&descriptors, 2, 1_000)
        guard count > 0 else { return false }
        if descriptors[1].revents != 0 { wake.clear() }
        return descriptors[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0
    }

    /// Whether what was read is as much as a batch may have.
    private func isFull(_ client: MosquittoClient) -> Bool {
        settings.batchLimit.isReached(messages: client.inbox.count, bytes: client.inboxBytes, last: client.lastBytes)
    }

    private func isWhole(_ conversation: Conversation) -> Bool {
        let client = conversation.client
        return settings.batchLimit.isWhole(
            messages: client.inbox.count,
            bytes: client.inboxBytes,
            last: client.lastBytes,
            unacknowledged: conversation.storingCount,
            window: settings.receiveMaximum
        )
    }

    /// Reads packets while there are any, up to the limit of a batch, and waits a moment for more where that is worth it.
    private func readBatch(_ conversation: inout Conversation) throws(LinkError) {
        let client = conversation.client
        conversation.patience.begin()
        while !isFull(client) {
            var isMore = isReadable(client, within: .zero)
            if !isMore, let wait = wait(client, &conversation.patience) {
                let begun = ContinuousClock.now
                isMore = isReadable(client, within: wait)
                conversation.patience.ended(withMore: isMore, after: .now - begun)
            }
            guard isMore else { return }
            try read(&conversation)
        }
    }

    /// Reads while the batch before is being stored. Its acknowledgements must not leave with those of what is read now, so
    /// they are taken out of the library first, with what is to be published.
    private func readAhead(_ conversation: inout Conversation) throws(LinkError) {
        let client = conversation.client
        if client.inbox.isEmpty {
            if conversation.isReady { try publishQueued(&conversation) }
            try client.hold()
        }
        while !isFull(client), isReadable(client, within: .zero) { try read(&conversation) }
    }

    private func read(_ conversation: inout Conversation) throws(LinkError) {
        let client = conversation.client
        let former = client.inbox.count
        let result = client.read()
        if client.isTakenOver {
            throw LinkError(.takenOver, "Another client came to the broker as \(settings.clientID)")
        }
        if client.inbox.count > former { conversation.patience.arrived() }
        guard result != 0 else { return }
        // What was read is not acknowledged, so the broker delivers it again.
        if let refusal = refusal(in: client.notes) { throw refusal }
        try check(result, client)
    }

    private func isReadable(_ client: MosquittoClient, within time: Duration) -> Bool {
        var descriptor = pollfd(fd: client.socket, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, Int32(clamping: time.milliseconds)) > 0
    }

    /// How long the batch that was read so far waits for more.
    private func wait(_ client: MosquittoClient, _ patience: inout Patience) -> Duration? {
        guard let mayWait = settings.mayWait else { return nil }
        return patience.wait(
            count: client.inbox.count,
            bytes: client.inboxBytes,
            window: settings.receiveMaximum
        ) { client.inbox.allSatisfy { mayWait($0.topic) } }
    }

    private func refusal(in notes: [MosquittoClient.Note]) -> LinkError? {
        for case .connected(let result, _) in notes where result != 0 { return refusal(result) }
        return nil
    }

    private func refusal(_ result: Int32) -> LinkError {
        // MQTT 5: 0x86 bad user name or password, 0x87 not authorized; MQTT 3.1.1: 4 and 5.
        let isCredentials = [0x86, 0x87, 4, 5].contains(result)
        let text = MosquittoReason.text(of: result)
        return LinkError(
            isCredentials ? .notAuthorized : .refused,
            "The broker refused the connection of \(settings.clientID): \(text)",
            number: result
        )
    }

    private func handleNotes(_ conversation: inout Conversation) throws(LinkError) {
        for note in conversation.client.takeNotes() {
            switch note {
            case .connected(let result, let welcome):
                guard result == 0 else { throw refusal(result) }
                conversation.welcome = welcome
                if conversation.isTrial { continue }
                for subscription in settings.subscriptions {
                    let messageID = try conversation.client.subscribe(subscription)
                    conversation.pendingSubscriptions[messageID] = subscription
                }
            case .subscribed(let messageID, let granted):
                let subscription = conversation.pendingSubscriptions.removeValue(forKey: messageID)
                if let subscription, subscription.need == .required, granted.contains(where: { $0 >= 0x80 }) {
                    throw LinkError(
                        .subscriptionRefused,
                        "The broker does not let \(settings.clientID) subscribe to \(subscription.filter)",
                        number: granted.first ?? 0
                    )
                }
            case .acknowledged(let messageID, let reasonCode):
                if let receipt = conversation.unacknowledged.removeValue(forKey: messageID) ?? nil {
                    observe(.acknowledged(receipt: receipt, reasonCode: reasonCode))
                }
            }
        }
        if let welcome = conversation.welcome, !conversation.isTrial, !conversation.isReady,
            conversation.pendingSubscriptions.isEmpty
        {
            conversation.isReady = true
            queue.open()
            observe(.connected(welcome))
        }
    }

    private func publishQueued(_ conversation: inout Conversation) throws(LinkError) {
        while conversation.unacknowledged.count < settings.sendMaximum, let message = queue.takeFirst() {
            do {
                let messageID = try conversation.client.publish(message)
                if message.quality == .atLeastOnce {
                    conversation.unacknowledged.updateValue(message.receipt, forKey: messageID)
                }
            } catch {
                guard error.isAboutMessage else { throw error }
                // Too large for the broker, or a bad topic: this message can never go. The rest can.
                if let receipt = message.receipt {
                    observe(.acknowledged(receipt: receipt, reasonCode: 0x95))
                }
            }
        }
        if queue.takeOverflow() { observe(.hasRoomAgain) }
    }

    private func checkTimes(_ conversation: Conversation) throws(LinkError) {
        let now = ContinuousClock.now
        if !conversation.isReady && now > conversation.handshakeEnd {
            throw LinkError(.silent, "The broker did not answer CONNECT and SUBSCRIBE in \(settings.handshakeLimit)")
        }
        // PINGREQ goes out after one keep-alive of silence; half of one is time enough for its answer.
        let silence = now - conversation.lastHeard
        if silence > settings.keepAlive + settings.keepAlive / 2 {
            throw LinkError(.silent, "The broker has been silent for \(Int(silence.seconds)) s")
        }
    }

    private func check(_ result: Int32, _ client: MosquittoClient) throws(LinkError) {
        guard result != 0 else { return }
        throw client.broken(result)
    }

    /// Says the farewell once nothing waits that was to be said before.
    private func say(_ farewell: inout [OutboundMessage], _ conversation: inout Conversation) throws(LinkError) {
        guard queue.isEmpty else { return }
        for message in farewell {
            let messageID = try conversation.client.publish(message)
            if message.quality == .atLeastOnce {
                conversation.unacknowledged.updateValue(message.receipt, forKey: messageID)
            }
        }
        farewell = []
    }

    /// Waits until everything that was read is durable; false when it is not in time.
    private func settle(_ conversation: inout Conversation, until end: ContinuousClock.Instant) throws(LinkError)
        -> Bool
    {
        while true {
            if try isStored(&conversation), try conversation.client.release() {
                conversation.storing = handOver(&conversation)
                if conversation.storing == nil { return true }
                continue
            }
            let left = (end - .now).milliseconds
            guard left > 0 else { return false }
            let socket = conversation.storing == nil ? conversation.client.socket : -1
            var descriptors = [
                pollfd(fd: socket, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&descriptors, 2, Int32(clamping: left)) > 0, descriptors[1].revents != 0 { wake.clear() }
        }
    }

    /// Publishes what waits and the farewell, waits for the acknowledgements, disconnects.
    private func leave(_ conversation: inout Conversation, _ farewell: [OutboundMessage]) {
        let end = ContinuousClock.now + Self.farewellLimit
        do {
            guard conversation.isReady, try settle(&conversation, until: end) else { return }
            try publishQueued(&conversation)
            var farewell = farewell
            try say(&farewell, &conversation)
            while !conversation.unacknowledged.isEmpty || !queue.isEmpty || !farewell.isEmpty, ContinuousClock.now < end
            {
                try check(conversation.client.write(), conversation.client)
                if try waitForWork(conversation) { try read(&conversation) }
                try handleNotes(&conversation)
                // What comes in meanwhile would be acknowledged by the next write.
                guard try settle(&conversation, until: end) else { return }
                try publishQueued(&conversation)
                try say(&farewell, &conversation)
            }
            conversation.client.disconnect()
            try check(conversation.client.write(), conversation.client)
        } catch {
            // The connection broke while leaving: the will says the rest.
        }
    }
}
