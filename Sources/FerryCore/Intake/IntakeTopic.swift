/// What a sender's topic says, below `otaferry/v1/<gateway>/in/<sender>/`.
package enum IntakeTopic: Sendable, Equatable {
    /// `put/<product>/<version>[/<file name>]`: the payload is the whole firmware.
    case oneShot(sender: Name, product: Name, version: Name, fileName: String?)
    /// `t/<id>/…`: one step of a delivery in segments.
    case step(TransferAddress, Step)

    /// One step of a delivery in segments.
    package enum Step: Sendable, Equatable {
        case initialize
        case segment(offset: Int64, checksum: Digest?)
        case finish(size: Int64, checksum: Digest?)
        case abort
        case query
    }

    /// Why a topic is none of these, and whom to tell.
    package struct Refusal: Error, Sendable, Equatable {
        /// The transfer it names, where it names one.
        package var address: TransferAddress?
        /// Who sent a firmware in one message, which has no transfer id in its topic.
        package var oneShotSender: Name?
        /// A sentence for the sender.
        package var text: String

        package init(address: TransferAddress?, oneShotSender: Name? = nil, text: String) {
            self.address = address
            self.oneShotSender = oneShotSender
            self.text = text
        }
    }

    /// Offsets and sizes end here: far above any file that is accepted, far below overflow.
    private static let numberLimit: Int64 = 1 << 48

    /// Reads the levels after `…/in/`.
    package init(levels: [Substring]) throws(Refusal) {
        guard let first = levels.first, let sender = Name(first) else {
            throw Refusal(address: nil, text: "The sender's name must match [A-Za-z0-9._-]{1,64}")
        }
        switch levels.dropFirst().first {
        case "put": self = try Self.oneShot(sender: sender, levels: levels.dropFirst(2))
        case "t": self = try Self.step(sender: sender, levels: levels.dropFirst(2))
        default: throw Refusal(address: nil, text: "After the sender's name comes put/… or t/…")
        }
    }

    private static func oneShot(sender: Name, levels: ArraySlice<Substring>) throws(Refusal) -> IntakeTopic {
        let parts = Array(levels)
        guard (2...3).contains(parts.count), let product = Name(parts[0]), let version = Name(parts[1]) else {
            throw Refusal(
                address: nil,
                oneShotSender: sender,
                text: "Expected put/<product>/<version>[/<file name>], each name of [A-Za-z0-9._-]{1,64}"
            )
        }
        let fileName = parts.count == 3 ? String(parts[2]) : nil
        if let fileName, let problem = FileName.problem(with: fileName) {
            throw Refusal(address: nil, oneShotSender: sender, text: problem)
        }
        return .oneShot(sender: sender, product: product, version: version, fileName: fileName)
    }

    private static func step(sender: Name, levels: ArraySlice<Substring>) throws(Refusal) -> IntakeTopic {
        guard let first = levels.first, let id = Name(first) else {
            throw Refusal(address: nil, text: "The transfer id must match [A-Za-z0-9._-]{1,64}")
        }
        let address = TransferAddress(sender: sender, id: id)
        do {
            return .step(address, try Step(levels: Array(levels.dropFirst())))
        } catch {
            throw Refusal(address: address, text: error.text)
        }
    }

    /// A decimal number without sign; nil for anything else or above the limit.
    static func number(_ text: Substring) -> Int64? {
        guard (1...15).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }),
            let value = Int64(text), value <= numberLimit
        else { return nil }
        return value
    }
}

extension IntakeTopic.Step {
    /// What is wrong with the levels after the transfer id.
    package struct Problem: Error, Sendable {
        package var text: String
        /// The step is none of those that there are.
        package var isUnknownStep = false
    }

    private static let expectation = "Expected init, <offset>, fin/<size>, abort or query after the transfer id"

    /// Reads `init`, `<offset>[/<sha256>]`, `fin/<size>[/<sha256>]`, `abort` or `query`.
    package init(levels: [Substring]) throws(Problem) {
        switch (levels.first, levels.count) {
        case ("init", 1): self = .initialize
        case ("abort", 1): self = .abort
        case ("query", 1): self = .query
        case ("fin", 1): throw Problem(text: "fin needs the size of the file: fin/<size>")
        case ("fin", 2...3):
            guard let size = IntakeTopic.number(levels[1]) else {
                throw Problem(text: "The size in fin/<size> must be a decimal number of bytes")
            }
            self = .finish(size: size, checksum: try Self.checksum(levels.dropFirst(2).first))
        case (.some(let first), 1...2):
            guard let offset = IntakeTopic.number(first) else {
                throw Problem(text: Self.expectation, isUnknownStep: true)
            }
            self = .segment(offset: offset, checksum: try Self.checksum(levels.dropFirst().first))
        default:
            throw Problem(text: Self.expectation, isUnknownStep: true)
        }
    }

    private static func checksum(_ text: Substring?) throws(Problem) -> Digest? {
        guard let text else { return nil }
        guard let digest = Digest(lenientSHA256Hex: text) else {
            throw Problem(text: "The checksum must be a SHA-256 in hexadecimal digits")
        }
        return digest
    }
}
