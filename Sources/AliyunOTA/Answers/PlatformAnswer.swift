import FerryCore

/// The envelope of an RPC answer, from whatever it was written in.
struct PlatformAnswer: Sendable {
    let requestID: String?
    /// nil in gateway errors, which do not have it.
    let success: Bool?
    let code: String?
    let message: String
    /// Everything, the members beside `Data` included.
    let content: JSONValue

    /// Reads a JSON body; nil when it is none, or says nothing that the envelope has.
    init?(json body: [UInt8]) {
        guard let content = try? JSONValue(parsing: body), content.object != nil else { return nil }
        func text(_ names: String...) -> String? { names.lazy.compactMap { content[$0]?.string }.first }
        requestID = text("RequestId", "requestId")
        success = Self.flag(content["Success"] ?? content["success"])
        code = text("Code", "code").flatMap { $0.isEmpty ? nil : $0 }
        message = text("ErrorMessage", "Message", "message") ?? ""
        self.content = content
        if success == nil, code == nil { return nil }
    }

    /// The member `Data`; nil where it is absent, null or empty.
    var data: JSONValue? { content["Data"] }

    private static func flag(_ value: JSONValue?) -> Bool? {
        if let flag = value?.bool { return flag }
        switch value?.string?.lowercased() {
        case "true": return true
        case "false": return false
        default: return nil
        }
    }
}
