/// What a person can do where no agent answers.
enum AgentAway {
    /// How to look what became of it.
    static let remedy = "On the gateway: systemctl status otaferry, journalctl -u otaferry"
}
