import Foundation
import Synchronization

/// A TCP proxy on the loopback interface that does to an HTTP exchange what bad links do. Gone with the value that owns it.
///
/// A fault strikes the next request whose first bytes hold a text, and lasts until the next request on that connection.
package final class FaultProxy: Sendable {
    /// Which way bytes go.
    package enum Direction: Sendable, Hashable {
        case toServer
        case toClient
    }

    /// What happens to an exchange.
    package enum Fault: Sendable {
        /// Every piece is passed on so much later.
        case latency(Duration)
        /// No more than so many bytes a second pass in either direction.
        case bandwidth(Int)
        /// Bytes are passed on in pieces of so many, each in a packet of its own.
        case slice(Int)
        /// So many bytes of the request pass, then nothing in either direction; the connection stands.
        case blackHole(afterBytes: Int)
        /// After so many bytes in that direction both sides are closed in good order.
        case cut(Direction, afterBytes: Int)
        /// After so many bytes in that direction the client gets a reset.
        case reset(Direction, afterBytes: Int)
        /// The server's close reaches the client so much later.
        case slowClose(Duration)
        /// Every connection is reset and nobody listens for so long.
        case down(Duration)
    }

    fileprivate struct Rule {
        let text: [UInt8]
        let fault: Fault
    }

    fileprivate struct State {
        var rules: [Rule] = []
        var struck: [ContinuousClock.Instant] = []
        var connections: [ObjectIdentifier: Connection] = [:]
        var listener: Int32 = -1
        var isOver = false
    }

    /// What the threads share with the proxy; they end when it goes.
    fileprivate final class Shared: Sendable {
        private let state = Mutex(State())
        let target: UInt16
        let port: UInt16

        init(target: UInt16) throws {
            self.target = target
            let (listener, port) = try LoopbackSocket.listen(port: 0)
            self.port = port
            state.withLock { $0.listener = listener }
            take(listener)
        }

        func add(_ rule: Rule, times: Int) {
            state.withLock { $0.rules += Array(repeating: rule, count: times) }
        }

        var struck: [ContinuousClock.Instant] { state.withLock { $0.struck } }
        var waiting: Int { state.withLock { $0.rules.count } }

        /// The fault for a request that begins with these bytes.
        func fault(for bytes: ArraySlice<UInt8>) -> Fault? {
            state.withLock { state in
                guard let index = state.rules.firstIndex(where: { bytes.contains($0.text) }) else { return nil }
                state.struck.append(.now)
                return state.rules.remove(at: index).fault
            }
        }

        func end() {
            let (listener, connections) = state.withLock { state in
                state.isOver = true
                return (state.listener, Array(state.connections.values))
            }
            if listener >= 0 { shutdown(listener, Int32(SHUT_RDWR)) }
            for connection in connections { connection.close(.inOrder) }
        }

        /// Nobody listens for the time, and every connection is reset.
        func goDown(for time: Duration) {
            let (listener, connections) = state.withLock { state in
                defer { state.listener = -1 }
                return (state.listener, Array(state.connections.values))
            }
            if listener >= 0 { shutdown(listener, Int32(SHUT_RDWR)) }
            for connection in connections { connection.close(.reset) }
            Thread.detachNewThread { [self] in
                pause(time)
                while let listener = try? LoopbackSocket.listen(port: port).descriptor {
                    let isOver = state.withLock { state in
                        if !state.isOver { state.listener = listener }
                        return state.isOver
                    }
                    if isOver { close(listener) } else { take(listener) }
                    return
                }
            }
        }

        private func take(_ listener: Int32) {
            Thread.detachNewThread { [self] in
                while true {
                    let client = Foundation.accept(listener, nil, nil)
                    if client < 0 && errno == EINTR { continue }
                    guard client >= 0 else { break }
                    serve(client)
                }
                close(listener)
            }
        }

        private func serve(_ client: Int32) {
            guard let server = LoopbackSocket.connect(port: target) else {
                close(client)
                return
            }
            let connection = Connection(client: client, server: server, shared: self)
            let isOver = state.withLock { state in
                state.connections[ObjectIdentifier(connection)] = connection
                return state.isOver
            }
            if isOver { connection.close(.inOrder) }
            connection.run { [self] in
                state.withLock { $0.connections[ObjectIdentifier(connection)] = nil }
            }
        }
    }

    private let shared: Shared

    /// Listens on a free port and passes on to the target's port.
    package init(target: UInt16) throws { shared = try Shared(target: target) }

    deinit { shared.end() }

    /// Where clients connect.
    package var port: UInt16 { shared.port }

    /// `http://127.0.0.1:PORT`
    package var url: String { "http://127.0.0.1:\(port)" }

    /// Strikes the next requests whose first bytes hold the text.
    package func strike(_ text: String, _ fault: Fault, times: Int = 1) {
        shared.add(Rule(text: Array(text.utf8), fault: fault), times: times)
    }

    /// Nobody listens for the time, from now on, and every connection is reset.
    package func goDown(for time: Duration) { shared.goDown(for: time) }

    /// When faults struck.
    package var struck: [ContinuousClock.Instant] { shared.struck }

    /// How many strikes have not found their request.
    package var waiting: Int { shared.waiting }
}

/// One connection of a client with the one to the server that belongs to it.
private final class Connection: Sendable {
    enum Closing: Sendable {
        case inOrder
        case reset
    }

    fileprivate struct State {
        var fault: FaultProxy.Fault?
        var passed: [FaultProxy.Direction: Int] = [:]
        var closing: Closing?
        var isGone = false
    }

    private let client: Int32
    private let server: Int32
    private let shared: FaultProxy.Shared
    private let state = Mutex(State())

    init(client: Int32, server: Int32, shared: FaultProxy.Shared) {
        self.client = client
        self.server = server
        self.shared = shared
        var yes: Int32 = 1
        for descriptor in [client, server] {
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// Passes bytes on, on two threads, until both sides are gone.
    func run(_ done: @escaping @Sendable () -> Void) {
        Thread.detachNewThread { [self] in
            let back = DispatchSemaphore(value: 0)
            Thread.detachNewThread { [self] in
                pump(.toClient)
                back.signal()
            }
            pump(.toServer)
            back.wait()
            // Closed by the one thread that knows that nobody uses them any more.
            state.withLock { state in
                state.isGone = true
                if state.closing == .reset { Self.makeResetting(client) }
                Foundation.close(client)
                Foundation.close(server)
            }
            done()
        }
    }

    /// Ends it from any thread.
    func close(_ closing: Closing) {
        state.withLock { state in
            guard !state.isGone, state.closing == nil else { return }
            state.closing = closing
            shutdown(server, Int32(SHUT_RDWR))
            // Where the client is to get a reset, it must not see an end first.
            shutdown(client, Int32(closing == .reset ? SHUT_RD : SHUT_RDWR))
        }
    }

    /// Closing then drops what is not sent and sends a reset.
    private static func makeResetting(_ descriptor: Int32) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    private func pump(_ direction: FaultProxy.Direction) {
        let (source, sink) = direction == .toServer ? (client, server) : (server, client)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            if direction == .toServer { noticeRequest(buffer[..<count]) }
            guard pass(buffer[..<count], to: sink, direction) else { break }
        }
        let (fault, closing) = state.withLock { ($0.fault, $0.closing) }
        if direction == .toClient, case .slowClose(let time) = fault { pause(time) }
        // The other side learns that this one has nothing more to say.
        if closing != .reset || direction == .toServer { shutdown(sink, Int32(SHUT_WR)) }
        shutdown(source, Int32(SHUT_RD))
    }

    private func noticeRequest(_ bytes: ArraySlice<UInt8>) {
        guard bytes.starts(with: Array("POST ".utf8)) || bytes.starts(with: Array("GET ".utf8)) else { return }
        let fault = shared.fault(for: bytes)
        state.withLock { state in
            state.fault = fault
            state.passed = [:]
        }
        if case .down(let time) = fault { shared.goDown(for: time) }
    }

    /// Passes bytes on as the fault of the exchange wants it; false when nothing more passes.
    private func pass(_ bytes: ArraySlice<UInt8>, to sink: Int32, _ direction: FaultProxy.Direction) -> Bool {
        let (fault, passed) = state.withLock { state in
            let passed = state.passed[direction, default: 0]
            state.passed[direction] = passed + bytes.count
            return (state.fault, passed)
        }
        switch fault {
        case nil, .slowClose: return sendAll(sink, bytes)
        case .latency(let time):
            pause(time)
            return sendAll(sink, bytes)
        case .bandwidth(let rate):
            return inPieces(of: max(1, rate / 50), bytes) { piece in
                pause(.seconds(Double(piece.count) / Double(rate)))
                return sendAll(sink, piece)
            }
        case .slice(let size):
            return inPieces(of: size, bytes) { piece in
                defer { pause(.microseconds(100)) }
                return sendAll(sink, piece)
            }
        case .blackHole(let limit):
            guard direction == .toServer, passed < limit else { return true }
            return sendAll(sink, bytes.prefix(limit - passed))
        case .cut(direction, let limit): return end(.inOrder, sink, bytes, room: limit - passed)
        case .reset(direction, let limit): return end(.reset, sink, bytes, room: limit - passed)
        case .cut, .reset: return sendAll(sink, bytes)
        case .down: return false
        }
    }

    /// Passes on what fits, and ends the connection when it is full.
    private func end(_ closing: Closing, _ sink: Int32, _ bytes: ArraySlice<UInt8>, room: Int) -> Bool {
        guard bytes.count >= room else { return sendAll(sink, bytes) }
        _ = sendAll(sink, bytes.prefix(max(0, room)))
        close(closing)
        return false
    }

    private func inPieces(
        of size: Int,
        _ bytes: ArraySlice<UInt8>,
        _ body: (ArraySlice<UInt8>) -> Bool
    ) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            guard body(rest.prefix(size)) else { return false }
            rest = rest.dropFirst(size)
        }
        return true
    }

    private func sendAll(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Bool {
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

/// Holds the calling thread, which serves nothing else.
private func pause(_ time: Duration) {
    let parts = time.components
    usleep(useconds_t(clamping: parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000))
}
