import FerryCore

/// Commands that hints name, to be pasted into a shell: with the options of this command that say which broker and which
/// gateway are meant, and who asks. What came from the environment or a configuration file is found there again.
struct FollowUp: Sendable {
    private struct Option {
        let words: String
        /// Whether it says who asks.
        let isCredential: Bool
    }

    private let options: [Option]
    /// Whether who gave the options is taken for one who may not command the agent: a sender, in most access lists.
    private var isForOperator = false

    /// Where no option was given.
    static let plain = FollowUp(options: [])

    private init(options: [Option]) { self.options = options }

    init(_ options: BrokerOptions) {
        // None of them is a secret: a URL with a password in it is refused.
        self.init([
            ("--config", options.configuration, false), ("--broker", options.broker, false),
            ("--gateway", options.gateway, false), ("--username", options.username, true),
            ("--password-file", options.passwordFile, true), ("--ca-file", options.caFile, false),
            ("--cert-file", options.certificateFile, true), ("--key-file", options.keyFile, true),
        ])
    }

    /// For what an operator does about what `doctor` found: who the agent is at the broker is its own affair.
    init(configuration: String?, _ options: AgentBrokerOptions) {
        self.init([
            ("--config", configuration, false), ("--broker", options.broker, false),
            ("--gateway", options.gateway, false), ("--ca-file", options.caFile, false),
        ])
    }

    private init(_ given: [(name: String, value: String?, isCredential: Bool)]) {
        self.init(
            options: given.compactMap { name, value, isCredential in
                // What begins with a hyphen would be taken for an option.
                value.map {
                    let words = "\(name)\($0.hasPrefix("-") || $0.isEmpty ? "=" : " ")\($0.shellWord)"
                    return Option(words: words, isCredential: isCredential)
                }
            }
        )
    }

    /// The same for hints of one who may not command the agent: commands that need that right come without the user name,
    /// password file and certificate, with which the broker would refuse them.
    var forOperator: FollowUp {
        var copy = self
        copy.isForOperator = true
        return copy
    }

    /// What senders may do too: these send, or only read what the broker keeps for them.
    private static let verbsOfSenders: Set<String> = ["push", "status", "watch"]

    /// A hint that says once whose commands these are, where they come without the credentials of the one who reads it.
    func attributed(_ hint: String) -> String {
        guard isForOperator, options.contains(where: \.isCredential), !hint.contains("operator") else { return hint }
        let program = "otaferry "
        var rest = hint[...]
        while let name = rest.firstRange(of: program) {
            let verb = String(hint[name.upperBound...].prefix(while: \.isLetter))
            guard Otaferry.commandNames.contains(verb), !Self.verbsOfSenders.contains(verb) else {
                rest = hint[name.upperBound...]
                continue
            }
            let before = hint[..<name.lowerBound]
            let command = hint[name.lowerBound...]
            if before.hasSuffix(" with ") { return "\(Self.ofOperator(before))\(command)" }
            if before.hasSuffix(": ") { return "\(before.dropLast(2)); an operator: \(command)" }
            let isBeginning = before.isEmpty || before.hasSuffix(". ")
            return "\(before)\(isBeginning ? "An" : "an") operator: \(command)"
        }
        return hint
    }

    /// `An operator can give it another name with `: what a hint says to do, up to the command, as something for others.
    private static func ofOperator(_ hint: Substring) -> String {
        let begin = hint.ranges(of: ". ").last?.upperBound ?? hint.startIndex
        return "\(hint[..<begin])An operator can \(hint[begin...].prefix(1).lowercased())\(hint[begin...].dropFirst())"
    }

    /// `otaferry describe ci/7f3c --version VERSION --gateway gw2`
    ///
    /// - Parameters:
    ///   - argument: a transfer, or what stands for one.
    ///   - more: options of that command.
    func command(_ verb: String, _ argument: String? = nil, _ more: [String] = []) -> String {
        var words = ["otaferry", verb]
        let isLikeOption = argument?.hasPrefix("-") == true
        if let argument, !isLikeOption { words.append(argument.shellWord) }
        words +=
            more
            + options.filter { !($0.isCredential && isForOperator && !Self.verbsOfSenders.contains(verb)) }.map(\.words)
        if let argument, isLikeOption { words += ["--", argument.shellWord] }
        return words.joined(separator: " ")
    }

    func command(_ verb: String, _ address: TransferAddress, _ more: [String] = []) -> String {
        command(verb, address.description, more)
    }

    /// Commands that hints of the agent name, which does not know how it is reached.
    private static let verbsOfAgent = ["list", "resume", "status", "sync"]
    /// The same as programs on MQTT know them.
    private static let verbsOnWire = ["limits", "resume"]

    /// A hint of the agent, with what is missing in its commands.
    func completed(_ hint: String) -> String {
        let told = Self.verbsOfAgent.reduce(hint) { $0.replacing("otaferry \($1)", with: command($1)) }
        return Self.verbsOnWire.reduce(told) { hint, verb in
            ["the", "The"].reduce(hint) { $0.replacing("\($1) command \(verb)", with: command(verb)) }
        }
    }
}
