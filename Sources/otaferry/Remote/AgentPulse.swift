import FerryCore

/// Whether an agent answers now: what the broker keeps of one that hangs still says that it is online.
enum AgentPulse: Sendable, Equatable {
    /// - Parameter isStatusNew: the broker has a newer status of it since it was asked.
    case answers(isStatusNew: Bool)
    /// Nobody listens to commands.
    case absent
    /// Somebody listens, and does not answer.
    case silent
    /// The broker does not let us ask.
    case forbidden

    private static let limit = Duration.seconds(3)
    private static let interval = Duration.seconds(15)

    /// Asks once; nil where the broker itself could not be reached.
    static func take(_ route: BrokerRoute) async -> AgentPulse? {
        do throws(CommandClient.Failure) {
            let pong = try await CommandClient(route: route).call("ping", limit: limit)
            return .answers(isStatusNew: pong["status"]?.bool == true)
        } catch {
            switch error.cause {
            case .noListener: return .absent
            case .noAnswer: return .silent
            case .forbidden: return .forbidden
            case nil: return nil
            }
        }
    }

    /// Asks again and again until the task is cancelled, or there is no leave to ask.
    static func watch(_ route: BrokerRoute, _ tell: @Sendable (AgentPulse) -> Void) async {
        while !Task.isCancelled {
            if let pulse = await take(route), !Task.isCancelled {
                tell(pulse)
                if pulse == .forbidden { return }
            }
            // Cancelled: the loop ends.
            try? await Task.sleep(for: interval)
        }
    }

    /// Whether it was there when it was asked.
    var isAnswering: Bool { if case .answers = self { true } else { false } }

    /// Whether an agent that says it is online is not to be believed.
    var isBroken: Bool { self == .absent || self == .silent }

    /// What a person can do where an agent that says it is online is not to be believed.
    func remedy(_ route: BrokerRoute) -> String {
        self == .silent ? Self.silenceRemedy(route) : AgentAway.remedy
    }

    /// An answer that does not come may have been dropped: a broker need not refuse a subscription that it does not serve.
    static func silenceRemedy(_ route: BrokerRoute) -> String {
        AgentAway.remedy
            + ". The broker's ACL may also keep answers from \(route.account): topic read \(route.root)/res/#"
    }

    /// Why nothing came on a topic of the agent, as far as can be known.
    ///
    /// - Parameter pulse: what came of asking; nil where that failed too.
    static func nothingHeard(on topic: String, _ pulse: AgentPulse?, _ route: BrokerRoute) -> CommandClient.Failure {
        let line = "topic read \(topic)"
        switch pulse {
        case .answers:
            return CommandClient.Failure(
                exit: .failed,
                text: "The agent of \(route.gateway) answers, but nothing comes on \(topic)",
                hint: "The broker has lost it (\(route.followUp.command("sync")) says it again), or its ACL keeps it "
                    + "from \(route.account): \(line)"
            )
        case .forbidden:
            return CommandClient.Failure(
                exit: .notAllowed,
                code: ReasonCode.notAllowed.rawValue,
                text: "Nothing comes on \(topic), and the broker does not let \(route.account) ask the agent of "
                    + "\(route.gateway) either: nothing is known of it",
                hint: "The broker's ACL needs for this account: \(line)"
            )
        case .absent:
            return CommandClient.Failure(
                exit: .unreachable,
                text: "No agent has said anything for the gateway \(route.gateway) at \(route.url)",
                hint: route.absenceRemedy
            )
        case .silent, nil:
            // Where there was no time to ask nothing is known of an answer.
            return CommandClient.Failure(
                exit: .unreachable,
                text: "No agent has said anything for the gateway \(route.gateway) at \(route.url)"
                    + (pulse == nil ? "" : ", and none answers"),
                hint: route.absenceRemedy
                    + ". The broker's ACL may also keep its word from \(route.account): \(line)"
                    + (pulse == .silent ? ", topic read \(route.root)/res/#" : "")
            )
        }
    }
}
