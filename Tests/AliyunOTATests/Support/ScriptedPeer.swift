import Glibc
import Synchronization

/// A server on loopback whose connections follow a script, each on a thread of its own. It records what it read.
final class ScriptedPeer: Sendable {
    typealias Script = @Sendable (PeerConnection) -> Void

    let port: Int
    private let listener: Int32
    private let state = Mutex(State())

    private struct State {
        var connectionCount = 0
        var requests: [PeerRequest] = []
        var isStopped = false
    }

    /// - Parameter script: run for every connection; when it returns, the connection is closed.
    init(_ script: @escaping Script) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(listener, generic, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, generic, &length) == 0
            }
        }
        guard result else { throw PeerError(text: "cannot listen: errno \(errno)") }
        port = Int(UInt16(bigEndian: address.sin_port))
        startThread { self.acceptAll(script) }
    }

    var url: String { "http://127.0.0.1:\(port)/" }
    var connectionCount: Int { state.withLock { $0.connectionCount } }
    var requests: [PeerRequest] { state.withLock { $0.requests } }

    func record(_ request: PeerRequest) { state.withLock { $0.requests.append(request) } }

    func stop() {
        let isFirst = state.withLock { state in
            defer { state.isStopped = true }
            return !state.isStopped
        }
        // Wakes `accept`.
        if isFirst { shutdown(listener, Int32(SHUT_RDWR)) }
    }

    private func acceptAll(_ script: @escaping Script) {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { break }
            let number = state.withLock { state in
                state.connectionCount += 1
                return state.connectionCount
            }
            let connection = PeerConnection(descriptor: descriptor, number: number, peer: self)
            startThread {
                script(connection)
                connection.close()
            }
        }
        close(listener)
    }
}

struct PeerError: Error { let text: String }

struct PeerRequest: Sendable {
    let method: String
    let target: String
    let headers: [String: String]
    var body: [UInt8] = []

    var query: [String: String] {
        var result: [String: String] = [:]
        for pair in (target.split(separator: "?", maxSplits: 1).last ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            result[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
        return result
    }
}

/// One connection of a scripted peer. Used by its own thread only, apart from `close`.
final class PeerConnection: Sendable {
    let descriptor: Int32
    /// Counts from 1.
    let number: Int
    private let peer: ScriptedPeer
    private let pending = Mutex<[UInt8]>([])

    init(descriptor: Int32, number: Int, peer: ScriptedPeer) {
        self.descriptor = descriptor
        self.number = number
        self.peer = peer
    }

    /// Reads a head; nil when the client has hung up.
    func readHead() -> PeerRequest? {
        while true {
            if let request = pending.withLock({ Self.takeHead(&$0) }) { return request }
            guard fill() > 0 else { return nil }
        }
    }

    /// Reads a request with its whole body and records it; nil when the client has hung up.
    @discardableResult
    func readRequest() -> PeerRequest? {
        guard var request = readHead() else { return nil }
        let length = request.headers["content-length"].flatMap { Int($0) } ?? 0
        while pending.withLock({ $0.count }) < length { guard fill() > 0 else { return nil } }
        request.body = pending.withLock { bytes in
            defer { bytes.removeFirst(length) }
            return Array(bytes.prefix(length))
        }
        peer.record(request)
        return request
    }

    /// Reads and drops bytes; false when the client has hung up before.
    @discardableResult
    func drain(_ count: Int) -> Bool {
        var left =
            count
            - pending.withLock { bytes in
                let taken = min(count, bytes.count)
                bytes.removeFirst(taken)
                return taken
            }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while left > 0 {
            let got = recv(descriptor, &buffer, min(left, buffer.count), 0)
            guard got > 0 else { return false }
            left -= got
        }
        return true
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return }
            rest = rest.dropFirst(sent)
        }
    }

    func answer(_ status: Int, headers: [String] = [], body: String = "") {
        let head = ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)"] + headers
        write(head.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    /// Waits until the client hangs up; what it sends is not read.
    func waitForHangUp() {
        // POLLRDHUP of poll(2), which the headers hide without _GNU_SOURCE.
        var entry = pollfd(fd: descriptor, events: 0x2000, revents: 0)
        poll(&entry, 1, 30_000)
    }

    func close() { Glibc.close(descriptor) }

    private func fill() -> Int {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let got = recv(descriptor, &buffer, buffer.count, 0)
        if got > 0 { pending.withLock { $0 += buffer[..<got] } }
        return got
    }

    private static func takeHead(_ bytes: inout [UInt8]) -> PeerRequest? {
        let mark: [UInt8] = [13, 10, 13, 10]
        guard bytes.count >= 4,
            let end = (0...bytes.count - 4).first(where: { bytes[$0..<$0 + 4].elementsEqual(mark) })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        bytes.removeFirst(end + 4)
        let first = lines[0].split(separator: " ")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        return PeerRequest(method: String(first[0]), target: String(first[1]), headers: headers)
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

func startThread(_ run: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let body = Unmanaged.passRetained(ThreadBody(run))
    pthread_create(
        &thread,
        nil,
        { argument in
            if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        },
        body.toOpaque()
    )
    pthread_detach(thread)
}

/// Waits for a condition, at most 10 seconds; whether it came true.
func eventually(_ condition: @Sendable () -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition() {
        if ContinuousClock.now > deadline { return false }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return true
}

/// A number that threads count up.
final class Counter: Sendable {
    private let count = Mutex<Int64>(0)
    var value: Int64 { count.withLock { $0 } }
    @discardableResult
    func add(_ number: Int64 = 1) -> Int64 {
        count.withLock {
            $0 += number
            return $0
        }
    }
}

/// Holds a peer's thread until a test opens it.
final class Gate: Sendable {
    private let pipe: (read: Int32, write: Int32)

    init() {
        var ends: [Int32] = [0, 0]
        Glibc.pipe(&ends)
        pipe = (ends[0], ends[1])
    }

    deinit {
        close(pipe.read)
        close(pipe.write)
    }

    func open() {
        var byte: UInt8 = 1
        write(pipe.write, &byte, 1)
    }

    func wait() {
        var entry = pollfd(fd: pipe.read, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, 30_000)
    }
}
