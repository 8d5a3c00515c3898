import FerryCore

extension JSONValue {
    /// A member that is a whole number; XML has it as text.
    func number(_ name: String) -> Int64? { self[name]?.integer ?? self[name]?.string.flatMap { Int64($0) } }
}

/// The envelope of an RPC answer, from whatever it was written in.
struct PlatformAnswer: Sendable {
    let requestID: String?
    /// nil in gateway errors, which do not have it.
    let success: Bool?
    let code: String?
    let message: String
    /// Everything, the members beside `Data` included.
    let content: JSONValue

    /// Reads a body, JSON or XML whatever was asked for: a gateway's errors need not follow. nil when it is neither, or
    /// says nothing that the envelope has.
    init?(_ body: [UInt8]) {
        let isXML = body.first { !Self.blanks.contains($0) } == UInt8(ascii: "<")
        guard let content = isXML ? Self.content(xml: body) : try? JSONValue(parsing: body), content.object != nil
        else {
            return nil
        }
        func text(_ names: String...) -> String? { names.lazy.compactMap { content[$0]?.string }.first }
        requestID = text("RequestId", "requestId")
        success = Self.flag(content["Success"] ?? content["success"])
        code = text("Code", "code").flatMap { $0.isEmpty ? nil : $0 }
        message = text("ErrorMessage", "Message", "message") ?? ""
        self.content = content
        if success == nil, code == nil, requestID == nil { return nil }
    }

    private static let blanks: [UInt8] = [0x20, 0x09, 0x0a, 0x0d]

    /// The root is `<ApiName>Response`, or `<Error>` in gateway errors.
    private static func content(xml body: [UInt8]) -> JSONValue? {
        guard let root = XMLElement(parsing: body), root.name == "Error" || root.name.hasSuffix("Response") else {
            return nil
        }
        return root.json
    }

    /// Whether the call was done, as far as the envelope tells.
    func isSuccess(of call: RPCCall) -> Bool { call.hasSuccessMember ? success == true : code == nil }

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
