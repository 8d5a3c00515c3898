import FerryCore

/// Values that a test knows to be right.
enum Known {
    static func name(_ text: String) -> Name {
        guard let name = Name(text) else { preconditionFailure("\(text) is no name") }
        return name
    }

    static let address = TransferAddress(sender: name("ci"), id: name("one"))

    static func digest(_ byte: UInt8) -> Digest { Digest(bytes: [UInt8](repeating: byte, count: 32)) }

    static let catalog = ProductCatalog(
        entries: [
            .init(
                alias: name("pumpctl"),
                productKey: "a1B2c3D4e5F",
                module: "mcu",
                nameTemplate: "{product}-{version}-{module}"
            )
        ],
        acceptsAnyKey: false
    )

    static func metadata(_ document: JSONValue) -> FirmwareMetadata {
        do { return try FirmwareMetadata(json: document) } catch { preconditionFailure(error.text) }
    }

    static func request(_ document: JSONValue) -> TransferRequest {
        do { return try TransferRequest(document: document) } catch { preconditionFailure(error.text) }
    }

    /// By bytes: for characters a slash and an accent after it are one.
    static func levels(_ text: String) -> [Substring] {
        text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Substring($0) }
    }
}
