import FerryCore

/// The topics of one delivery.
struct PushTopics: Sendable {
    /// `…/in/<sender>/t/<id>`, without the step.
    let intake: String
    let acknowledgement: String
    let state: String
    let progress: String
    let status: String

    init(root: String, address: TransferAddress) {
        intake = "\(root)/in/\(address.sender)/t/\(address.id)"
        acknowledgement = "\(root)/out/\(address)/ack"
        state = "\(root)/state/\(address)"
        progress = "\(root)/progress/\(address)"
        status = "\(root)/status"
    }

    /// What a sender listens to.
    var incoming: [String] { [status, acknowledgement, state, progress] }
}
