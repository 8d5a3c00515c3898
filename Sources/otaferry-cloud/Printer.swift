import CloudSimulator
import Foundation

/// Writes what people and scripts watch to standard output, a line at a time.
struct Printer: Sendable {
    let json: Bool

    /// Calls are taken from now on.
    func ready(_ cloud: SimulatedCloud) {
        let keys = cloud.configuration.accessKeys
        if json {
            write([
                "event": "ready", "endpoint": cloud.endpoint, "port": Int(cloud.port ?? 0),
                "folder": cloud.configuration.folder,
                "access_keys": keys.map { ["id": $0.id, "secret": $0.secret, "token": $0.securityToken ?? ""] },
            ])
        } else {
            let shown = keys.map { key in
                "access key \(key.id), secret \(key.secret)" + (key.securityToken.map { ", token \($0)" } ?? "")
            }
            write("ready at \(cloud.endpoint)  \(shown.joined(separator: "; "))  folder \(cloud.configuration.folder)")
        }
    }

    /// A call was answered.
    func call(_ record: CallRecord) {
        guard json else {
            write("\(time(record.receivedAt))  \(record.line)")
            return
        }
        write(record.members.merging(["event": "call"]) { $1 })
    }

    private func time(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private func write(_ object: [String: Any]) {
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? JSONSerialization.data(withJSONObject: object, options: options) else { return }
        write(String(decoding: data, as: UTF8.self))
    }

    private func write(_ line: String) {
        // One write call a line, so that lines of calls that end together do not mix.
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))  // nobody reads: nothing to do
    }
}
