import Foundation

/// What the simulated cloud remembers over a restart.
struct Ledger: Sendable, Codable {
    /// A ticket that was given out.
    struct Ticket: Sendable, Codable {
        let key: String
        let url: String
        let issued: Date
    }

    var tickets: [Ticket] = []
    var objects: [String: StoredObject] = [:]
    var firmware: [RegisteredFirmware] = []
}
