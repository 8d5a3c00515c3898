/// What a person can do where no agent answers.
enum AgentAway {
    /// How to look what became of it.
    static let remedy = "On the gateway: systemctl status otaferry, journalctl -u otaferry"
    /// The same where it may also be that another gateway was meant.
    static let remedyOrOther = remedy + "; --gateway names another"
}
