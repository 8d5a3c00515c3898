import FerryCore
import Glibc
import Logging

/// The system's journal by its own protocol, which keeps every value as a field of its own:
/// `journalctl OTAFERRY_TRANSFER=ci/pumpctl-1.4.2` finds all lines of a transfer.
package final class JournalSocket: Sendable {
    private let descriptor: Int32
    private let path: String

    /// systemd.journal-fields(7)
    package static let path = "/run/systemd/journal/socket"

    /// Nil where there is no journal.
    package init?(path: String = JournalSocket.path) {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.path = path
        guard descriptor >= 0 else { return nil }
        guard access(path, W_OK) == 0, path.utf8.count < MemoryLayout<sockaddr_un>.size - 2 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// Sends one event; false where the journal does not take it.
    func send(_ line: LogLine) -> Bool {
        let entry = Self.entry(line)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                sendto(
                    descriptor,
                    entry,
                    entry.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
                    address,
                    length
                )
            }
        }
        return sent == entry.count
    }

    /// `NAME=value` a line. Values are escaped, so that none has a line's end in it.
    static func entry(_ line: LogLine) -> [UInt8] {
        var text = "MESSAGE=\(line.plain)\nPRIORITY=\(line.priority)\nSYSLOG_IDENTIFIER=otaferry\n"
        for (key, value) in line.values { text += "OTAFERRY_\(fieldName(key))=\(LogLine.escaped(value))\n" }
        return Array(text.utf8)
    }

    /// Upper case, digits and underscores; the journal drops everything else.
    private static func fieldName(_ key: String) -> String {
        String(key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}
