/// The error document of OSS.
struct StorageAnswer: Sendable, Equatable {
    let code: String
    let message: String
    let requestID: String?

    /// Reads `<Error>` with at least a code; nil for anything else.
    init?(xml body: [UInt8]) {
        guard let root = XMLElement(parsing: body), root.name == "Error", let code = root["Code"]?.text, !code.isEmpty
        else { return nil }
        self.code = code
        message = root["Message"]?.text ?? ""
        requestID = root["RequestId"]?.text
    }
}
