import Broker
import FerryCore

/// What a person can do when a push does not go on.
enum PushHints {
    /// For a refusal of the sending itself.
    ///
    /// - Parameters:
    ///   - isPackage: several files are pushed together, or one as a part of a package.
    ///   - isSigned: the firmware has a signature.
    static func hint(
        for refusal: SendingMachine.Refusal,
        address: TransferAddress,
        isPackage: Bool,
        isSigned: Bool = false,
        _ followUp: FollowUp = .plain
    ) -> String {
        let remedy = followUp.completed(refusal.reason.remedy)
        return switch refusal.reason {
        case .conflict where isPackage:
            "The files of a package agree in product, version, name and number, and each has a file name of its own. "
                + "What was begun goes on with the command as it was"
        case .conflict:
            "The transfer \(address) was begun with other details: repeat the command as it was. An operator changes details "
                + "with otaferry describe and otaferry priority"
        case .noRoom where refusal.isForGood: Admission.noRoomEver
        case .noRoom where refusal.isOverDisk: Admission.noRoomOnDisk
        case .noRoom: remedy + ". --time-limit waits for room"
        case .tooManyTransfers: remedy + "; --time-limit waits for that"
        case .checksumMismatch:
            "The bytes were damaged twice on their way; the file has not changed. The same command begins anew"
        case .badSignature where !isSigned: "--sign KEY signs the firmware. " + remedy
        // What is sent in segments is too large for the cloud itself.
        case .tooLarge, .badTopic, .badMetadata: ""
        default: remedy
        }
    }

    /// For a transfer that waits or has ended.
    static func hint(
        for status: TransferStatus,
        address: TransferAddress,
        _ followUp: FollowUp = .plain
    ) -> String {
        let retry = followUp.command("retry", address)
        var parts: [String] = []
        if let hint = status.reason?.hint, !hint.isEmpty { parts.append(ColumnText.printable(hint)) }
        switch status.state {
        // There is nothing to try before something is supplied.
        case .held where status.needsMetadata: parts.append("It stays on the gateway and goes on then")
        case .held: parts.append("It stays on the gateway and goes on when that is mended (\(retry))")
        case .failed where status.areBytesGone:
            // A one-shot that is too large.
            guard !parts.contains(where: { $0.contains("otaferry push") }) else { break }
            let isSaid = parts.contains { $0.contains("send it again") || $0.contains("send the file again") }
            parts.append(isSaid ? "It begins anew then" : "Then send it again; the same push begins anew")
        case .failed:
            guard let hint = parts.first, hint.lowercased().contains("retry") else {
                parts.append("\(retry) tries again")
                break
            }
            return sentences([hint]) + " (\(retry))"
        case .expired: parts.append("The same push begins anew")
        default: break
        }
        return sentences(parts)
    }

    /// What a sender can do whom the broker does not let publish under its name.
    static func senderRemedy(_ route: BrokerRoute) -> String {
        let rule = "The sender's name has to be the user name at the broker, unless its ACL says otherwise"
        if let name = route.access.username {
            guard name != route.sender.text else {
                return "It is the user name at the broker, so its access list lacks: " + deliveryRight
            }
            return rule + ": --sender names another"
        }
        guard route.hasCertificate else { return rule + ": --username and --password-file say who you are" }
        guard let name = route.access.certificateName(.commonName), Name(name) != nil else {
            return rule + ". It may take that from the certificate: --sender names it"
        }
        return rule + ". Where it takes that from the certificate: --sender \(name)"
    }

    /// The line of an access list that lets senders deliver.
    private static let deliveryRight = "pattern write otaferry/v1/+/in/%u/#"

    /// The line of an access list that lets a sender read the agent's answers.
    static func answerRight(_ route: BrokerRoute) -> String {
        // `%u` is the user name, which need not be the sender's.
        route.access.username == route.sender.text
            ? "pattern read otaferry/v1/+/out/%u/#" : "topic read \(route.root)/out/\(route.sender)/#"
    }

    /// Why no answer came of an agent that says it is online.
    ///
    /// - Parameters:
    ///   - ending: what is known without asking it.
    ///   - pulse: what came of asking.
    static func unanswered(
        _ ending: PushDriver.Ending,
        _ pulse: AgentPulse?,
        _ route: BrokerRoute
    ) -> PushDriver.Ending {
        let agent = "The agent of \(route.gateway)"
        let right = "from \(route.account): \(answerRight(route))"
        var told: PushDriver.Ending =
            switch pulse {
            case .answers:
                .init(
                    .notAllowed,
                    "\(agent) answers commands, but nothing comes on \(route.root)/out/\(route.sender)",
                    hint: "The broker's access list keeps its answers \(right)"
                )
            case .forbidden where ending.isAgentAlive:
                .init(
                    .notAllowed,
                    "\(agent) says how it is, but no answer of it comes",
                    hint: "The broker's access list keeps its answers \(right)"
                )
            // One that hangs, and one whose answers the broker drops, look the same to whom it does not let ask.
            case .forbidden, .silent, nil:
                .init(
                    .unreachable,
                    "\(agent) says that it is online, and does not answer",
                    hint: AgentAway.remedy + ". The broker's access list may also keep answers \(right)"
                )
            case .absent: ending
            }
        told.transfers = ending.transfers
        return told
    }

    /// One after the other, whether or not each brings its own full stop.
    static func sentences(_ parts: [String]) -> String {
        parts.filter { !$0.isEmpty }.map { $0.last == "." ? String($0.dropLast()) : $0 }.joined(separator: ". ")
    }
}
