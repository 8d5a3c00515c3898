import Foundation
import Synchronization

/// Blocking TCP sockets on 127.0.0.1.
package enum LoopbackSocket {
    /// A socket that listens; port 0 takes a free one.
    static func listen(port: UInt16) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw TestSupportError("Could not make a socket: errno \(errno)") }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress(port, { bind(descriptor, $0, $1) }) == 0, Foundation.listen(descriptor, 64) == 0 else {
            defer { close(descriptor) }
            throw TestSupportError("Could not listen on port \(port): errno \(errno)")
        }
        return (descriptor, localPort(descriptor))
    }

    /// A socket connected to the port; nil when nobody listens there.
    static func connect(port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        guard withAddress(port, { Foundation.connect(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    /// Below the ports that the kernel gives to connections: a server that restarts finds its port free again.
    private static let serverPorts: Range<UInt16> = 15_000..<32_000

    /// Tests run at the same time, and a server takes a while until it listens: no port is given twice.
    private static let given = Mutex<Set<UInt16>>([])

    /// A port that nobody listens on now, that no connection will be given, and no other test of this run.
    package static func freePort() throws -> UInt16 {
        for _ in 0..<1_000 {
            let candidate = UInt16.random(in: serverPorts)
            guard given.withLock({ $0.insert(candidate).inserted }) else { continue }
            guard let (descriptor, port) = try? listen(port: candidate) else { continue }
            close(descriptor)
            return port
        }
        throw TestSupportError("No port is free in \(serverPorts)")
    }

    /// Whether somebody takes connections on the port.
    package static func isOpen(_ port: UInt16) -> Bool {
        guard let descriptor = connect(port: port) else { return false }
        defer { close(descriptor) }
        // A connection to a port of its own kind can meet itself, with nobody there.
        return localPort(descriptor) != port
    }

    private static func localPort(_ descriptor: Int32) -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
