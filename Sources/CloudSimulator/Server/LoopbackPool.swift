import FlyingFox
import FlyingSocks
import Foundation

/// The server's socket pool. It sees every socket before it is waited for, and sets what FlyingFox leaves at defaults
/// that hurt here.
struct LoopbackPool: AsyncSocketPool {
    private let base: any AsyncSocketPool = HTTPServer.defaultPool()
    /// Bytes that the kernel may take in before they are read; nil: the system's default.
    let receiveBuffer: Int?

    func prepare() async throws { try await base.prepare() }
    func run() async throws { try await base.run() }

    func suspendSocket(_ socket: Socket, untilReadyFor events: Socket.Events) async throws {
        let descriptor = socket.file.rawValue
        // A program that is started meanwhile and inherits a connection would keep it open after a hang-up.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        // Head and body of an answer leave in two pieces: without this the body waits 40 ms for an acknowledgement.
        // Connections inherit it, and the buffer's size, from the socket that accepts them.
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        if let receiveBuffer, (try? socket.remotePeer()) == nil {
            try socket.setValue(Int32(clamping: receiveBuffer), for: .receiveBufferSize)
        }
        try await base.suspendSocket(socket, untilReadyFor: events)
    }
}
