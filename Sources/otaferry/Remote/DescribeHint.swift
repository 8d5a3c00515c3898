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
                ? "Configure the product again, or name another: \(command(["--product PRODUCT"]))"
                : "Supply what is missing: \(command(missing.map { "--\($0) \($0.uppercased())" }))"
        }
        let said: [String] =
            switch reason.code {
            case .nameTaken, .registerUnknown: ["--name NAME"]
            case .versionTaken, .versionExists: ["--version VERSION"]
            default: []
            }
        return names.reduce(followUp.completed(reason.hint)) { $0.replacing($1, with: command(said)) }
    }
}
