import Agent
import ArgumentParser
import FerryCore

/// What a person types for a transfer: `<sender>/<id>` or `<id>`, or the beginning of an id where it is the only one; for a
/// client of EMQX's file transfer also its own file id, whatever that is.
struct TransferReference: ExpressibleByArgument, Sendable {
    let text: String

    /// A beginning shorter than this is more likely a mistake.
    static let shortestBeginning = 6
    private static let pageLimit: Int64 = 500

    init?(argument: String) {
        if TransferAddress(parsing: argument) != nil || Name(argument) != nil {
            text = argument
        } else {
            let door = FileTransferTopic.sender + "/"
            let id = argument.hasPrefix(door) ? String(argument.dropFirst(door.count)) : argument
            // An ellipsis stands where a table was cut.
            guard !id.isEmpty, !id.contains("/"), !id.contains("…"), let address = TransferAddress(ofFile: id) else {
                return nil
            }
            text = address.description
        }
    }

    /// The transfer that is meant, asking the agent where the sender is not named or the id cut short.
    func resolve(_ client: CommandClient, sender: Name?) async throws(CommandClient.Failure) -> TransferAddress {
        var sender = sender
        var id = text
        if let address = TransferAddress(parsing: text) {
            if let problem = Self.contradiction(address, sender) { throw problem }
            if try await Self.isKnown(address, client) { return address }
            (sender, id) = (address.sender, address.id.text)
        }
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
        switch Self.matches(id, among: found) {
        case .one(let address): return address
        case .none:
            throw CommandClient.Failure(
                exit: .failed,
                code: ReasonCode.unknownTransfer.rawValue,
                text: "No transfer is called \(text)",
                hint: id.utf8.count < Self.shortestBeginning && id.utf8.allSatisfy(Self.isHexadecimal)
                    ? "The beginning of an id has \(Self.shortestBeginning) characters at least; otaferry list shows them all"
                    : "otaferry list shows them all"
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

    /// An address names its sender; `--sender` may say the same, not another.
    static func contradiction(_ address: TransferAddress, _ sender: Name?) -> CommandClient.Failure? {
        guard let sender, sender != address.sender else { return nil }
        return CommandClient.Failure(
            exit: .usage,
            text: "--sender \(sender) is not the sender of \(address)",
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
        guard let first = found.first else { return .none }
        return found.count == 1 ? .one(first) : .several(found.sorted())
    }
}
