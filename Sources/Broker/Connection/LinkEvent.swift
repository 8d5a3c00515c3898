package import FerryCore

/// What happens to a connection; told on the connection's own thread, in order.
package enum LinkEvent: Sendable {
    /// The broker let us in and granted every subscription.
    case connected(Welcome)
    /// The broker would not let us in, or would not grant a subscription. The connection tries again by itself.
    case refused(LinkError)
    /// The connection is gone or could not be made. It tries again by itself.
    case lost(LinkError)
    /// The broker acknowledged the message with this receipt. `reasonCode` is MQTT 5's: 0 done, 16 nobody subscribed,
    /// 128 or more refused.
    case acknowledged(receipt: Int64, reasonCode: Int32)
    /// Messages were refused because the queue was full, and there is room again.
    case hasRoomAgain
}

/// What CONNACK said.
package struct Welcome: Sendable, Equatable {
    /// Whether the broker still had our session.
    package var sessionIsPresent = false
    /// The broker's Maximum Packet Size, if it has one.
    package var maximumPacket: ByteCount?
    /// How many unacknowledged messages the broker takes; nil: it does not say, which means 65,535.
    package var receiveMaximum: Int?
    /// The best quality of service that it grants.
    package var maximumQuality = 2
    package var isRetainAvailable = true
    /// 5, or 4 for MQTT 3.1.1.
    package var protocolVersion: Int32 = 5

    package init() {}
}

/// Why a connection failed.
package struct LinkError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        case unreachable
        case tls
        case notAuthorized
        case refused
        case subscriptionRefused
        case lost
        case silent
        /// Another client of the same id has come.
        case takenOver
        /// What came in could not be stored.
        case notStored
        case library
    }

    package var code: Code
    /// A sentence for a person.
    package var text: String
    /// libmosquitto's code or MQTT's reason code.
    package var number: Int32
    /// Whether the port likely speaks otherwise than it was spoken to.
    package var misfit: Misfit?
    /// What is wrong with certificates, where that is known.
    package var trouble: TLSTrouble?

    /// What the end of a connection before the broker's first word likely means.
    package enum Misfit: Sendable, Equatable {
        /// TLS was spoken to a port that speaks MQTT without it.
        case plainPort
        /// TLS was spoken, and the other end hung up at its first bytes: a port without TLS, a forwarder without its
        /// broker, or somebody between who does not let TLS through.
        case hungUp
        /// MQTT without TLS was spoken, and the other end hung up, as ports that speak TLS do.
        case securePort
        /// The file of a Unix socket lets only others in.
        case closedSocket
    }

    package init(_ code: Code, _ text: String, number: Int32 = 0) {
        self.code = code
        self.text = text
        self.number = number
    }

    package var description: String { text }

    /// Whether the broker answered and said no: a person has to change something.
    package var isRefusal: Bool {
        switch code {
        case .notAuthorized, .refused, .subscriptionRefused: true
        case .unreachable, .tls, .lost, .silent, .takenOver, .notStored, .library: false
        }
    }
}
