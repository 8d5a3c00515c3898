import FerryCore

/// Commands that hints name, to be pasted into a shell: with the options of this command that say which broker and which
/// gateway are meant, and who asks. What came from the environment or a configuration file is found there again.
struct FollowUp: Sendable {
    private let options: [String]

    /// Where no option was given.
    static let plain = FollowUp(options: [])

    private init(options: [String]) { self.options = options }

    init(_ options: BrokerOptions) {
        // None of them is a secret: a URL with a password in it is refused.
        let given = [
            ("--config", options.configuration), ("--broker", options.broker), ("--gateway", options.gateway),
            ("--username", options.username), ("--password-file", options.passwordFile),
            ("--ca-file", options.caFile), ("--cert-file", options.certificateFile), ("--key-file", options.keyFile),
        ]
        self.init(
            options: given.compactMap { name, value in
                // What begins with a hyphen would be taken for an option.
                value.map { "\(name)\($0.hasPrefix("-") || $0.isEmpty ? "=" : " ")\($0.shellWord)" }
            }
        )
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
        words += more + options
        if let argument, isLikeOption { words += ["--", argument.shellWord] }
        return words.joined(separator: " ")
    }

    func command(_ verb: String, _ address: TransferAddress, _ more: [String] = []) -> String {
        command(verb, address.description, more)
    }

    /// Commands that hints of the agent name, which does not know how it is reached.
    private static let verbsOfAgent = ["list", "resume"]
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
