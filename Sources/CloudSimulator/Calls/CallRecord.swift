package import Foundation

/// One call that came in, and what became of it.
package struct CallRecord: Sendable {
    /// Counts calls from 1.
    package let number: Int
    /// Which call.
    package let call: Call
    /// The parameters as received; for an upload the fields of the form that came before the file.
    package internal(set) var parameters: [String: String]
    /// When it came in.
    package let received: ContinuousClock.Instant
    /// When it came in, by the system's clock.
    package let receivedAt: Date
    /// When it was answered or hung up; nil while it is under way.
    package internal(set) var answered: ContinuousClock.Instant?
    /// The HTTP status answered; nil while it is under way and where the connection was closed instead.
    package internal(set) var status: Int?
    /// The code of the error answered; empty for success.
    package internal(set) var code = ""
    /// What was done, or why not: a few words for people.
    package internal(set) var note = ""
    /// Bytes of the body read so far, for an upload.
    package internal(set) var bodyBytes: Int64 = 0
    /// The name of the fault that was played, or nil.
    package internal(set) var fault: String?

    /// `#12 CreateOTAFirmware 200 ok 3 ms pumpctl-1_4_2 1.4.2`
    package var line: String {
        let time = answered.map { answered in
            let took = (answered - received).components
            return " \(took.seconds * 1_000 + took.attoseconds / 1_000_000_000_000_000) ms"
        }
        let outcome = answered == nil ? "under way" : status.map(String.init) ?? "hung up"
        let parts = [
            "#\(number) \(call.rawValue) \(outcome)\(code.isEmpty ? "" : " " + code)\(time ?? "")", note,
            fault.map { "[fault: \($0)]" } ?? "",
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "  ")
    }
}
