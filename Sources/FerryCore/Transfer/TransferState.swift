/// Where a transfer stands (`docs/mqtt-api.md`, states). The raw values are stored and published: never reuse one.
package enum TransferState: String, Sendable, Hashable, CaseIterable {
    /// Bytes are still expected.
    case receiving
    /// All bytes are durable and their digest is verified; waits for publication.
    case stored
    /// An upload ticket is being asked for.
    case ticketing
    /// The bytes are on their way to OSS.
    case uploading
    /// OSS has the bytes; the firmware is being registered.
    case registering
    /// The cloud has the firmware. Final.
    case registered
    /// Waits for something a person can mend.
    case held
    /// Permanent until `retry`. Final.
    case failed
    /// Ended by an operator. Final.
    case cancelled
    /// Ended by its time. Final.
    case expired

    /// Whether nothing more will happen to it by itself.
    package var isFinal: Bool {
        switch self {
        case .registered, .failed, .cancelled, .expired: true
        case .receiving, .stored, .ticketing, .uploading, .registering, .held: false
        }
    }

    /// Whether the publisher is at work on it.
    package var isPublishing: Bool {
        switch self {
        case .ticketing, .uploading, .registering: true
        default: false
        }
    }
}
