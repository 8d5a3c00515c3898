import Foundation
import Synchronization

/// A broker that a test plays itself, on a free port of the loopback interface. Gone with the value that owns it.
final class ScriptedPeer: Sendable {
    /// One connection of a client. Used on the peer's own thread.
    struct Client {
        fileprivate let descriptor: Int32

        /// The next packet: its first byte and what follows the fixed header; nil at the end of the connection.
        func read() -> (first: UInt8, body: [UInt8])? {
            guard let first = bytes(1)?.first else { return nil }
            var length = 0
            for shift in stride(from: 0, to: 28, by: 7) {
                guard let byte = bytes(1)?.first else { return nil }
                length |= Int(byte & 127) << shift
                if byte & 128 == 0 { break }
            }
            return bytes(length).map { (first, $0) }
        }

        func write(_ bytes: [UInt8]) { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

        /// How many bytes wait to be read.
        var readable: Int32 {
            var count: Int32 = -1
            _ = ioctl(descriptor, UInt(FIONREAD), &count)
            return count
        }

        /// Reads CONNECT; answers with its protocol level.
        @discardableResult
        func readConnect() -> UInt8 {
            guard let packet = read(), packet.first == 0x10, packet.body.count > 6 else { return 0 }
            return packet.body[6]
        }

        /// Lets a client of MQTT 5 in and grants its one subscription.
        func welcome(grant: UInt8 = 1) {
            readConnect()
            write([0x20, 3, 0, 0, 0])
            grantSubscription(grant)
        }

        func grantSubscription(_ code: UInt8 = 1) {
            while let packet = read() {
                guard packet.first == 0x82 else { continue }
                return write([0x90, 4, packet.body[0], packet.body[1], 0, code])
            }
        }

        /// Reads to the end of the connection; answers with the first bytes of all packets.
        @discardableResult
        func readToEnd() -> [UInt8] {
            var seen: [UInt8] = []
            while let packet = read() { seen.append(packet.first) }
            return seen
        }

        private func bytes(_ count: Int) -> [UInt8]? {
            var buffer = [UInt8](repeating: 0, count: count)
            var filled = 0
            while filled < count {
                let got = buffer.withUnsafeMutableBytes { bytes in
                    bytes.baseAddress.map { recv(descriptor, $0 + filled, count - filled, 0) } ?? 0
                }
                guard got > 0 else { return nil }
                filled += got
            }
            return buffer
        }
    }

    private struct State {
        var open: Set<Int32> = []
        var times: [(opened: ContinuousClock.Instant, closed: ContinuousClock.Instant?)] = []
        var isOver = false
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    let port: UInt16
    private let listener: Int32
    private let shared = Shared()

    /// `script` plays one connection and gets its number; when it returns, the connection is closed.
    init(_ script: @escaping @Sendable (Client, Int) -> Void) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, size)
                _ = listen(descriptor, 64)
                _ = getsockname(descriptor, $0, &size)
            }
        }
        listener = descriptor
        port = UInt16(bigEndian: address.sin_port)
        let shared = shared
        Thread.detachNewThread {
            while true {
                let client = accept(descriptor, nil, nil)
                if client < 0 && errno == EINTR { continue }
                guard client >= 0 else { break }
                let number = shared.state.withLock { state in
                    state.open.insert(client)
                    state.times.append((.now, nil))
                    return state.isOver ? -1 : state.times.count - 1
                }
                Thread.detachNewThread {
                    if number >= 0 { script(Client(descriptor: client), number) }
                    shared.state.withLock { state in
                        state.open.remove(client)
                        if number >= 0 { state.times[number].closed = .now }
                        close(client)
                    }
                }
            }
            close(descriptor)
        }
    }

    deinit {
        shared.state.withLock { state in
            state.isOver = true
            for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    /// How many connections there were.
    var count: Int { shared.state.withLock { $0.times.count } }

    /// When each connection came and ended.
    var times: [(opened: ContinuousClock.Instant, closed: ContinuousClock.Instant?)] {
        shared.state.withLock { $0.times }
    }

    /// From the end of each connection to the beginning of the next.
    var pauses: [Duration] {
        let times = times
        return zip(times, times.dropFirst()).compactMap { former, next in former.closed.map { next.opened - $0 } }
    }

    /// From the beginning of each connection to the beginning of the next.
    var intervals: [Duration] {
        let times = times
        return zip(times, times.dropFirst()).map { $1.opened - $0.opened }
    }
}
