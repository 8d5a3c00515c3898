import Foundation
import Synchronization

/// The service manager's end of `sd_notify(3)`: a datagram socket in a temporary folder. Gone with the value that owns it.
package final class NotifySocket: Sendable {
    private final class Shared: Sendable {
        let lines = Mutex<[String]>([])
    }

    /// For `NOTIFY_SOCKET`.
    package let path: String
    private let folder: TemporaryFolder
    private let descriptor: Int32
    private let shared = Shared()

    package init() throws {
        folder = try TemporaryFolder("notify")
        path = folder.file("socket")
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw TestSupportError("Could not make a socket: errno \(errno)") }
        self.descriptor = descriptor
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isBound else { throw TestSupportError("Could not bind \(path): errno \(errno)") }
        let shared = shared
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { break }
                let text = String(decoding: buffer[..<count], as: UTF8.self)
                shared.lines.withLock { $0 += text.split(separator: "\n").map(String.init) }
            }
            close(descriptor)
        }
    }

    deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// The assignments that came, in order.
    package var lines: [String] { shared.lines.withLock { $0 } }
}
