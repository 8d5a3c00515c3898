package import FerryCore

/// Where the broker is and how to be let in.
package struct BrokerAccess: Sendable {
    /// How the bytes travel.
    package enum Transport: Sendable, Equatable {
        case tcp(host: String, port: Int)
        case tls(host: String, port: Int)
        case unixSocket(path: String)
    }

    package var transport: Transport
    package var username: String?
    package var password: String?
    /// CA certificates in PEM; nil for the system's store.
    package var caFile: String?
    package var certificateFile: String?
    package var keyFile: String?

    package init(transport: Transport) { self.transport = transport }
}

/// How one connection behaves.
package struct BrokerLinkSettings: Sendable {
    /// For logs and the thread's name: `data`, `control`.
    package var name: String
    package var address: BrokerAccess
    package var clientID: String
    package var session: Session
    /// A PINGREQ goes out after this much silence; 5 seconds or more.
    package var keepAlive: Duration = .seconds(30)
    /// At most this many unacknowledged QoS 1 messages come in; it bounds the memory.
    package var receiveMaximum = 20
    /// At most this many unacknowledged QoS 1 messages go out.
    package var sendMaximum = 20
    /// The broker withholds larger packets; nil for no limit.
    package var maximumPacket: ByteCount?
    package var will: OutboundMessage?
    package var subscriptions: [Subscription] = []
    /// Delays between attempts.
    package var backoff = Backoff(minimum: .milliseconds(500), maximum: .seconds(30))
    /// CONNACK and the SUBACKs have to come within this time.
    package var handshakeLimit: Duration = .seconds(10)
    /// A connection that lived shorter than this does not reset the back-off.
    package var soundAfter: Duration = .seconds(10)
    /// Messages and bytes that may wait to be published.
    package var queueLimit: (messages: Int, bytes: ByteCount) = (2_000, .mebibytes(8))
    /// The most that is handed over at once. Memory is needed for two such batches.
    package var batchLimit = BatchLimit()
    /// Whether a batch of nothing but small messages on such topics waits a moment for more of them; nil: never.
    package var mayWait: (@Sendable (_ topic: String) -> Bool)?

    /// What the broker keeps for us while we are away.
    package enum Session: Sendable, Equatable {
        /// Nothing.
        case clean
        /// Subscriptions and QoS 1 messages, for so long (MQTT 3.1.1: for ever).
        case persistent(expiry: Duration)
    }

    package init(name: String, address: BrokerAccess, clientID: String, session: Session) {
        self.name = name
        self.address = address
        self.clientID = clientID
        self.session = session
    }

    /// For a connection that ends with the broker's answer: it touches nothing that the broker keeps for us.
    var forTrial: BrokerLinkSettings {
        var trial = self
        trial.clientID += "-trial"
        trial.session = .clean
        trial.will = nil
        return trial
    }
}

/// A topic filter, always at QoS 1.
package struct Subscription: Sendable {
    package var filter: String
    /// Whether messages that the broker keeps are wanted at the start.
    package var retained: Retained
    /// Whether the connection is of no use without it.
    package var need: Need

    /// What follows when the broker refuses it.
    package enum Need: Sendable {
        /// The connection is given up and tried again.
        case required
        /// The connection goes on without.
        case optional
    }

    /// MQTT 5's Retain Handling; with 3.1.1 the broker always sends what it keeps.
    package enum Retained: Sendable {
        case send
        case withhold
    }

    package init(_ filter: String, retained: Retained, need: Need = .required) {
        self.filter = filter
        self.retained = retained
        self.need = need
    }
}
