import Broker
import FerryCore
import Synchronization

/// Asks an agent to do something, and waits for its answer (`docs/mqtt-api.md`, commands).
///
/// Each request has a connection of its own, which listens to nothing but the answer. The request's name is its
/// Correlation Data too, and the answer's topic the one that MQTT 3.1.1 gets, so both ways end in the same place. After
/// a broken connection the request goes out again: the agent does nothing twice for one name.
struct CommandClient: Sendable {
    let route: BrokerRoute

    /// Until here the answer has to be there.
    private static let answerLimit = Duration.seconds(10)
    /// A broker that hangs up may speak MQTT 3.1.1 only, which the third attempt shows.
    static let attempts = 4

    /// Why there is no result.
    struct Failure: Error, Sendable {
        var exit: ProgramExit
        /// A word of the public list, where the agent said one.
        var code: String?
        var text: String
        var hint = ""
        /// What became of the question, where the broker took it.
        var cause: Cause?
    }

    /// Why a question that reached the broker has no answer.
    enum Cause: Sendable {
        case noListener
        case noAnswer
        case forbidden
    }

    /// The result of a command, or why there is none.
    ///
    /// - Parameter limit: until then the answer has to be there.
    func call(
        _ verb: String,
        _ members: [String: JSONValue] = [:],
        limit: Duration = Self.answerLimit
    ) async throws(Failure) -> JSONValue {
        let request = Self.clientID(verb)
        let answer = "\(route.root)/res/\(request)"
        var document = members
        document["request"] = .string(request)
        var message = OutboundMessage(
            topic: "\(route.root)/cmd/\(verb)",
            payload: JSONValue.object(document).encoded,
            receipt: 1
        )
        message.responseTopic = answer
        message.correlationData = Array(request.utf8)

        var settings = BrokerLinkSettings(
            name: "command",
            address: route.access,
            clientID: request,
            session: .clean
        )
        settings.subscriptions = [Subscription(answer, retained: .withhold)]
        settings.backoff = Backoff(minimum: .milliseconds(200), maximum: .seconds(2))
        let exchange = Exchange(route: route, message: message)
        do {
            let link = try BrokerLink(
                settings: settings,
                receive: { batch, done in
                    for message in batch.messages where message.topic == answer { exchange.answered(message.payload) }
                    done(.done)
                },
                observe: { exchange.observed($0) }
            )
            exchange.begin(link)
            try link.start()
            let outcome = await exchange.outcome(limit: limit)
            await link.stop()
            return try Self.result(of: outcome, route: route)
        } catch let error as Failure {
            throw error
        } catch {
            throw Failure(exit: .failed, text: "\(error)")
        }
    }

    /// `otaferry-<what>-<random>`: the client's name at the broker.
    static func clientID(_ what: String) -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return "otaferry-\(what)-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func result(of outcome: Result<[UInt8], Failure>, route: BrokerRoute) throws -> JSONValue {
        let payload = try outcome.get()
        guard let json = try? JSONValue(parsing: payload), let isDone = json["ok"]?.bool else {
            throw Failure(exit: .failed, text: "The agent's answer cannot be read")
        }
        if isDone { return json["result"] ?? .object([:]) }
        let code = json["error"]?["code"]?.string
        throw Failure(
            exit: code == ReasonCode.notAllowed.rawValue ? .notAllowed : .failed,
            code: code,
            text: FirmwareOptionNames.inOptions(
                ColumnText.printable(json["error"]?["text"]?.string ?? "The agent refused without a reason")
            ),
            hint: ColumnText.printable(route.followUp.completed(json["error"]?["hint"]?.string ?? ""))
        )
    }

    /// One question and its answer; told by the connection's thread, awaited by the command.
    private final class Exchange: Sendable {
        private struct State {
            var link: BrokerLink?
            /// Whether the broker let us in.
            var isConnected = false
            /// How often a connection ended before that.
            var losses = 0
            /// Whether a broker that forbids to ask would have said so: in MQTT 3.1.1 none does, and some hang up.
            var isRefusalTold = false
            var outcome: Result<[UInt8], Failure>?
            var waiter: CheckedContinuation<Result<[UInt8], Failure>, Never>?
        }

        private let route: BrokerRoute
        private let message: OutboundMessage
        private let state = Mutex(State())

        init(route: BrokerRoute, message: OutboundMessage) {
            self.route = route
            self.message = message
        }

        func begin(_ link: BrokerLink) { state.withLock { $0.link = link } }

        func answered(_ payload: [UInt8]) { end(.success(payload)) }

        func observed(_ event: LinkEvent) {
            switch event {
            case .connected(let welcome):
                let link = state.withLock { state in
                    state.isRefusalTold = !state.isConnected && welcome.protocolVersion == 5
                    state.isConnected = true
                    return state.link
                }
                link?.publish(message)
            case .refused(let error):
                let isForbidden = error.code == .notAuthorized || error.code == .subscriptionRefused
                fail(
                    isForbidden ? .notAllowed : .unreachable,
                    error.text,
                    error.code == .subscriptionRefused
                        ? "The broker's ACL needs for \(route.account): topic read \(route.root)/res/#"
                        : "--username and --password-file say who you are"
                )
            case .lost(let error):
                let isHopeless = state.withLock { state in
                    if error.code == .tls || error.code == .unreachable { return true }
                    guard !state.isConnected else { return false }
                    state.losses += 1
                    return state.losses >= CommandClient.attempts
                }
                if isHopeless { fail(.unreachable, error.text, route.hint(for: error)) }
            case .acknowledged(_, 0x87):
                fail(
                    .notAllowed,
                    "The broker does not let \(route.account) publish \(message.topic)",
                    "Commands are for operators, who have in its ACL: topic write \(route.root)/cmd/#, "
                        + "topic read \(route.root)/res/#",
                    .forbidden
                )
            case .acknowledged(_, 0x10):
                fail(
                    .unreachable,
                    "No agent of the gateway \(route.gateway) answers at \(route.url)",
                    route.absenceRemedy,
                    .noListener
                )
            case .acknowledged, .hasRoomAgain: break
            }
        }

        func outcome(limit: Duration) async -> Result<[UInt8], Failure> {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { [self] in
                    // Cancelled once the answer is there, which then stays, or because nobody waits for it any more.
                    try? await ContinuousClock().sleep(for: limit)
                    let (isConnected, isRefusalTold) = state.withLock { ($0.isConnected, $0.isRefusalTold) }
                    fail(
                        .unreachable,
                        (isConnected ? "The agent of \(route.gateway)" : "The broker at \(route.url)")
                            + " did not answer in \(limit.components.seconds) s",
                        isConnected
                            ? AgentPulse.silenceRemedy(route)
                            : "Is it a broker? \(BrokerRoute.tlsQuestion)",
                        isConnected && isRefusalTold ? .noAnswer : nil
                    )
                }
                let outcome = await withCheckedContinuation { waiter in
                    let known = state.withLock { state in
                        if state.outcome == nil { state.waiter = waiter }
                        return state.outcome
                    }
                    if let known { waiter.resume(returning: known) }
                }
                group.cancelAll()
                return outcome
            }
        }

        private func fail(_ exit: ProgramExit, _ text: String, _ hint: String, _ cause: Cause? = nil) {
            let code = cause == .forbidden ? ReasonCode.notAllowed.rawValue : nil
            end(.failure(Failure(exit: exit, code: code, text: text, hint: hint, cause: cause)))
        }

        private func end(_ outcome: Result<[UInt8], Failure>) {
            let waiter = state.withLock { state in
                guard state.outcome == nil else { return nil as CheckedContinuation<Result<[UInt8], Failure>, Never>? }
                state.outcome = outcome
                // The connection owns this value through its callback.
                state.link = nil
                return state.waiter
            }
            waiter?.resume(returning: outcome)
        }
    }
}
