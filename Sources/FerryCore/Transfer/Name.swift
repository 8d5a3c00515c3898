/// A name that may stand in a topic: 1 to 64 of letters, digits, dot, underscore and hyphen.
package struct Name: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// What a text has to be, for messages.
    package static let expectation = "1 to 64 of letters, digits, dot, underscore and hyphen"

    /// The text of the name.
    package let text: String

    /// Takes a text that is a name; nil for any other.
    package init?(_ text: some StringProtocol) {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed) else { return nil }
        self.text = String(text)
    }

    private static func isAllowed(_ unit: UInt8) -> Bool {
        switch unit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    package static func < (left: Name, right: Name) -> Bool { left.text < right.text }
    package var description: String { text }
}

/// Which transfer: one sender's name for one firmware file on its way.
package struct TransferAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Who delivers it.
    package let sender: Name
    /// The sender's own name for it.
    package let id: Name

    package init(sender: Name, id: Name) {
        self.sender = sender
        self.id = id
    }

    /// Reads `<sender>/<id>`.
    package init?(parsing text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let sender = Name(parts[0]), let id = Name(parts[1]) else { return nil }
        self.init(sender: sender, id: id)
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.sender.text, left.id.text) < (right.sender.text, right.id.text)
    }
    package var description: String { "\(sender)/\(id)" }
}
