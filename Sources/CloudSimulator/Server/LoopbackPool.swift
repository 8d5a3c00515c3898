import FlyingFox
import FlyingSocks
import Foundation

/// The server's socket pool, which also keeps sockets from programs that are started meanwhile, and bounds what the kernel takes in for a connection before the simulator reads it.
struct LoopbackPool: AsyncSocketPool {
    private let base: any AsyncSocketPool = HTTPServer.defaultPool()
    let receiveBuffer: Int?

    func prepare() async throws { try await base.prepare() }
    func run() async throws { try await base.run() }

    func suspendSocket(_ socket: Socket, untilReadyFor events: Socket.Events) async throws {
        // A program that inherited a connection would keep it open after a hang-up.
        _ = fcntl(socket.file.rawValue, F_SETFD, FD_CLOEXEC)
        if let receiveBuffer, (try? socket.remotePeer()) == nil {
            // Connections inherit the size from the socket that accepts them.
            try socket.setValue(Int32(clamping: receiveBuffer), for: .receiveBufferSize)
        }
        try await base.suspendSocket(socket, untilReadyFor: events)
    }
}
