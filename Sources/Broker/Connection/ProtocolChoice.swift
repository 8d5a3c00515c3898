/// Which version of MQTT is spoken next: 5, or 3.1.1 where the broker has no more.
///
/// Some brokers that only know 3.1.1 hang up on anything else, without a word; and so do a forwarder whose broker is not
/// there yet, and a broker that is full. To tell them apart, 3.1.1 is tried after two hang-ups, and where it is taken, 5 is
/// tried once more before 3.1.1 is spoken in earnest: much of what a message says is only there in 5.
struct ProtocolChoice: Sendable, Equatable {
    /// The protocol level of CONNECT.
    enum Version: Int32, Sendable {
        case mqtt311 = 4
        case mqtt5 = 5
    }

    /// How a connection ended.
    enum Ending: Sendable, Equatable {
        /// The broker said that it does not know this version.
        case versionRefused
        /// The broker took the connection and closed it before it had answered CONNECT.
        case hangUp
        /// CONNECT was answered. That is all a trial wants to know.
        case welcomed
        /// It never came to an answer, or to another refusal.
        case other
    }

    private(set) var version = Version.mqtt5
    private var hangUps = 0
    /// The broker has answered CONNECT of MQTT 5.
    private var knowsFive = false
    /// The broker has taken 3.1.1 after it had hung up on 5, or has refused 5 in words.
    private var takesOld = false

    private static let hangUpsBeforeTrial = 2

    /// Whether the next connection only finds out whether the broker takes 3.1.1.
    var isTrial: Bool { version == .mqtt311 && !takesOld }

    mutating func ended(_ ending: Ending) {
        switch (ending, version) {
        case (.versionRefused, .mqtt5):
            takesOld = true
            version = .mqtt311
        case (.welcomed, .mqtt5):
            self = ProtocolChoice()
            knowsFive = true
        case (.welcomed, .mqtt311) where isTrial:
            takesOld = true
            version = .mqtt5
        case (.welcomed, .mqtt311):
            // It may have been replaced by one that knows more.
            self = ProtocolChoice()
        case (.hangUp, .mqtt5) where takesOld: version = .mqtt311
        case (.hangUp, .mqtt5):
            hangUps += 1
            if !knowsFive && hangUps.isMultiple(of: Self.hangUpsBeforeTrial) { version = .mqtt311 }
        case (.hangUp, .mqtt311), (.versionRefused, .mqtt311):
            takesOld = false
            version = .mqtt5
        case (.other, _): hangUps = 0
        }
    }
}
