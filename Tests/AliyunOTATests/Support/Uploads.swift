@testable import AliyunOTA

extension HTTPRequest {
    /// A body out of a stream, as an upload has it.
    static func upload(
        to url: String,
        length: Int64,
        stall: Duration = .seconds(20),
        next: @escaping @Sendable () async throws -> [UInt8]?
    ) -> HTTPRequest {
        var request = HTTPRequest(.post, url: url)
        request.body = .stream(length: length, BodySource(next: next))
        request.headers = [HTTPHeader("Content-Type", "application/octet-stream")]
        request.timeout = nil
        request.stallTimeout = stall
        return request
    }
}

extension ScriptedPeer {
    /// A server that reads a body only when the gate opens, and takes it then.
    static func reading(_ size: Int, after gate: Gate) throws -> ScriptedPeer {
        try ScriptedPeer { connection in
            guard connection.readHead() != nil else { return }
            gate.wait()
            connection.drain(size)
            connection.answer(200)
        }
    }
}
