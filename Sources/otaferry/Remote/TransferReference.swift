import Agent
import ArgumentParser
import FerryCore

/// What a person types for a transfer: `<sender>/<id>` or `<id>`, or the beginning of an id where it is the only one, also as
/// a table shows it that had to cut it; for a client of EMQX's file transfer also its own file id, whatever that is.
struct TransferReference: ExpressibleByArgument, Sendable {
    let text: String
    /// What was typed.
    private let typed: String
    /// Set where the text was copied from a table that had cut it.
    private let cut: CutAddress?

    /// A beginning shorter than this is more likely a mistake.
    static let shortestBeginning = 6
    private static let pageLimit: Int64 = 500

    init?(argument: String) {
        typed = argument
        if TransferAddress(parsing: argument) != nil || Name(argument) != nil {
            text = argument
            cut = nil
        } else if let address = CutAddress(argument) {
            text = argument
            cut = address
        } else {
            // An ellipsis stands where a table was cut.
            guard !argument.contains("…"), let address = Self.fileAddress(argument) else { return nil }
            text = address.description
            cut = nil
        }
    }

    /// The address of what a client of EMQX's file transfer calls so.
    fileprivate static func fileAddress(_ text: String) -> TransferAddress? {
        let door = FileTransferTopic.sender + "/"
        let id = text.hasPrefix(door) ? String(text.dropFirst(door.count)) : text
        // No topic level that is published to holds a wildcard.
        return id.isEmpty || id.contains { "/#+".contains($0) } ? nil : TransferAddress(ofFile: id)
    }

    /// The transfer that is meant, asking the agent where the sender is not named or the id cut short.
    ///
    /// - Parameter endingVerb: a command that cannot be taken back, where it is for one.
    func resolve(
        _ client: CommandClient,
        sender: Name?,
        endingVerb: String? = nil
    ) async throws(CommandClient.Failure) -> TransferAddress {
        let sender = try self.sender(sender)
        if let address = TransferAddress(parsing: text), try await Self.isKnown(address, client) { return address }
        var found: [TransferAddress] = []
        var after: JSONValue = .null
        repeat {
            var question: [String: JSONValue] = ["limit": .integer(Self.pageLimit)]
            if let sender { question["filter"] = ["sender": .string(sender.text)] }
            if after != .null { question["after"] = after }
            let page = try await client.call("list", question)
            for state in page["states"]?.array ?? [] {
                guard let sender = state["sender"]?.string.flatMap({ Name($0) }),
                    let id = state["id"]?.string.flatMap({ Name($0) })
                else { continue }
                found.append(TransferAddress(sender: sender, id: id))
            }
            after = page["next"] ?? .null
        } while after != .null
        let remedy = "\(client.route.followUp.command("list")) shows them all"
        return try address(among: found, remedy: remedy, endingVerb: endingVerb)
    }

    /// Whose transfers may be meant; nil: anybody's.
    ///
    /// - Parameter named: the one that `--sender` names.
    func sender(_ named: Name?) throws(CommandClient.Failure) -> Name? {
        let address = TransferAddress(parsing: text)
        if let named, let address, named != address.sender { throw contradiction(named) }
        if let named, address == nil, let cut, !cut.fits(named) { throw contradiction(named) }
        return address?.sender ?? named
    }

    /// The one of these that is meant.
    ///
    /// - Parameters:
    ///   - remedy: what tells of those that there are.
    ///   - endingVerb: as for `resolve`.
    func address(
        among found: [TransferAddress],
        remedy: String,
        endingVerb: String? = nil
    ) throws(CommandClient.Failure) -> TransferAddress {
        let whole = TransferAddress(parsing: text)
        if let whole, found.contains(whole) { return whole }
        let id = whole?.id.text ?? text
        let ofSender = whole.map { whole in found.filter { $0.sender == whole.sender } } ?? found
        switch cut.map({ $0.matches(among: ofSender) }) ?? Self.matches(id, among: ofSender) {
        case .one(let address): return address
        case .none:
            let isTooShort = id.utf8.count < Self.shortestBeginning && id.utf8.allSatisfy(Self.isHexadecimal)
            let rule =
                endingVerb.map { "\($0) wants the whole id; " }
                ?? (isTooShort ? "The beginning of an id has \(Self.shortestBeginning) characters at least; " : "")
            throw CommandClient.Failure(
                exit: .failed,
                code: ReasonCode.unknownTransfer.rawValue,
                text: "No transfer is called \(ColumnText.printable(typed))",
                hint: rule + remedy
            )
        case .several(let addresses):
            throw CommandClient.Failure(
                exit: .failed,
                code: "ambiguous",
                text: "\(text) may be " + addresses.prefix(5).map(\.description).joined(separator: ", "),
                hint: "Write more of it, as <sender>/<id>"
            )
        }
    }

    /// Why a command that ends something does not take this text, which is a beginning or was cut by a table: what it means
    /// changes with what else is there. Nil where all of the id stands in it.
    ///
    /// - Parameter address: what it means now.
    func refusal(of verb: String, _ address: TransferAddress, _ followUp: FollowUp) -> CommandClient.Failure? {
        if let cut {
            if cut.isWhole(address) { return nil }
        } else if text == address.description || text == address.id.text {
            return nil
        }
        return CommandClient.Failure(
            exit: .usage,
            code: "ambiguous",
            text: "\(verb) cannot be taken back, so it wants the whole id, of which \(text) is a part",
            hint: "Only one fits now: \(followUp.command(verb, address))"
        )
    }

    /// An address names its sender; `--sender` may say the same, not another.
    private func contradiction(_ sender: Name) -> CommandClient.Failure {
        CommandClient.Failure(
            exit: .usage,
            text: "--sender \(sender) is not the sender of \(text)",
            hint: "Leave --sender out, or name the one that stands in the address"
        )
    }

    private static func isKnown(
        _ address: TransferAddress,
        _ client: CommandClient
    ) async throws(CommandClient.Failure) -> Bool {
        do throws(CommandClient.Failure) {
            _ = try await client.call(
                "get",
                ["sender": .string(address.sender.text), "transfer": .string(address.id.text)]
            )
            return true
        } catch {
            guard error.code == ReasonCode.unknownTransfer.rawValue else { throw error }
            return false
        }
    }

    enum Match: Equatable {
        case none
        case one(TransferAddress)
        case several([TransferAddress])

        init(_ found: [TransferAddress]) {
            guard let first = found.first else {
                self = .none
                return
            }
            self = found.count == 1 ? .one(first) : .several(found.sorted())
        }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }

    /// An id beats the beginning of one.
    static func matches(_ text: String, among addresses: [TransferAddress]) -> Match {
        var found = addresses.filter { $0.id.text == text }
        // Only ids that were computed are written shortened: of pumpctl-1.4.2 and pumpctl-1.4.20 neither means the other.
        if found.isEmpty && text.utf8.count >= shortestBeginning && text.utf8.allSatisfy(isHexadecimal) {
            found = addresses.filter { $0.id.text.hasPrefix(text) }
        }
        return Match(found)
    }
}

/// An address as a table shows it that had not the room for it: `build-ser…/7f3c0123456789ab`, `ci/pumpctl-cont…`.
struct CutAddress: Sendable {
    private struct Part: Sendable {
        let text: String
        let isCut: Bool

        /// Nil where it cannot be, or be the beginning of, a name.
        init?(_ text: Substring) {
            // As in UTF-8 and in ASCII.
            isCut = text.hasSuffix("…") || text.hasSuffix("~")
            self.text = String(isCut ? text.dropLast() : text)
            guard Name(self.text) != nil || isCut && self.text.isEmpty else { return nil }
        }

        func fits(_ name: Name) -> Bool { isCut ? name.text.hasPrefix(text) : name.text == text }
    }

    private let sender: Part?
    private let id: Part
    /// A client of EMQX's file transfer may call a file so.
    private let file: TransferAddress?

    init?(_ text: String) {
        file = TransferReference.fileAddress(text)
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { Part($0) }
        guard let last = parts.last, let id = last, parts.allSatisfy({ $0 != nil }) else { return nil }
        self.id = id
        sender = parts.count == 2 ? parts[0] : nil
        // What a narrow table leaves of an id is taken where it is the only one; of nothing, nothing.
        guard id.isCut || sender?.isCut == true, !id.text.isEmpty else { return nil }
    }

    /// Whether a transfer of this sender may be meant.
    func fits(_ sender: Name) -> Bool { self.sender?.fits(sender) ?? true }

    /// Whether it is all of what a client calls this file, though it looks as if it was cut.
    func isWhole(_ address: TransferAddress) -> Bool { address == file }

    func matches(among addresses: [TransferAddress]) -> TransferReference.Match {
        if let file, addresses.contains(file) { return .one(file) }
        return TransferReference.Match(addresses.filter { fits($0.sender) && id.fits($0.id) })
    }
}
