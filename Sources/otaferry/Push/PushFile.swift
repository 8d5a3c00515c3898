import FerryCore

/// One file of a push, read and named, before it is sent.
struct PushFile: Sendable {
    var source: FirmwareSource
    var digest: Digest
    var address: TransferAddress
    /// The payload of `init`.
    var document: JSONValue
}
