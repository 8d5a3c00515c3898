import FerryCore

/// The topics of one delivery.
struct PushTopics: Sendable {
    /// `…/in/<sender>/t/<id>`, without the step.
    let intake: String
    let acknowledgement: String
    let state: String
    let progress: String

    init(root: String, address: TransferAddress) {
        intake = "\(root)/in/\(address.sender)/t/\(address.id)"
        acknowledgement = "\(root)/out/\(address)/ack"
        state = "\(root)/state/\(address)"
        progress = "\(root)/progress/\(address)"
    }

    /// What a sender listens to for it.
    var incoming: [String] { [acknowledgement, state, progress] }

    /// How the agent itself is.
    static func status(root: String) -> String { "\(root)/status" }
}
