import Crypto
import FerryCore

/// What a person wants to push, before the file is read.
struct PushOrder: Sendable {
    var firmware: [String: JSONValue] = [:]
    var product: Name
    var version: Name
    var module: Name?
    var kind = FirmwareMetadata.Kind.full
    var sourceVersion: Name?
    var goal = PushGoal.registered
    var timeLimit: Duration?
    var segment: Int64 = SendingMachine.Limits().segment
    /// Whether something of the transfer has to be there already.
    var mustResume = false

    /// The transfer's id: from the content and what it is, so that repeating a command is harmless.
    ///
    /// The first 16 hexadecimal digits of the SHA-256 over these, each with a line's end behind it: the file's SHA-256,
    /// product, version, module, type, source version; empty where not given.
    func transferID(of digest: FerryCore.Digest) -> Name {
        let parts = [
            digest.hex, product.text, version.text, module?.text ?? "", kind.rawValue, sourceVersion?.text ?? "",
        ]
        let text = parts.map { $0 + "\n" }.joined()
        let hex = FerryCore.Digest(bytes: SHA256.hash(data: Array(text.utf8))).hex
        guard let name = Name(String(hex.prefix(16))) else {
            preconditionFailure("Cannot miss a name: hexadecimal digits are one")
        }
        return name
    }

    /// The payload of `init`.
    func document(name: String, size: Int64, digest: FerryCore.Digest) -> JSONValue {
        [
            "name": .string(name), "size": .integer(size), "checksum": .string(digest.hex),
            "firmware": .object(firmware),
        ]
    }
}
