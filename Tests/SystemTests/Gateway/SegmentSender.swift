import FerryCore
import Foundation
import TestSupport

/// A sender that goes as fast as the rule for senders lets it: bytes sent − `received` ≤ `credit`, only what is missing,
/// and a `query` when nothing is heard.
struct SegmentSender {
    let client: MQTTClient
    let firmware: TestFirmware
    let id: String
    var sender = "ci"
    /// Bytes in a segment.
    var segment = 256 << 10

    private var topic: String { "\(Gateway.root)/in/\(sender)/t/\(id)" }
    private var answers: String { "\(Gateway.root)/out/\(sender)/\(id)/ack" }

    /// Sends `init`, all bytes and `fin`; returns when the agent says that the file is stored, whatever happens to agent
    /// and broker meanwhile. `progress` is told the bytes that the agent has acknowledged.
    func run(within limit: Duration = .seconds(120), progress: (Int64) async throws -> Void = { _ in }) async throws {
        let deadline = ContinuousClock.now + limit
        var heard = client.messages(on: answers).count
        try await client.publish(topic + "/init", firmware.initialization())
        var answer = try await truth(after: heard, until: deadline)
        heard = client.messages(on: answers).count
        var left = missing(answer)
        var underWay = 0
        while ContinuousClock.now < deadline {
            guard let state = answer["state"]?.string else {
                throw TestSupportError("The agent refused: \(answer.text)")
            }
            if state != TransferState.receiving.rawValue { return }
            let received = Int(answer["received"]?.integer ?? 0)
            try await progress(Int64(received))
            try await send(&left, &underWay, credit: Int(answer["credit"]?.integer ?? 0))
            if received == firmware.bytes.count { try await client.publish(topic + "/" + firmware.finish, []) }
            if let next = await newest(after: heard, within: .seconds(1)) {
                underWay -= Int(next["received"]?.integer ?? 0) - received
                answer = next
                heard = client.messages(on: answers).count
                guard answer.reasonText == "gap" || answer.reasonText == "incomplete" else { continue }
            } else {
                // Silence: messages or the agent may be gone. What the next answer says is missing is sent anew.
                answer = try await truth(after: heard, until: deadline)
                heard = client.messages(on: answers).count
            }
            left = missing(answer)
            underWay = 0
        }
        throw TestSupportError("The file was not stored within \(limit); the last answer was \(answer.text)")
    }

    /// What the acknowledgement leaves to be sent.
    private func missing(_ answer: JSONValue) -> [Range<Int>] {
        var ranges = (answer.missing ?? []).map { Int($0[0])..<Int($0[1]) }
        let seen = Int(answer["received"]?.integer ?? 0) + ranges.reduce(0) { $0 + $1.count }
        if seen < firmware.bytes.count { ranges.append(seen..<firmware.bytes.count) }
        return ranges
    }

    /// Sends as much of the ranges as the credit allows.
    private func send(_ ranges: inout [Range<Int>], _ underWay: inout Int, credit: Int) async throws {
        while let range = ranges.first {
            let part = range.lowerBound..<min(range.lowerBound + segment, range.upperBound)
            guard underWay + part.count <= credit else { return }
            try await client.enqueue("\(topic)/\(part.lowerBound)", firmware.part(part))
            underWay += part.count
            if part.upperBound == range.upperBound {
                ranges.removeFirst()
            } else {
                ranges[0] = part.upperBound..<range.upperBound
            }
        }
    }

    private func newest(after count: Int, within limit: Duration) async -> JSONValue? {
        let isThere = try? await client.waitFor(topic: answers, skipping: count, within: limit)
        return isThere == nil ? nil : client.messages(on: answers).last?.json
    }

    /// The latest acknowledgement, once one has come; asks for it every second.
    private func truth(after count: Int, until deadline: ContinuousClock.Instant) async throws -> JSONValue {
        while ContinuousClock.now < deadline {
            if let answer = await newest(after: count, within: .seconds(1)) { return answer }
            // While the broker is away there is nobody to ask.
            try? await client.publish(topic + "/query", [], within: .seconds(1))
        }
        throw TestSupportError("No acknowledgement came for \(id)")
    }
}
