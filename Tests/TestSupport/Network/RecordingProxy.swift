import Foundation
import Synchronization

/// A TCP proxy on the loopback interface that remembers what passed through it and when, and can hold or cut it.
/// Gone with the value that owns it.
package final class RecordingProxy: Sendable {
    /// Which way bytes go.
    package enum Direction: Sendable, Hashable, CaseIterable {
        case toServer
        case toClient
    }

    /// Bytes as they were read in one piece.
    package struct Piece: Sendable {
        /// When they were read, before they were passed on.
        package let time: ContinuousClock.Instant
        package let bytes: [UInt8]
    }

    /// What passed over one connection.
    package struct Recording: Sendable {
        /// Counts connections from 0 in the order they came.
        package let number: Int
        /// When the client connected.
        package let opened: ContinuousClock.Instant
        package internal(set) var pieces: [Direction: [Piece]] = [:]
        /// Whether both sides are gone.
        package internal(set) var isClosed = false

        /// All bytes of one direction.
        package func bytes(_ direction: Direction) -> [UInt8] { (pieces[direction] ?? []).flatMap(\.bytes) }

        /// The MQTT packets of one direction that are whole.
        package func packets(_ direction: Direction) -> [MQTTPacket] {
            var splitter = MQTTPacketSplitter()
            return (pieces[direction] ?? []).flatMap { splitter.feed($0.bytes, at: $0.time) }
        }

        /// The client id of the CONNECT packet, where this is a connection of MQTT.
        package var clientID: String? { packets(.toServer).first?.clientID }
    }

    /// Whether bytes are kept or only passed on.
    package enum Memory: Sendable {
        case everything
        case nothing
    }

    private struct State {
        var recordings: [Recording] = []
        var sockets: [Int: (client: Int32, server: Int32)] = [:]
        var paused: Set<Direction> = []
        var refuses = false
        var isOver = false
    }

    /// What the threads share with the proxy; they end when it goes.
    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    /// Where clients connect.
    package let port: UInt16
    private let listener: Int32
    private let shared = Shared()

    /// Listens on a free port, or the one named, and passes on to the target's port.
    package init(target: UInt16, port: UInt16 = 0, memory: Memory = .everything) throws {
        (listener, self.port) = try LoopbackSocket.listen(port: port)
        let shared = shared
        let listener = listener
        Thread.detachNewThread {
            while true {
                let client = Foundation.accept(listener, nil, nil)
                if client < 0 && errno == EINTR { continue }
                guard client >= 0 else { break }
                Self.serve(client, target: target, memory, shared)
            }
            close(listener)
        }
    }

    deinit {
        let sockets = shared.state.withLock { state in
            state.isOver = true
            return Array(state.sockets.values)
        }
        for pair in sockets { Self.shut(pair) }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    /// What passed so far, connection by connection in the order they came.
    package var recordings: [Recording] { shared.state.withLock { $0.recordings } }

    /// The latest connection of that MQTT client.
    package func recording(clientID: String) -> Recording? { recordings.last { $0.clientID == clientID } }

    /// Stops passing on, in one direction or both; bytes wait in the kernel's buffers.
    package func pause(_ directions: Set<Direction> = Set(Direction.allCases)) {
        shared.state.withLock { $0.paused.formUnion(directions) }
    }

    /// Passes everything on again.
    package func resume() { shared.state.withLock { $0.paused = [] } }

    /// Closes every connection at once; new ones are taken.
    package func cut() {
        for pair in shared.state.withLock({ Array($0.sockets.values) }) { Self.shut(pair) }
    }

    /// From now on closes new connections as soon as they come; connections that stand are left alone.
    package func refuse() { shared.state.withLock { $0.refuses = true } }

    /// Takes connections again.
    package func accept() { shared.state.withLock { $0.refuses = false } }

    private static func shut(_ pair: (client: Int32, server: Int32)) {
        shutdown(pair.client, Int32(SHUT_RDWR))
        shutdown(pair.server, Int32(SHUT_RDWR))
    }

    private static func serve(_ client: Int32, target: UInt16, _ memory: Memory, _ shared: Shared) {
        let refuses = shared.state.withLock { $0.refuses || $0.isOver }
        guard !refuses, let server = LoopbackSocket.connect(port: target) else {
            close(client)
            return
        }
        var yes: Int32 = 1
        for descriptor in [client, server] {
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        let number = shared.state.withLock { state in
            let number = state.recordings.count
            state.recordings.append(Recording(number: number, opened: .now))
            state.sockets[number] = (client, server)
            return number
        }
        Thread.detachNewThread {
            let back = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                pump(from: server, to: client, .toClient, number, memory, shared)
                back.signal()
            }
            pump(from: client, to: server, .toServer, number, memory, shared)
            back.wait()
            // Closed by the one thread that knows that nobody uses them any more.
            shared.state.withLock { state in
                state.sockets[number] = nil
                state.recordings[number].isClosed = true
                close(client)
                close(server)
            }
        }
    }

    private static func pump(
        from source: Int32,
        to sink: Int32,
        _ direction: Direction,
        _ number: Int,
        _ memory: Memory,
        _ shared: Shared
    ) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            guard waitWhilePaused(direction, shared) else { break }
            let count = read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            let time = ContinuousClock.now
            guard waitWhilePaused(direction, shared) else { break }
            if memory == .everything {
                let piece = Piece(time: time, bytes: Array(buffer[..<count]))
                shared.state.withLock { $0.recordings[number].pieces[direction, default: []].append(piece) }
            }
            guard sendAll(sink, buffer[..<count]) else { break }
        }
        // The other side learns that this one has nothing more to say.
        shutdown(sink, Int32(SHUT_WR))
        shutdown(source, Int32(SHUT_RD))
    }

    /// False when the proxy is over.
    private static func waitWhilePaused(_ direction: Direction, _ shared: Shared) -> Bool {
        while true {
            let (isPaused, isOver) = shared.state.withLock { ($0.paused.contains(direction), $0.isOver) }
            if isOver { return false }
            if !isPaused { return true }
            usleep(1_000)
        }
    }

    private static func sendAll(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var sent = 0
            while let base = bytes.baseAddress, sent < bytes.count {
                let count = send(descriptor, base + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }
}
