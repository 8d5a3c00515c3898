import FerryCore

/// What a person types where the agent's hint names the command `describe`: the whole of it, with the transfer and what is
/// to be said.
enum DescribeHint {
    /// How the hints of the agent, which are read by people and by programs on MQTT, name the command.
    private static let names = ["the command describe", "`otaferry describe`"]

    /// - Parameter firmware: the member `firmware` of the transfer's state.
    static func hint(for reason: Reason, firmware: JSONValue?, address: TransferAddress, _ followUp: FollowUp) -> String
    {
        func command(_ more: [String]) -> String { followUp.command("describe", address, more) }
        if reason.code == .needsMetadata && reason.cloudCode == nil {
            let missing = ["product", "version"].filter { firmware?[$0] == nil }
            return missing.isEmpty
                ? "Configure the product again, or name another: \(command([Self.named("product")]))"
                : "Supply what is missing: \(command(missing.map(Self.named)))"
        }
        let option = option(for: reason)
        let hint = names.reduce(followUp.completed(reason.hint)) {
            $0.replacing($1, with: command([Self.named(option ?? "version")]))
        }
        // Which of them it is, nobody has said.
        guard option == nil, names.contains(where: { reason.hint.contains($0) }) else { return hint }
        return PushHints.sentences([hint, "Or, as the sentence says: \(others)"])
    }

    /// `--version VERSION`
    private static func named(_ option: String) -> String {
        "--\(option) \(option.split(separator: "-").last.map { $0.uppercased() } ?? "")"
    }

    private static let others = "--product, --name, --module, --description, --source-version, --custom"

    /// The option that corrects what the reason is about; nil where that is not known.
    static func option(for reason: Reason) -> String? {
        switch reason.code {
        case .nameTaken, .registerUnknown: return "name"
        case .versionTaken, .versionExists: return "version"
        default: break
        }
        // The cloud's code says what it does not take, or its sentence names the parameter.
        let code = reason.cloudCode?.lowercased() ?? ""
        return codes.first { code.contains($0.part) }?.option
            ?? parameters.first { reason.text.contains($0.name) }?.option
    }

    /// Parts of the cloud's codes; those that hold others come first.
    private static let codes: [(part: String, option: String)] = [
        ("srcdestversion", "source-version"), ("srcversion", "source-version"), ("firmwareversion", "version"),
        ("firmwarename", "name"), ("module", "module"), ("firmwaredesc", "description"), ("firmwaretype", "type"),
        ("product", "product"),
    ]

    /// Parameters of the cloud's calls.
    private static let parameters: [(name: String, option: String)] = [
        ("SrcVersion", "source-version"), ("DestVersion", "version"), ("FirmwareName", "name"),
        ("ModuleName", "module"), ("FirmwareDesc", "description"), ("ProductKey", "product"), ("Udi", "custom"),
    ]
}
